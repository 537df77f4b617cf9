"""Decisions on disk: one JSON line each, in files that become neither too long nor too many."""

import errno
import json
import logging
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from scope.config import StrictModel
from scope.errors import ConfigError, OutputWriteError
from scope.storage import check_writable

LOGGER = logging.getLogger("ray.serve")

DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Refusals that pass: a replica starts in spite of them, since no request may fail for its log."""

_NUMBER_GLOB = 8 * "[0-9]"


class LogSettings(StrictModel):
    """Where decisions are kept, and how many."""

    folder: str | None = Field(default=None, min_length=1)
    """None: nothing is written."""
    max_file_mib: float = Field(default=64, gt=0, allow_inf_nan=False)
    """A file that would become longer is followed by another."""
    max_files: int = Field(default=16, ge=1)
    """Of each replica; the oldest are deleted."""
    prompts: bool = False
    """Keep the text of prompts, too."""


class DecisionLog:
    """The decisions of one replica, in files that no other replica writes to.

    A line is with the system when `write` returns: a process that is killed loses none, a power
    cut may lose the latest. Belongs to one thread.

    Parameters
    ----------
    settings : LogSettings
        To change them, close this log and make another.
    replica : str
        Unique name of the replica; it becomes a part of the file names.

    Attributes
    ----------
    failed : int
        Decisions that could not be written.

    Raises
    ------
    ConfigError
        If nobody may write to the folder. A full disk is no mistake of the settings.
    """

    def __init__(self, settings: LogSettings, replica: str) -> None:
        self._settings = settings
        self._folder = None if settings.folder is None else Path(settings.folder)
        self._name = "decisions-" + re.sub(r"[^A-Za-z0-9_-]+", "-", replica)
        self._file: int | None = None
        self.failed = 0
        if self._folder is not None:
            _check(self._folder)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one decision, its field ``prompt`` only if settings say so.

        Never fails for the disk's sake: what cannot be written is counted, the first time with
        a warning, and the next decision is tried again.

        Parameters
        ----------
        record : mapping
            As docs/formats.md describes it; NaN and infinite become null.
        """
        if self._folder is None:
            return
        kept = {k: v for k, v in record.items() if k != "prompt" or self._settings.prompts}
        line = _line(kept)
        try:
            self._append(self._folder, line)
        except OSError as error:
            self.failed += 1
            if self.failed == 1:
                LOGGER.warning(
                    "decisions cannot be logged to %s: %s; requests are answered all the same, "
                    "later failures are only counted",
                    self._folder,
                    error.strerror or error,
                )

    def close(self) -> None:
        """Let go of the file; a later `write` begins another."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def _append(self, folder: Path, line: bytes) -> None:
        file = self._file_for(folder, len(line))
        size, written = os.fstat(file).st_size, 0
        try:
            while written < len(line):
                written += os.write(file, line[written:])
        except OSError:
            self._rollback(file, size)
            raise

    def _rollback(self, file: int, size: int) -> None:
        """Cut half a line off; where even that is refused, the next line gets another file."""
        try:
            os.ftruncate(file, size)
        except OSError:
            self.close()

    def _file_for(self, folder: Path, n_bytes: int) -> int:
        """Return a file with room for a line; one that somebody deleted has none."""
        if self._file is not None:
            held = os.fstat(self._file)
            full = held.st_size and held.st_size + n_bytes > self._settings.max_file_mib * 2**20
            if held.st_nlink and not full:
                return self._file
            self.close()
        self._file = self._next_file(folder)
        return self._file

    def _next_file(self, folder: Path) -> int:
        """Delete what is too many and begin the file of the next number, nobody else's."""
        files = sorted(folder.glob(f"{self._name}.{_NUMBER_GLOB}.jsonl"))
        for oldest in files[: max(len(files) + 1 - self._settings.max_files, 0)]:
            oldest.unlink(missing_ok=True)
        number = int(files[-1].name.split(".")[1]) + 1 if files else 1
        path = folder / f"{self._name}.{number:08d}.jsonl"
        # Prompts may be private: whoever else shall read them belongs to the group.
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)


def _check(folder: Path) -> None:
    try:
        check_writable(folder)
    except OutputWriteError as error:
        if error.errno not in DISK_FULL_ERRNOS:
            raise ConfigError(
                f"decisions.folder {folder} cannot be written: {error.reason}"
            ) from error


def _line(record: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(record, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(record), allow_nan=False)
    return text.encode() + b"\n"


def _finite(value: Any) -> Any:  # noqa: ANN401 (JSON is anything)
    """Return a JSON value with null in place of what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
