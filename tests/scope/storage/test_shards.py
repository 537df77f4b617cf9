"""Shards of a run."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope.errors import PredictionsError
from scope.storage.shards import SHARD_QUESTIONS, ShardFolder, assign_shards

SETTINGS = {"bank": "abc", "models": ["small", "large"]}


def table_of(ids, errors=None):
    """One row per question, with the length of its id."""
    lengths = [len(id_) for id_ in ids]
    return pa.table({"question_id": ids, "length": lengths, "error": errors or [""] * len(ids)})


def write_all(folder, ids):
    """Write all shards of some questions, the last one first."""
    shard_n = assign_shards(ids)
    for shard in np.unique(shard_n)[::-1]:
        members = [ids[n] for n in np.flatnonzero(shard_n == shard)]
        folder.write(int(shard), table_of(members))


def test_the_shard_of_a_question_depends_on_its_id():
    """
    The order of the questions does not matter; a shard has about `SHARD_QUESTIONS`.
    """
    ids = [f"q{n}" for n in range(5_000)]

    shard_n = assign_shards(ids)

    np.testing.assert_array_equal(assign_shards(ids[::-1]), shard_n[::-1])
    assert np.bincount(shard_n).shape == (10,)
    assert np.bincount(shard_n).max() < 1.2 * SHARD_QUESTIONS


def test_few_questions_are_one_shard():
    """
    Fewer than `SHARD_QUESTIONS` are not split.
    """
    assert assign_shards(["a", "b", "c"]).tolist() == [0, 0, 0]


def test_a_shard_is_finished_when_it_has_a_record(tmp_path):
    """
    A run killed between table and record leaves an unfinished shard.
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
        pytest.param(lambda path: path.unlink(), id="deleted"),
    ],
)
def test_a_damaged_shard_is_unfinished(tmp_path, damage):
    """
    It does not match its record.
    """
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)
    folder.write(0, table_of(["a"]))

    damage(tmp_path / "run" / "shard-000000.parquet")

    assert not folder.is_complete(0)


def test_a_shard_with_a_failed_row_is_not_finished(tmp_path):
    """
    It can be merged, and the next run computes it again.
    """
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)

    folder.write(0, table_of(["a", "b"], errors=["", "out of memory"]))

    assert folder.record(0).failed == 1
    assert not folder.is_complete(0)
    (merged,) = folder.iter_merged(["a", "b"])
    assert merged["error"].to_pylist() == ["", "out of memory"]


def test_a_run_resumes_with_the_same_settings(tmp_path):
    """
    Its finished shards are kept.
    """
    write_all(ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False), ["a", "b"])

    assert ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False).is_complete(0)


def test_other_settings_are_rejected(tmp_path):
    """
    The message names the settings that differ and what to do; finished shards are kept.
    """
    write_all(ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False), ["a", "b"])

    with pytest.raises(PredictionsError, match=r"with different bank, seed; .* --fresh"):
        ShardFolder.open(tmp_path / "run", {**SETTINGS, "bank": "xyz", "seed": 1}, fresh=False)

    assert ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False).is_complete(0)


def test_a_fresh_run_deletes_the_old_shards(tmp_path):
    """
    Also those of other settings.
    """
    write_all(ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False), ["a", "b"])

    assert not ShardFolder.open(tmp_path / "run", {"bank": "xyz"}, fresh=True).is_complete(0)


def test_a_folder_without_settings_is_rejected(tmp_path):
    """
    A folder that is not a run is not overwritten.
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
    Sorted by id, each once, with any number of rows per table.
    """
    folder = ShardFolder.open(tmp_path_factory.mktemp("run") / "run", SETTINGS, fresh=False)
    write_all(folder, ids)

    parts = list(folder.iter_merged(ids, n_rows))

    assert [id_ for part in parts for id_ in part["question_id"].to_pylist()] == sorted(ids)
    assert {part.num_rows for part in parts[:-1]} <= {n_rows}


def test_merging_reads_many_shards_at_once(tmp_path):
    """
    3,000 questions are in six shards; each table of 500 rows takes rows from all of them.
    """
    ids = [f"q{n:04d}" for n in range(3_000)]
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)
    write_all(folder, ids)

    parts = list(folder.iter_merged(ids, 500))

    assert [part.num_rows for part in parts] == [500] * 6
    assert [id_ for part in parts for id_ in part["question_id"].to_pylist()] == ids


def test_a_shard_on_another_disk_is_an_error(tmp_path):
    """
    As in a cluster without a shared disk; the error is raised before the first table.
    """
    ids = [f"q{n}" for n in range(1_500)]
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)
    write_all(folder, ids)
    (tmp_path / "run" / "shard-000001.parquet").unlink()

    with pytest.raises(PredictionsError, match=r"lacks 1 shards .* all machines of the cluster"):
        next(folder.iter_merged(ids))
