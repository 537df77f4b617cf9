"""A killed rollout can be found again."""

import pytest

from deployments.operate.journal import RolloutJournal, RolloutRecord, RolloutTerms
from deployments.operate.watch_limits import WatchLimits
from scope.errors import ConfigError


def record_of(**changes):
    """A rollout from bank ``old`` to bank ``new``."""
    terms = RolloutTerms(config=None, limits=WatchLimits(), watch_s=300, start_s=600)
    record = RolloutRecord(
        id="2026-01-01T00-00-00",
        phase="shifting",
        dashboard="http://127.0.0.1:8265",
        application="scope",
        previous={"applications": [{"name": "scope", "args": {"bank": "/old"}}]},
        old_bank="/old",
        old_version="0",
        new_bank="/new",
        new_version="1",
        old_replicas=("a", "b"),
        terms=terms,
        baseline={"n_requests": 0, "p95_ms": None},
    )
    return record.model_copy(update=changes)


@pytest.fixture
def journal(tmp_path):
    return RolloutJournal(tmp_path / "rollouts")


def test_an_unfinished_rollout_is_read_as_it_was_written(journal):
    """
    By another process, after a kill.
    """
    with journal.locked():
        journal.write(record_of(phase="watching"))

    assert RolloutJournal(journal.folder).unfinished() == record_of(phase="watching")


def test_a_finished_rollout_is_kept_under_its_time(journal):
    """
    The folder is the history of the banks.
    """
    with journal.locked():
        journal.write(record_of())
        journal.write(record_of(phase="rolled back", why="it was slow"))

    assert journal.unfinished() is None
    assert '"why": "it was slow"' in (journal.folder / "2026-01-01T00-00-00.json").read_text()


def test_only_its_owner_reads_the_folder(journal):
    """
    A configuration may hold environment variables.
    """
    with journal.locked():
        assert journal.folder.stat().st_mode & 0o777 == 0o700


def test_a_second_rollout_at_the_same_time_is_refused(journal):
    """
    Two would undo each other.
    """
    other = RolloutJournal(journal.folder)

    with journal.locked(), pytest.raises(ConfigError, match="in progress"), other.locked():
        pass
    with other.locked():  # the first has ended
        pass


def test_without_an_unfinished_rollout_there_is_nothing_to_undo(journal):
    """
    In one sentence that names the folder.
    """
    with pytest.raises(ConfigError, match="rollouts has no unfinished rollout"):
        journal.require_unfinished()
