"""The journal of a rollout: enough to finish or undo one that was killed."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from deployments.operate.watch_limits import WatchLimits
from scope.config import StrictModel, parse
from scope.errors import ConfigError
from scope.storage import read_json, write_json

CURRENT = "current.json"
LOCK = "lock"

Phase = Literal["shifting", "watching", "writing", "rolling back", "done", "rolled back"]
FINAL_PHASES = frozenset({"done", "rolled back"})


class RolloutTerms(StrictModel):
    """What the operator asked for."""

    config: str | None
    """File to write the bank to when it is done."""
    limits: WatchLimits
    watch_s: float
    start_s: float
    """Time that new replicas have to start."""


class RolloutRecord(StrictModel):
    """A rollout: what was in force, what shall be, and how far it is."""

    id: str
    """UTC time of its start."""
    phase: Phase
    dashboard: str
    application: str
    previous: dict[str, Any]
    """The whole configuration that was deployed before."""
    old_bank: str
    old_version: str
    new_bank: str
    new_version: str
    old_replicas: tuple[str, ...]
    """Ids of the replicas that were there before."""
    terms: RolloutTerms
    baseline: dict[str, float | None]
    why: str | None = None
    """Why it was rolled back."""

    @property
    def is_final(self) -> bool:
        """Whether nothing is left to do."""
        return self.phase in FINAL_PHASES


def new_id() -> str:
    """Return the UTC time as the name of a rollout."""
    return time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime())


class RolloutJournal:
    """The rollouts of one cluster, each a file; the unfinished one is ``current.json``.

    The previous configuration may hold environment variables, so that only its owner can read the
    folder.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Refuse a second rollout while this one runs; a killed one holds no lock.

        Raises
        ------
        ConfigError
            If another process has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / LOCK).open("w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"another rollout is in progress ({self.folder}); wait for it, or end it "
                    "by ctrl-c, which rolls it back"
                ) from None
            yield

    def unfinished(self) -> RolloutRecord | None:
        """Return the rollout that was killed, or None."""
        path = self.folder / CURRENT
        return parse(RolloutRecord, read_json(path), str(path)) if path.exists() else None

    def require_unfinished(self) -> RolloutRecord:
        """Return the rollout that was killed.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if (record := self.unfinished()) is None:
            raise ConfigError(f"{self.folder} has no unfinished rollout; nothing to do")
        return record

    def write(self, record: RolloutRecord) -> None:
        """Store a rollout; a final one becomes a file of its own."""
        current = self.folder / CURRENT
        fields = record.model_dump(mode="json")
        if record.is_final:
            write_json(self.folder / f"{record.id}.json", fields)
            current.unlink(missing_ok=True)
        else:
            write_json(current, fields)
