"""Shards of a run."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.errors import PredictionsError
from scope.storage.files import link_or_copy
from scope.storage.shards import SHARD_QUESTIONS, ShardFolder, split_into_shards

SETTINGS = {"bank": "abc", "models": ["small", "large"]}


def tables_of(ids):
    """One table with a row per question, with the length of its id."""
    lengths = [len(id_) for id_ in ids]
    return {"lengths": pa.table({"question_id": ids, "length": lengths})}


def write_all(folder, ids):
    """Write all shards of some questions, the last one first; return their number."""
    shards = list(enumerate(split_into_shards(ids)))
    for shard, rows in shards[::-1]:
        folder.write(shard, tables_of([ids[row] for row in rows]))
    return len(shards)


def test_shards_are_the_sorted_questions_cut():
    """
    The order of the questions in the file does not matter; the last shard has the rest.
    """
    ids = [f"q{n}" for n in range(1_100)]

    shards = split_into_shards(ids)

    assert [len(rows) for rows in shards] == [SHARD_QUESTIONS, SHARD_QUESTIONS, 76]
    turned = split_into_shards(ids[::-1])
    for here, there in zip(shards, turned, strict=True):
        assert [ids[row] for row in here] == [ids[::-1][row] for row in there]


@given(ids=st.lists(st.text(max_size=5), min_size=1, max_size=80, unique=True))
def test_shards_one_after_the_other_are_all_questions_in_order(ids):
    """
    Each once, sorted by id.
    """
    order = np.concatenate(split_into_shards(ids))

    assert [ids[row] for row in order] == sorted(ids)


def test_few_questions_are_one_shard():
    """
    Fewer than `SHARD_QUESTIONS` are not split.
    """
    (rows,) = split_into_shards(["c", "a", "b"])

    assert rows.tolist() == [1, 2, 0]


def test_a_shard_is_finished_when_it_has_a_record(tmp_path):
    """
    A run killed between table and record leaves an unfinished shard.
    """
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)
    assert folder.record(0) is None

    folder.write(0, tables_of(["a", "b"]))

    assert folder.record(0).failed == 0
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
    folder.write(0, tables_of(["a"]))

    damage(folder.table_path(0, "lengths"))

    assert not folder.is_complete(0)


def test_a_shard_with_a_failed_question_is_not_finished(tmp_path):
    """
    Its tables can be used, and the next run computes it again.
    """
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)

    folder.write(0, tables_of(["a", "b"]), n_failed=1)

    assert folder.record(0).failed == 1
    assert not folder.is_complete(0)
    assert folder.finished_records(1)[0].failed == 1


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


def test_the_records_of_all_shards_have_their_summaries(tmp_path):
    """
    In the order of the shards, whichever was written first.
    """
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)
    for shard in (1, 0):
        folder.write(shard, tables_of(["a"]), summary={"number": shard})

    assert [record.summary["number"] for record in folder.finished_records(2)] == [0, 1]


def test_a_shard_on_another_disk_is_an_error(tmp_path):
    """
    As in a cluster without a shared disk.
    """
    ids = [f"q{n}" for n in range(1_500)]
    folder = ShardFolder.open(tmp_path / "run", SETTINGS, fresh=False)
    n_shards = write_all(folder, ids)
    folder.table_path(1, "lengths").unlink()

    with pytest.raises(PredictionsError, match=r"lacks 1 shards .* all machines of the cluster"):
        folder.finished_records(n_shards)


def test_a_disk_without_hard_links_gets_copies(tmp_path, monkeypatch):
    """
    As some network disks.
    """

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "a").write_text("text")

    link_or_copy(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b").read_text() == "text"
    assert not (tmp_path / "b").samefile(tmp_path / "a")
