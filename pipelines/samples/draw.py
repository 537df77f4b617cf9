"""Draw several responses of each model to each prompt."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.measure import (
    KNOWN_BY_NAME,
    TRUNCATED,
    Call,
    CallKey,
    CallResult,
    EarlierResults,
    Journal,
    MeasuredQuestion,
    MeasureProgress,
    MeasureRun,
    ParameterFlags,
    PricedArm,
    RequestSettings,
    check_folder_collisions,
    measure,
    priced_arms,
)
from pipelines.terminal import Stages
from scope.errors import ConfigError, join_names
from scope.pool import PUBLISHED_MODELS
from scope.prices import load_prices
from scope.questions import REFUSE, Grader, read_questions
from scope.samples import Cell, Samples, SamplesBuilder, take, write_samples
from scope.upstream import EndpointConfig

SAMPLES, RESPONSES = "samples.parquet", "responses"
"""Our file of all models, and the folder of the published files, one a model."""

UNGRADED = Grader("none", lambda reply, gold, question: None, lambda gold, question: None)
"""Grades nothing: `score` does, after the responses are drawn."""


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """Prompts, models and sampling, as the user passes them."""

    prompts: Path
    models: tuple[str, ...]
    n_samples: int
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 500
    seed: int | None = None
    prices: Path | None = None
    limit: int | None = None
    parameters: ParameterFlags = KNOWN_BY_NAME
    on_too_long: str = REFUSE

    def settings(self, source: str) -> dict[str, Any]:
        """Return what a response depends on besides prompt, model and number of the sample."""
        return {
            "drawn_from": source,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            **self.parameters.settings(),
        }

    def of_endpoint(self, endpoint: EndpointConfig) -> RequestSettings:
        """Return the parameters of the calls of an endpoint; the texts are kept."""
        return RequestSettings(
            endpoint,
            self.temperature,
            keep_answers=True,
            top_p=self.top_p,
            seed=self.seed,
            parameters=self.parameters,
            stage="drawing",
        )


def plan_draws(request: DrawRequest, arms: Sequence[PricedArm]) -> list[Call]:
    """Return the calls: all samples of all models on one prompt, then the next prompt.

    Raises
    ------
    ScopeError
        If the prompts cannot be read.
    """
    questions = read_questions(
        request.prompts, limit=request.limit, on_too_long=request.on_too_long
    )
    ungraded = (
        MeasuredQuestion(id_, prompt, None, UNGRADED, None)
        for id_, prompt in zip(questions.ids, questions.prompts, strict=True)
    )
    return [
        Call(question, priced.spec, request.max_tokens, o, priced.arm.effort)
        for question in ungraded
        for priced in arms
        for o in range(request.n_samples)
    ]


def priced_models(request: DrawRequest) -> list[PricedArm]:
    """Return the models with their prices, which the budget is counted in.

    Raises
    ------
    ConfigError
        If no model is named, one twice, or one as an arm with several samples.
    UnknownPriceError
        If one has no price.
    """
    check_models(request.models)
    if request.prices is not None:
        arms = priced_arms(request.models, load_prices(request.prices), str(request.prices))
    else:
        known = {spec.id: spec for spec in PUBLISHED_MODELS}
        arms = priced_arms(request.models, known, "the published pool; pass --prices, which")
    for arm in (priced.arm for priced in arms):
        if arm.n_samples > 1:
            raise ConfigError(
                f"--models names arm '{arm}'; expected '{arm.one_sample}' and --n {arm.n_samples}"
            )
    return arms


def check_models(models: Sequence[str]) -> None:
    """Raise `ConfigError` if no model is named, one twice, or two would share a file."""
    if not models:
        raise ConfigError("no model to draw from; pass --models")
    if repeated := sorted({name for name in models if models.count(name) > 1}):
        raise ConfigError(f"--models names a model twice: {join_names(repeated)}")
    check_folder_collisions(models)


@dataclass(frozen=True, slots=True)
class DrawRun(MeasureRun):
    """The calls of a run and what earlier runs have drawn."""

    def from_endpoint(
        self,
        journal: Journal,
        requests: RequestSettings,
        budget_usd: float | None,
        stages: Stages,
    ) -> None:
        """Make the calls that are still to make, within the budget."""
        history = self.history()
        pending = history.pending(self.calls)
        progress = MeasureProgress.after(history, len(pending), budget_usd)
        asyncio.run(measure(pending, requests, journal, progress, stages))

    def write(self) -> "DrawSummary":
        """Write the samples of all runs; a failed call is counted, and has no sample."""
        rows = EarlierResults.read(self.folder).rows
        samples = samples_of(self.calls, rows)
        write_samples(self.folder / SAMPLES, samples)
        for m, model in enumerate(samples.models):
            path = self.folder / RESPONSES / f"{model.replace('/', '_')}.jsonl"
            write_samples(path, take(samples, models=[m]))
        return DrawSummary.of(self.calls, rows)


@dataclass(frozen=True, slots=True)
class DrawnModel:
    """What was drawn of one model."""

    model: str
    drawn: int
    failed: int
    truncated: int
    """Responses cut at the longest length."""
    usd: float


@dataclass(frozen=True, slots=True)
class DrawSummary:
    """What was drawn of each model, and what is missing."""

    models: list[DrawnModel]
    n_unmade: int
    """Calls that were not made: each could exceed the budget, or the run was stopped."""
    errors: Counter[str]

    @classmethod
    def of(cls, calls: Sequence[Call], rows: Mapping[CallKey, CallResult]) -> "DrawSummary":
        """Count the results of `calls`."""
        rows_of: Mapping[str, list[CallResult]] = defaultdict(list)
        for call in calls:
            if call.key in rows:
                rows_of[call.model.id].append(rows[call.key])
        names = dict.fromkeys(call.model.id for call in calls)
        found = [row for part in rows_of.values() for row in part]
        return cls(
            [_drawn(name, rows_of[name]) for name in names],
            len(calls) - len(found),
            Counter(row.error for row in found if row.error is not None),
        )


def _drawn(model: str, rows: Sequence[CallResult]) -> DrawnModel:
    failed = sum(row.error is not None for row in rows)
    truncated = sum(row.message == TRUNCATED for row in rows)
    return DrawnModel(model, len(rows) - failed, failed, truncated, sum(row.usd for row in rows))


def samples_of(calls: Iterable[Call], rows: Mapping[CallKey, CallResult]) -> Samples:
    """Return the results of `calls` as samples, in the order of the calls."""
    found: dict[str, dict[str, list[CallResult]]] = {}
    prompts: dict[str, str] = {}
    for call in calls:
        prompts[call.question.id] = call.question.prompt
        of_model = found.setdefault(call.question.id, {}).setdefault(call.model.id, [])
        if call.key in rows:
            of_model.append(rows[call.key])
    builder = SamplesBuilder()
    for question_id, by_model in found.items():
        cells = {model: _cell(results) for model, results in by_model.items()}
        builder.add(question_id, prompts[question_id], cells, question_id)
    return builder.build()


def _cell(results: Sequence[CallResult]) -> Cell:
    drawn = [row for row in results if row.error is None]
    prompt_tokens = [row.prompt_tokens for row in drawn if row.prompt_tokens is not None]
    return Cell(
        responses=[row.answer or "" for row in drawn],
        prompt_tokens=prompt_tokens[0] if prompt_tokens else None,
        completion_tokens=[row.completion_tokens for row in drawn],
        n_failed=len(results) - len(drawn),
    )
