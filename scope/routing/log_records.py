"""Lines of a decision log, checked one at a time."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from scope.errors import ConfigError, FormatError
from scope.routing.route import Objective

FiniteOrNone = FiniteFloat | None
"""A number, or null where nobody knows it."""


class _Line(BaseModel):
    """What replay needs of a JSON object; what else it holds is for other readers."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Candidate(_Line):
    """A model that a request could have got, with all of `scope.predictions.COLUMNS`."""

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
    """One request, its decision and its bill."""

    id: Annotated[str, Field(min_length=1)]
    bank: str | None
    policy: str | None
    """None where none was applied."""
    settings: Mapping[str, FiniteOrNone] | None
    model: str | None
    candidates: tuple[Candidate, ...] | None
    real_cost_usd: FiniteOrNone

    @property
    def decided(self) -> bool:
        """Whether a policy chose among the candidates: only that can be decided anew."""
        chosen = self.model in {one.model for one in self.candidates or ()}
        return self.policy is not None and chosen

    def target(self) -> Objective:
        """Return what the request asked for.

        Raises
        ------
        ConfigError
            If the settings are of no policy.
        """
        asked = {k: v for k, v in (self.settings or {}).items() if k != "trade_off"}
        if strangers := asked.keys() - Objective.__dataclass_fields__.keys():
            raise ConfigError(f"settings name {', '.join(sorted(strangers))}")
        return Objective(**asked)


class DecisionLogReader:
    """The requests in one file, or in all files of a folder by the order of their names.

    Attributes
    ----------
    n_truncated : int
        Files, of those read so far, that a kill ended in the middle of a line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.n_truncated = 0

    def __iter__(self) -> Iterator[tuple[str, LoggedRequest]]:
        """Yield every request after the place where it stands.

        Raises
        ------
        FormatError
            If a file cannot be read, or a line other than a torn one is no request; the message
            names both.
        """
        for file in self._files():
            try:
                with file.open("rb") as lines:
                    for number, line in enumerate(lines, start=1):
                        yield from self._request(f"{file}: line {number}", line)
            except OSError as error:
                raise FormatError(f"{file} cannot be read: {error.strerror}") from error

    def _files(self) -> list[Path]:
        if not self._path.is_dir():
            return [self._path]
        files = sorted(file for file in self._path.glob("*.jsonl*") if file.name[0] != ".")
        if not files:
            raise FormatError(f"{self._path} holds no decision log; expected files *.jsonl")
        return files

    def _request(self, place: str, line: bytes) -> Iterator[tuple[str, LoggedRequest]]:
        try:
            request = LoggedRequest.model_validate_json(line)
            if request.decided:
                request.target()
        except ValidationError as error:
            if not line.endswith(b"\n"):
                self.n_truncated += 1
                return
            mistake = error.errors(include_url=False)[0]
            where = ".".join(map(str, mistake["loc"]))
            what = f"{where}: {mistake['msg']}" if where else mistake["msg"]
            raise FormatError(f"{place} is no logged decision: {what}") from error
        except ConfigError as error:
            raise FormatError(f"{place} is no logged decision: {error}") from error
        yield place, request
