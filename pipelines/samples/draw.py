"""Draw several responses of each model to each prompt."""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.measure import (
    TRUNCATED,
    Call,
    CallKey,
    CallResult,
    EarlierResults,
    Journal,
    MeasuredQuestion,
    MeasureProgress,
    RequestSettings,
    SpendCap,
    check_folder_collisions,
    check_questions,
    check_settings,
    measure,
)
from pipelines.terminal import Stages
from scope.errors import ConfigError, join_names
from scope.pool import PUBLISHED_MODELS, ModelSpec
from scope.prices import load_prices, select_specs
from scope.questions import Grader, read_questions
from scope.samples import Cell, Samples, SamplesBuilder, take, write_samples

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

    def settings(self, source: str) -> dict[str, Any]:
        """Return what a response depends on besides prompt, model and number of the sample."""
        return {
            "drawn_from": source,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
        }


def plan_draws(request: DrawRequest, specs: Sequence[ModelSpec]) -> list[Call]:
    """Return the calls: all samples of all models on one prompt, then the next prompt.

    Raises
    ------
    ScopeError
        If the prompts cannot be read.
    """
    questions = read_questions(request.prompts, limit=request.limit)
    return [
        Call(MeasuredQuestion(id_, prompt, None, UNGRADED, None), spec, request.max_tokens, o)
        for id_, prompt in zip(questions.ids, questions.prompts, strict=True)
        for spec in specs
        for o in range(request.n_samples)
    ]


def priced_models(request: DrawRequest) -> tuple[ModelSpec, ...]:
    """Return the models with their prices, which the budget is counted in.

    Raises
    ------
    ConfigError
        If no model is named, or one twice.
    UnknownPriceError
        If one has no price.
    """
    check_models(request.models)
    if request.prices is not None:
        return select_specs(load_prices(request.prices), request.models, str(request.prices))
    known = {spec.id: spec for spec in PUBLISHED_MODELS}
    return select_specs(known, request.models, "the published pool; pass --prices, which")


def check_models(models: Sequence[str]) -> None:
    """Raise `ConfigError` if no model is named, one twice, or two would share a file."""
    if not models:
        raise ConfigError("no model to draw from; pass --models")
    if repeated := sorted({name for name in models if models.count(name) > 1}):
        raise ConfigError(f"--models names a model twice: {join_names(repeated)}")
    check_folder_collisions(models)


@dataclass(frozen=True, slots=True)
class DrawRun:
    """The calls of a run and what earlier runs have drawn."""

    folder: Path
    calls: list[Call]
    settings: Mapping[str, Any]

    def history(self) -> EarlierResults:
        """Return earlier results.

        Raises
        ------
        ConfigError
            If they were drawn with other settings, or a prompt has changed since.
        """
        check_settings(self.folder, self.settings)
        history = EarlierResults.read(self.folder)
        check_questions(self.folder, history.rows, self.calls)
        return history

    def open_journal(self, *, fresh: bool) -> Journal:
        """Return the journal; while it is open no other run adds to it."""
        return Journal(self.folder, self.settings, fresh=fresh)

    def from_endpoint(
        self,
        journal: Journal,
        requests: RequestSettings,
        budget_usd: float | None,
        stages: Stages,
    ) -> None:
        """Make the calls that are still to make, within the budget."""
        history = self.history()
        cap_usd = math.inf if budget_usd is None else budget_usd
        cap = SpendCap(cap_usd, history.usd, history.possibly_billed_usd)
        pending = history.pending(self.calls)
        progress = MeasureProgress(len(pending), cap)
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
