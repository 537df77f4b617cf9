import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.train.pairs import Pair, fold_of, read_pairs
from scope.errors import FormatError
from scope.samples import Samples, make_pairs, split_of, write_pairs

ROW = {"prompt": "two", "chosen": "good", "rejected": "bad", "split": "train"}
TEXTS = {"chosen": "Human: two Assistant: good", "rejected": "Human: two Assistant: bad"}


def jsonl(path, *rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_json_lines_and_parquet_give_the_same_pairs(tmp_path):
    pq.write_table(pa.Table.from_pylist([ROW]), tmp_path / "pairs.parquet")

    expected = [Pair("two", "good", "bad", "train")]
    assert read_pairs(jsonl(tmp_path / "pairs.jsonl", ROW)) == expected
    assert read_pairs(tmp_path / "pairs.parquet") == expected


def test_the_published_texts_are_taken_apart(tmp_path):
    (pair,) = read_pairs(jsonl(tmp_path / "pairs.jsonl", TEXTS))

    assert (pair.prompt, pair.chosen, pair.rejected) == ("two", "good", "bad")
    assert pair.split in {"train", "validation", "test"}


def test_a_prompt_with_the_mark_in_it_is_one_prompt(tmp_path):
    row = {name: f"Human: say Assistant: {text[7:]}" for name, text in TEXTS.items()}

    (pair,) = read_pairs(jsonl(tmp_path / "pairs.jsonl", row))

    assert (pair.prompt, pair.chosen) == ("say Assistant: two", "good")


def test_the_published_folder_is_a_saved_data_set(tmp_path):
    from datasets import Dataset, DatasetDict

    parts = DatasetDict({name: Dataset.from_list([TEXTS]) for name in ("train", "validation")})
    parts.save_to_disk(tmp_path / "pairs")

    assert [pair.split for pair in read_pairs(tmp_path / "pairs")] == ["train", "validation"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"chosen": "good"}, "row 1 has no texts `chosen` and `rejected`"),
        ({"chosen": "good", "rejected": "bad"}, "row 1 has neither a `prompt` nor texts"),
    ],
)
def test_a_row_that_is_no_pair_is_named(tmp_path, row, message):
    with pytest.raises(FormatError, match=message):
        read_pairs(jsonl(tmp_path / "pairs.jsonl", row))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "pairs.jsonl").write_text("{")

    for path in (tmp_path / "pairs.jsonl", tmp_path / "none.parquet", tmp_path):
        with pytest.raises(FormatError, match=str(path)):
            read_pairs(path)


def test_a_fold_depends_on_the_prompt_alone():
    folds = [fold_of(f"prompt {n}", 5) for n in range(1_000)]

    assert folds[7] == fold_of("prompt 7", 5)
    assert all(150 < folds.count(fold) < 250 for fold in range(5))


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs"])
def test_pairs_made_of_samples_are_read(tmp_path, name):
    """
    Of three responses the middle one is better than the worst, and the best than the middle.
    """
    prompts = tuple(f"prompt {n}" for n in range(40))
    scores = np.tile([[[0.1, 0.9, 0.5]]], (40, 1, 1))
    texts = ((("bad", "good", "fair"),),) * 40
    samples = Samples(
        prompts, prompts, ("m",), {"correct": scores}, np.ones((40, 1)), scores, texts
    )
    write_pairs(tmp_path / name, list(make_pairs(samples, "correct")))

    found = [pair for pair in read_pairs(tmp_path / name) if pair.split == "train"]

    training = {prompt for prompt in prompts if split_of(prompt) == "train"}
    assert {pair.prompt for pair in found} == training
    assert {(pair.chosen, pair.rejected) for pair in found} == {("fair", "bad"), ("good", "fair")}
