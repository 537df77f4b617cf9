"""Records of a decision log, validated line by line."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from scope.errors import ConfigError, FormatError
from scope.routing.route import Objective
from scope.text_files import UTF8_MARK

FiniteOrNone = FiniteFloat | None
"""A number, or null if unknown."""


BANK_STRATEGY = "prehoc"
"""Strategy whose predictions are those of a bank."""


FEEDBACK = "feedback-"
"""Begin of the names of files with scores of decisions, which lie beside the decisions."""


class _Line(BaseModel):
    """The fields of a JSON object that a replay needs; other fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


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

    @property
    def decided(self) -> bool:
        """Whether a policy chose by a bank's predictions; only such a request can be replayed.

        A learned router predicts match probabilities, which no bank's prices or reference
        population belong to.
        """
        chosen = self.model in {candidate.model for candidate in self.candidates or ()}
        return self.policy is not None and chosen and self.strategy == BANK_STRATEGY

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


class DecisionLogReader:
    """Reads the requests of one file, or of all files of a folder in order of name.

    Files with scores of decisions are left out.

    Attributes
    ----------
    n_truncated : int
        Files read so far that end in a truncated line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.n_truncated = 0

    def __iter__(self) -> Iterator[tuple[str, LoggedRequest]]:
        """Yield the file and line number of every request, and the request.

        Raises
        ------
        FormatError
            If a file cannot be read, or a line is not a request and not truncated; the message
            names file and line.
        """
        for file in self._files():
            try:
                with file.open("rb") as lines:
                    for number, line in enumerate(lines, start=1):
                        yield from self._request(
                            f"{file}: line {number}", line.removeprefix(UTF8_MARK)
                        )
            except OSError as error:
                raise FormatError(f"{file} cannot be read: {error.strerror}") from error

    def _files(self) -> list[Path]:
        if not self._path.is_dir():
            return [self._path]
        files = sorted(
            file
            for file in self._path.glob("*.jsonl*")
            if not file.name.startswith((".", FEEDBACK))
        )
        if not files:
            raise FormatError(f"{self._path} holds no decision log; expected files *.jsonl")
        return files

    def _request(self, position: str, line: bytes) -> Iterator[tuple[str, LoggedRequest]]:
        try:
            request = LoggedRequest.model_validate_json(line)
            if request.decided:
                request.objective()
        except ValidationError as error:
            if not line.endswith(b"\n"):
                self.n_truncated += 1
                return
            mistake = error.errors(include_url=False)[0]
            where = ".".join(map(str, mistake["loc"]))
            what = f"{where}: {mistake['msg']}" if where else mistake["msg"]
            raise FormatError(f"{position} is not a logged decision: {what}") from error
        except ConfigError as error:
            raise FormatError(f"{position} is not a logged decision: {error}") from error
        yield position, request
