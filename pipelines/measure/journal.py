"""The journal of a measurement: one JSON line per result, written as soon as it arrives."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from pipelines.measure.call_plan import Call, CallKey
from scope.config import Usd
from scope.errors import ConfigError, FormatError, OutputWriteError, join_names
from scope.prices import MAX_TOKENS
from scope.storage import read_json, write_json

JOURNAL, SETTINGS = "journal.jsonl", "settings.json"
BACKUP_PREFIX = "replaced-"
TRUNCATED = "truncated at max_tokens"
EFFORT_REFUSED = "refused effort"
"""Kind of failure of an upstream that does not accept the ``reasoning_effort`` of an arm."""

Tokens = Annotated[int, Field(ge=0, le=MAX_TOKENS)]

JournalSettings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of one call; unknown values are None, never 0."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    question_id: str
    model: str
    digest: str
    correct: Annotated[float, Field(ge=0, le=1)] | None = None
    """Grade in [0, 1]; None if the answer was not graded."""
    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    usd: Usd = 0.0
    """Known cost."""
    possibly_billed_usd: Usd = 0.0
    """Upper bound of the further cost of attempts whose token counts are unknown."""
    attempts: Annotated[int, Field(ge=1)] = 1
    error: str | None = None
    """Kind of failure; the next run repeats the call."""
    message: str | None = None
    """Error text of the upstream or of a grader."""
    answer: str | None = None
    sample: Annotated[int, Field(ge=0)] | None = None
    """Number of the sample; None if only one is drawn."""
    vote: str | None = None
    """Twelve hex digits of the extracted answer of a sample: equal answers have equal ones."""

    @property
    def key(self) -> CallKey:
        """Identifies the call."""
        return self.question_id, self.model, self.sample


FIELDS = tuple(field.name for field in fields(CallResult))
_LINE = TypeAdapter(CallResult)


class Journal:
    """The journal in a folder, open for one process at a time.

    Parameters
    ----------
    folder : Path
    settings : mapping
        What an answer depends on besides question and model.
    fresh : bool
        Rename an earlier journal and start an empty one.

    Raises
    ------
    ConfigError
        If the folder holds results of other settings, or another process writes to it.
    """

    def __init__(self, folder: Path, settings: JournalSettings, *, fresh: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if not fresh:
            check_settings(folder, settings)
        self._path = folder / JOURNAL
        self._file = self._open_locked()
        if fresh and self._path.stat().st_size:
            self._path.rename(folder / f"{BACKUP_PREFIX}{JOURNAL}")
            os.close(self._file)
            self._file = self._open_locked()
        write_json(folder / SETTINGS, dict(settings))
        os.ftruncate(self._file, _complete_bytes(self._path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sync()
        os.close(self._file)

    def append(self, row: CallResult) -> None:
        """Add one result: it survives a kill of the process, and after `sync` a power cut.

        Raises
        ------
        OutputWriteError
            If it cannot be written; then no part of it is in the file.
        """
        fields = {
            name: _storable(value) for name in FIELDS if (value := getattr(row, name)) is not None
        }
        line, written = json.dumps(fields).encode() + b"\n", 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OutputWriteError.from_os_error(error, self._path) from error

    def sync(self) -> None:
        """Wait until all results are on the disk."""
        os.fsync(self._file)

    def _open_locked(self) -> int:
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            raise ConfigError(
                f"another run is writing to {self._path.parent}; wait for it, or "
                "choose another --output"
            ) from error
        return file


def _storable(value: object) -> object:
    """Return a value without lone surrogates, which no file in UTF-8 can hold."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def check_settings(folder: Path, settings: JournalSettings) -> None:
    """Raise `ConfigError` if `folder` was measured with other settings."""
    if not (folder / SETTINGS).exists():
        return
    earlier = read_json(folder / SETTINGS)
    if not isinstance(earlier, dict):
        raise FormatError(f"{folder / SETTINGS} is {earlier!r:.40}; expected an object of settings")
    changed = [
        f"{key} was {earlier.get(key)!r}, is {settings.get(key)!r}"
        for key in sorted({*earlier, *settings})
        if earlier.get(key) != settings.get(key)
    ]
    if changed:
        raise _changed_error(folder, "; ".join(changed))


def check_questions(folder: Path, rows: Mapping[CallKey, CallResult], calls: list[Call]) -> None:
    """Raise `ConfigError` if a question measured in `folder` has changed since."""
    digests = {call.question.id: call.question.digest for call in calls}
    changed = {
        row.question_id
        for row in rows.values()
        if digests.get(row.question_id, row.digest) != row.digest
    }
    if changed:
        raise _changed_error(
            folder, f"questions (text, gold answer or grader) of {join_names(sorted(changed))}"
        )


@dataclass(frozen=True, slots=True)
class EarlierResults:
    """The results of earlier runs in a folder, and the cost of all their calls."""

    rows: dict[CallKey, CallResult]
    """The latest result of each call."""
    usd: float = 0.0
    possibly_billed_usd: float = 0.0

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a folder, which may be empty.

        Raises
        ------
        FormatError
            If a line other than the last is not a result.
        """
        rows: dict[CallKey, CallResult] = {}
        usd = possibly_billed_usd = 0.0
        for row in _lines(folder / JOURNAL):
            rows[row.key] = row
            usd += row.usd
            possibly_billed_usd += row.possibly_billed_usd
        return cls(rows, usd, possibly_billed_usd)

    def and_costs_of(self, other: "EarlierResults") -> "EarlierResults":
        """Return these results with the cost of both."""
        possibly_billed_usd = self.possibly_billed_usd + other.possibly_billed_usd
        return EarlierResults(self.rows, self.usd + other.usd, possibly_billed_usd)

    def pending(self, calls: list[Call]) -> list[Call]:
        """Return the calls without an answer: not made yet, or failed."""
        answered = {key for key, row in self.rows.items() if row.error is None}
        return [call for call in calls if call.key not in answered]


def _lines(path: Path) -> Iterator[CallResult]:
    if not path.exists():
        return
    left = _complete_bytes(path)
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            left -= len(line)
            if left < 0:
                return  # truncated by a kill
            try:
                yield _LINE.validate_json(line)
            except ValidationError as error:
                mistake = error.errors(include_url=False)[0]
                where = ".".join(map(str, mistake["loc"]))
                what = f"{where}: {mistake['msg']}" if where else mistake["msg"]
                raise FormatError(f"{path}: line {number} is not a result: {what}") from error


def _complete_bytes(path: Path) -> int:
    """Return the length of the complete lines; a kill may have truncated the last."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - (1 << 20), 0))
        tail = file.read()
    return size - (len(tail) - tail.rfind(b"\n") - 1)


def _changed_error(folder: Path, changes: str) -> ConfigError:
    return ConfigError(
        f"{folder} was measured with other settings: {changes}; choose another --output, or pass "
        "--fresh to make, and pay for, all calls again"
    )
