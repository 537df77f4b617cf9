"""The decision log: JSON lines of decisions or scores, in files of limited size and number."""

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
"""Errors that may pass: a replica starts in spite of them, as no request may fail for its log."""

TEXT_FIELDS = ("prompt", "prompt_is_whole", "session", "comment")
"""Fields that tell of texts; a hash of the first words of a session is one of them."""

_NUMBER_GLOB = 8 * "[0-9]"


class LogSettings(StrictModel):
    """Folder, size and number of the log files."""

    folder: str | None = Field(default=None, min_length=1)
    """None: no log."""
    max_file_mib: float = Field(default=64, gt=0, allow_inf_nan=False)
    """A line that would make a file larger starts another file."""
    max_files: int = Field(default=16, ge=1)
    """Per replica; the oldest are deleted."""
    prompts: bool = False
    """Whether to write the text of prompts, of comments on their answers, and marks of sessions."""


class DecisionLog:
    """Decisions or scores of one replica, in files that no other replica writes to.

    A line is in the operating system's buffers when `write` returns: killing the process loses
    none, a power cut may lose the latest. Not thread-safe.

    Parameters
    ----------
    settings : LogSettings
        To change them, close this log and create another.
    replica : str
        Unique name of the replica; part of the file names.
    kind : str, default="decisions"
        Of the lines, ``decisions`` or ``feedback``; the begin of the file names.

    Attributes
    ----------
    failed : int
        Lines that could not be written.

    Raises
    ------
    ConfigError
        If the folder is not writable. A full disk is not an error of the settings.
    """

    def __init__(self, settings: LogSettings, replica: str, kind: str = "decisions") -> None:
        self._settings = settings
        self._folder = None if settings.folder is None else Path(settings.folder)
        self._kind = kind
        self._name = f"{kind}-" + re.sub(r"[^A-Za-z0-9_-]+", "-", replica)
        self._file: int | None = None
        self.failed = 0
        if self._folder is not None:
            _check(self._folder)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one line, its `TEXT_FIELDS` only if settings say so.

        A disk error is not raised: the line is counted as failed, the first one with a
        warning, and the next line is tried again.

        Parameters
        ----------
        record : mapping
            Described in docs/formats.md; NaN and infinite become null.
        """
        if self._folder is None:
            return
        prompts = self._settings.prompts
        line = _line({k: v for k, v in record.items() if prompts or k not in TEXT_FIELDS})
        try:
            self._append(self._folder, line)
        except OSError as error:
            self.failed += 1
            if self.failed == 1:
                LOGGER.warning(
                    "%s cannot be logged to %s: %s; requests are still answered, "
                    "later failures are only counted",
                    self._kind,
                    self._folder,
                    error.strerror or error,
                )

    def close(self) -> None:
        """Close the file; a later `write` starts another."""
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
        """Remove a truncated line; if that fails, the next line goes to another file."""
        try:
            os.ftruncate(file, size)
        except OSError:
            self.close()

    def _file_for(self, folder: Path, n_bytes: int) -> int:
        """Return a file with room for a line; a deleted file has none."""
        if self._file is not None:
            stat = os.fstat(self._file)
            full = stat.st_size and stat.st_size + n_bytes > self._settings.max_file_mib * 2**20
            if stat.st_nlink and not full:
                return self._file
            self.close()
        self._file = self._next_file(folder)
        return self._file

    def _next_file(self, folder: Path) -> int:
        """Delete the oldest files beyond the limit, and create the file of the next number."""
        files = sorted(folder.glob(f"{self._name}.{_NUMBER_GLOB}.jsonl"))
        for oldest in files[: max(len(files) + 1 - self._settings.max_files, 0)]:
            oldest.unlink(missing_ok=True)
        number = int(files[-1].name.split(".")[1]) + 1 if files else 1
        path = folder / f"{self._name}.{number:08d}.jsonl"
        # Prompts may be private: other readers must be in the group.
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
    """Return a JSON value with null in place of NaN and infinite."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
