"""Finished parts of a run."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope.errors import PredictionsError
from scope.storage.shards import SHARD_QUESTIONS, ShardFolder, assign_shards

SETTINGS = {"bank": "abc", "models": ["small", "large"]}


def table_of(ids, errors=None):
    """One row a question, its length beside it."""
    lengths = [len(name) for name in ids]
    return pa.table({"question_id": ids, "length": lengths, "error": errors or [""] * len(ids)})


def written(folder, ids):
    """Write all shards of some questions, the last first."""
    shard_n = assign_shards(ids)
    for shard in np.unique(shard_n)[::-1]:
        names = [ids[n] for n in np.flatnonzero(shard_n == shard)]
        folder.write(int(shard), table_of(names))


def test_a_question_has_its_shard_from_its_name_alone():
    """
    The order of the questions changes nothing; about `SHARD_QUESTIONS` share one.
    """
    ids = [f"q{n}" for n in range(5_000)]

    shard_n = assign_shards(ids)

    np.testing.assert_array_equal(assign_shards(ids[::-1]), shard_n[::-1])
    assert np.bincount(shard_n).shape == (10,)
    assert np.bincount(shard_n).max() < 1.2 * SHARD_QUESTIONS


def test_few_questions_are_one_shard():
    """
    Nothing to share out.
    """
    assert assign_shards(["a", "b", "c"]).tolist() == [0, 0, 0]


def test_a_shard_is_finished_once_its_record_is_there(tmp_path):
    """
    A table without a record, as a kill between the two leaves it, is no shard.
    """
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)
    assert folder.record(0) is None

    folder.write(0, table_of(["b", "a"]))

    assert folder.record(0).rows == 2
    assert folder.is_complete(0)
    (tmp_path / "run" / "shard-000000.json").unlink()
    assert not folder.is_complete(0)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b"rubbish"), id="other bytes"),
        pytest.param(lambda path: path.unlink(), id="gone"),
    ],
)
def test_a_damaged_shard_is_made_again(tmp_path, damage):
    """
    Its record no longer fits, so that it counts as missing.
    """
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)
    folder.write(0, table_of(["a"]))

    damage(tmp_path / "run" / "shard-000000.parquet")

    assert not folder.is_complete(0)


def test_a_shard_with_a_failed_row_is_not_finished(tmp_path):
    """
    It is there to be merged, and made again by the next run.
    """
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)

    folder.write(0, table_of(["a", "b"], errors=["", "out of memory"]))

    assert folder.record(0).failed == 1
    assert not folder.is_complete(0)
    (merged,) = folder.iter_merged(["a", "b"])
    assert merged["error"].to_pylist() == ["", "out of memory"]


def test_a_run_goes_on_with_its_own_settings(tmp_path):
    """
    What is finished is found again.
    """
    written(ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False), ["a", "b"])

    assert ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False).is_complete(0)


def test_other_settings_are_refused_by_name(tmp_path):
    """
    The sentence names what differs, and what to do; nothing is lost.
    """
    written(ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False), ["a", "b"])

    with pytest.raises(PredictionsError, match=r"with different bank, seed; .* --fresh"):
        ShardFolder.open(tmp_path / "run", {**SETTINGS, "bank": "xyz", "seed": 1}, fresh=False)

    assert ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False).is_complete(0)


def test_a_fresh_run_forgets_what_was_there(tmp_path):
    """
    As asked.
    """
    written(ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False), ["a", "b"])

    assert not ShardFolder.open(tmp_path / "run", {"bank": "xyz"}, fresh=True).is_complete(0)


def test_a_folder_without_settings_is_refused(tmp_path):
    """
    Whatever it is, it is not overwritten.
    """
    (tmp_path / "run").mkdir()

    with pytest.raises(PredictionsError, match=r"run\.json cannot be read"):
        ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)


@settings(max_examples=20)
@given(
    ids=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=80, unique=True),
    n_rows=st.integers(1, 30),
)
def test_merged_shards_are_all_questions_in_order(tmp_path_factory, ids, n_rows):
    """
    Sorted by id, none lost or doubled, however many are asked for at once.
    """
    folder = ShardFolder.open(tmp_path_factory.mktemp("run") / "run", SETTINGS, fresh=False)
    written(folder, ids)

    parts = list(folder.iter_merged(ids, n_rows))

    assert [name for part in parts for name in part["question_id"].to_pylist()] == sorted(ids)
    assert {part.num_rows for part in parts[:-1]} <= {n_rows}


def test_merging_takes_a_little_of_many_shards(tmp_path):
    """
    Three thousand questions lie in six shards; every part of 500 draws on all of them.
    """
    ids = [f"q{n:04d}" for n in range(3_000)]
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)
    written(folder, ids)

    parts = list(folder.iter_merged(ids, 500))

    assert [part.num_rows for part in parts] == [500] * 6
    assert [name for part in parts for name in part["question_id"].to_pylist()] == ids


def test_a_shard_on_another_disk_is_missed(tmp_path):
    """
    As where the machines of a cluster share none: said before anything is put together.
    """
    ids = [f"q{n}" for n in range(1_500)]
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)
    written(folder, ids)
    (tmp_path / "run" / "shard-000001.parquet").unlink()

    with pytest.raises(PredictionsError, match=r"lacks 1 shards .* all machines of the cluster"):
        next(folder.iter_merged(ids))
