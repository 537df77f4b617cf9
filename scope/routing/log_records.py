"""Records of a decision log and of the scores beside it, validated line by line."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from scope.errors import ConfigError, FormatError
from scope.routing.route import Objective
from scope.text_files import UTF8_MARK

FiniteOrNone = FiniteFloat | None
"""A number, or null if unknown."""

LogTime = Annotated[datetime | None, Field(strict=False)]
"""ISO 8601 with a time zone; None where the log does not tell."""


BANK_STRATEGY = "prehoc"
"""Strategy whose predictions are those of a bank."""


FEEDBACK = "feedback-"
"""Begin of the names of files with scores of decisions, which lie beside the decisions."""


class _Line(BaseModel):
    """The fields of a JSON object that are read; other fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    def check(self) -> None:
        """Check what the types of the fields do not tell.

        Raises
        ------
        ConfigError
            With the mistake.
        """


Record = TypeVar("Record", bound=_Line)


class Candidate(_Line):
    """A candidate model of a request, with all of `scope.predictions.COLUMNS`."""

    model: str
    p_correct: FiniteOrNone
    p_low: FiniteOrNone
    p_high: FiniteOrNone
    prompt_tokens: FiniteOrNone
    completion_tokens: FiniteOrNone
    completion_tokens_low: FiniteOrNone
    completion_tokens_high: FiniteOrNone
    cost_usd: FiniteOrNone
    cost_usd_low: FiniteOrNone
    cost_usd_high: FiniteOrNone
    in_distribution: FiniteOrNone


class LoggedRequest(_Line):
    """One request with its decision and real cost."""

    id: Annotated[str, Field(min_length=1)]
    bank: str | None
    policy: str | None
    """None if no policy was applied."""
    settings: Mapping[str, FiniteOrNone | bool] | None
    model: str | None
    candidates: tuple[Candidate, ...] | None
    real_cost_usd: FiniteOrNone
    strategy: str = BANK_STRATEGY
    time: LogTime = None
    endpoint: str | None = None
    key: str | None = None
    """Name of the API key."""
    prompt: str | None = None
    """The text that was routed on; None where the log keeps no texts."""
    prompt_is_whole: bool | None = None
    """Whether the text is all that a model got; None where it is unknown."""
    session: str | None = None
    """Mark of the session or conversation; None for a request of its own, or where unknown."""
    continues_turn: bool | None = None
    """Whether it only adds tool results to a turn, whose text it repeats; None where unknown."""
    answered_by: str | None = None
    """The model that answered; None where none did, or only a decision was asked for."""
    prompt_tokens: FiniteOrNone = None
    completion_tokens: FiniteOrNone = None
    known: Mapping[str, str] = Field(default_factory=dict)
    """What was known of the prompt and used: the value of a bank's fact, by its name."""

    @property
    def decided(self) -> bool:
        """Whether a policy chose by a bank's predictions; only such a request can be replayed.

        A learned router predicts match probabilities, which no bank's prices or reference
        population belong to.
        """
        chosen = self.model in {candidate.model for candidate in self.candidates or ()}
        return self.policy is not None and chosen and self.strategy == BANK_STRATEGY

    def check(self) -> None:
        """Check the objective of a request that can be replayed."""
        if self.decided:
            self.objective()

    def objective(self) -> Objective:
        """Return the objective of the request.

        Raises
        ------
        ConfigError
            If the settings are not an objective.
        """
        settings: dict[str, Any] = {
            name: value for name, value in (self.settings or {}).items() if name != "trade_off"
        }
        if unknown := settings.keys() - Objective.__dataclass_fields__.keys():
            raise ConfigError(f"settings name {', '.join(sorted(unknown))}")
        return Objective(**settings)


class LoggedScore(_Line):
    """The score of one decision's answer."""

    id: Annotated[str, Field(min_length=1)]
    """Of the decision."""
    score: Annotated[float, Field(ge=0, le=1)]
    """1 = right, 0 = wrong, or a grade between them."""
    time: LogTime = None
    key: str | None = None
    model: str | None = None
    """The model that answered."""
    p_correct: FiniteOrNone = None
    """Predicted for it; None where it is unknown."""
    label: str | None = None
    """That the client sent in place of a number."""
    comment: str | None = None
    """None where the log keeps no texts."""


class _LogReader(Generic[Record]):
    """Reads the records of one file, or of all files of a folder in order of name.

    Attributes
    ----------
    n_truncated : int
        Files read so far that end in a truncated line.
    """

    record: type[Record]
    what: ClassVar[str]
    """One record, in a message of an error."""

    @staticmethod
    def is_of(name: str) -> bool:
        """Tell whether a file of that name holds such records."""
        raise NotImplementedError

    def __init__(self, path: Path) -> None:
        self._path = path
        self.n_truncated = 0

    def __iter__(self) -> Iterator[tuple[str, Record]]:
        """Yield the file and line number of every record, and the record.

        Raises
        ------
        FormatError
            If a file cannot be read, or a line is not a record and not truncated; the message
            names file and line.
        """
        for file in self._files():
            try:
                with file.open("rb") as lines:
                    for number, line in enumerate(lines, start=1):
                        yield from self._record(
                            f"{file}: line {number}", line.removeprefix(UTF8_MARK)
                        )
            except OSError as error:
                raise FormatError(f"{file} cannot be read: {error.strerror}") from error

    def _files(self) -> list[Path]:
        if not self._path.is_dir():
            return [self._path]
        return [file for file in sorted(self._path.glob("*.jsonl*")) if self.is_of(file.name)]

    def _record(self, position: str, line: bytes) -> Iterator[tuple[str, Record]]:
        try:
            record = self.record.model_validate_json(line)
            record.check()
        except ValidationError as error:
            if not line.endswith(b"\n"):
                self.n_truncated += 1
                return
            mistake = error.errors(include_url=False)[0]
            where = ".".join(map(str, mistake["loc"]))
            what = f"{where}: {mistake['msg']}" if where else mistake["msg"]
            raise FormatError(f"{position} is not a {self.what}: {what}") from error
        except ConfigError as error:
            raise FormatError(f"{position} is not a {self.what}: {error}") from error
        yield position, record


class DecisionLogReader(_LogReader[LoggedRequest]):
    """Reads the requests of one file, or of a folder; files with scores are left out."""

    record = LoggedRequest
    what = "logged decision"

    @staticmethod
    def is_of(name: str) -> bool:
        """Tell whether a file of that name holds decisions."""
        return not name.startswith((".", FEEDBACK))

    def _files(self) -> list[Path]:
        files = super()._files()
        if not files:
            raise FormatError(f"{self._path} holds no decision log; expected files *.jsonl")
        return files


class ScoreLogReader(_LogReader[LoggedScore]):
    """Reads the scores of one file, or of a folder with the decisions; there may be none."""

    record = LoggedScore
    what = "logged score"

    @staticmethod
    def is_of(name: str) -> bool:
        """Tell whether a file of that name holds scores."""
        return name.startswith(FEEDBACK)
