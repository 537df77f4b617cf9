"""Flags of the judge of ``scope measure``, and the judge that they stand for."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.endpoint_options import api_key
from pipelines.measure import (
    Call,
    Judge,
    Judging,
    MeasurementRequest,
    RequestSettings,
    arms_of,
    judge_name,
)
from scope.errors import ConfigError
from scope.questions import DEFAULT_RUBRIC, JUDGE_PREFIX
from scope.text_files import read_text
from scope.upstream import EndpointConfig

FLOOR = 0.4

JudgeBaseUrl = Annotated[str | None, typer.Option(help="URL of the judge's API; else --base-url.")]
JudgeKeyVariable = Annotated[
    str | None, typer.Option(help="Variable with the judge's key; needed with --judge-base-url.")
]
JudgeRubric = Annotated[
    Path | None, typer.Option(help="Text file that says what makes an answer good.")
]
JudgeVotes = Annotated[
    int, typer.Option(min=1, max=25, help="Replies of the judge on an answer, in each position.")
]
JudgeCheck = Annotated[
    Path | None, typer.Option(help="Answers with labels of people, to check the judge against.")
]
JudgeFloor = Annotated[
    float, typer.Option(min=-1, max=1, help="Cohen's kappa that --judge-check asks for.")
]
JudgeItself = Annotated[
    bool, typer.Option("--judge-itself", help="Let the judge grade its own answers, too.")
]


@dataclass(frozen=True, slots=True)
class JudgeFlags:
    """The flags of the judge."""

    base_url: str | None
    key_variable: str | None
    rubric: Path | None
    votes: int
    check: Path | None
    floor: float
    itself: bool

    def judging(
        self, request: MeasurementRequest, calls: list[Call], output: Path
    ) -> Judging | None:
        """Return the judge of a measurement, None if no question needs one.

        Raises
        ------
        ConfigError
            If flags of a judge are given without one, it has no price, it is asked for samples,
            or it would judge its own answers.
        """
        name = judge_name(calls)
        if name is None and request.grader.startswith(JUDGE_PREFIX):
            name = request.grader.removeprefix(JUDGE_PREFIX)
        if not name:
            if self.check or self.rubric or self.base_url:
                raise ConfigError("--judge-… is for a judge; pass --grader judge:MODEL")
            return None
        url = self.base_url or request.base_url
        (arm,) = arms_of((name,), request.at(url))
        if arm.arm.n_samples > 1:
            raise ConfigError(f"judge {name!r} has samples; pass --judge-votes for several replies")
        own = sorted({call.model.id for call in calls if call.upstream_id == arm.spec.upstream_id})
        if own and not self.itself:
            raise ConfigError(
                f"judge {name!r} would grade its own answers ({', '.join(own)}), which judges "
                "prefer; name another judge, or pass --judge-itself"
            )
        return Judging(Judge(arm, url, self._rubric(), self.votes), output)

    def requests(
        self, judge: Judge, request: MeasurementRequest, endpoint: EndpointConfig, key_variable: str
    ) -> RequestSettings:
        """Return endpoint and parameters of the judge's calls.

        Raises
        ------
        ConfigError
            If its endpoint is another and has no key of its own.
        """
        endpoint = replace(endpoint, base_url=judge.base_url, key=self._key(key_variable))
        return RequestSettings(
            endpoint,
            judge.temperature,
            keep_answers=True,
            parameters=request.parameters,
            stage="judging",
        )

    def _key(self, key_variable: str) -> str:
        """Return the judge's key; that of another endpoint is never sent to it."""
        if self.base_url is not None and self.key_variable is None:
            raise ConfigError("--judge-base-url needs --judge-key-variable, the name of its key")
        return api_key(self.key_variable or key_variable)

    def _rubric(self) -> str:
        if self.rubric is None:
            return DEFAULT_RUBRIC
        try:
            text = read_text(self.rubric)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--judge-rubric {self.rubric} cannot be read: {error}") from error
        if not text.strip():
            raise ConfigError(f"--judge-rubric {self.rubric} is empty; expected criteria")
        return text
