import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scope.errors import FormatError
from scope.samples.files import write_samples
from scope.samples.samples import Samples
from scope.samples.split import split_of
from scope.samples.stored_splits import read_splits, splits_of


def samples_of(*ids):
    """One sample of one model on each prompt."""
    ones = np.ones((len(ids), 1, 1))
    prompts = tuple(f"prompt {question_id}" for question_id in ids)
    return Samples(ids, prompts, ("m",), {"correct": ones}, ones[:, :, 0], ones)


def lines(path, **split_of_id):
    """Write a line for each id; a split of None is left out."""
    rows = [
        {"id": question_id, "prompt": "p"} | ({"split": split} if split else {})
        for question_id, split in split_of_id.items()
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_column_states_the_split(tmp_path, suffix):
    """
    One row for each sample of Parquet, one line for each prompt of JSON lines.
    """
    path = tmp_path / f"all{suffix}"
    if suffix == ".jsonl":
        lines(path, a="train", b="test")
    else:
        write_samples(path, samples_of("a", "b"))
        table = pq.read_table(path).append_column("split", pa.array(["train", "test"]))
        pq.write_table(table, path)

    assert read_splits(path) == {"a": "train", "b": "test"}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_the_files_of_a_split_state_it(tmp_path, suffix):
    """
    Two of the names are needed: a file train alone may hold anything.
    """
    files = [tmp_path / f"{name}{suffix}" for name in ("train", "validation", "test")]
    for file, question_id in zip(files, "abc", strict=True):
        write_samples(file, samples_of(question_id))

    assert read_splits(*files) == {"a": "train", "b": "validation", "c": "test"}
    assert read_splits(files[0]) == {}


def test_without_a_stated_split_the_hash_of_the_prompt_decides(tmp_path):
    """
    As it did before splits were read.
    """
    samples = samples_of(*map(str, range(50)))
    write_samples(tmp_path / "all.jsonl", samples)

    stored = read_splits(tmp_path / "all.jsonl")

    assert stored == {}
    assert splits_of(samples, stored, "all") == tuple(map(split_of, samples.prompts))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        pytest.param({"a": "dev"}, {}, r"line 1: split is 'dev'; expected one of train", id="name"),
        pytest.param(
            {"a": "train"}, {"a": "test"}, "'a' is in the split test, and in train by", id="two"
        ),
    ],
)
def test_a_wrong_split_is_one_sentence(tmp_path, first, second, message):
    """
    With file and line.
    """
    with pytest.raises(FormatError, match=message):
        read_splits(lines(tmp_path / "1.jsonl", **first), lines(tmp_path / "2.jsonl", **second))


def test_a_prompt_without_a_split_beside_others_is_refused(tmp_path):
    """
    By its hash it could be a training prompt, although others of its source are for the test.
    """
    stored = read_splits(lines(tmp_path / "1.jsonl", a="train", b=None))

    with pytest.raises(FormatError, match=r"all: 1 prompts have no split and 1 have one.*: b"):
        splits_of(samples_of("a", "b"), stored, "all")
