"""The calls of a measurement: one per question, arm and sample, with grader and price."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.measure.parameters import KNOWN_BY_NAME, ParameterFlags
from pipelines.measure.plan_file import PlanFile
from pipelines.measure.priced_arms import PricedArm, priced_arms, with_list_prices
from scope.arms import Arm
from scope.bank import Bank, is_bank, load_bank
from scope.errors import BankError, ConfigError, join_names
from scope.pool import PUBLISHED_MODELS, ModelSpec
from scope.prices import PriceFile, load_prices
from scope.questions import JUDGE_PREFIX, REFUSE, Grader, grader_for, read_questions
from scope.upstream import OPENROUTER

GUESSED_TOKENS = 500
"""Expected length of an answer if nothing is known about it."""

CallKey = tuple[str, str, int | None]
"""Id of the question, name of the arm, number of the sample; None if there is only one."""

PlannedCosts = Mapping[str, float | None]
"""Expected cost of a call on each anchor of a plan, USD, in its order; None if unknown."""


@dataclass(frozen=True, slots=True)
class MeasuredQuestion:
    """A question with its grader and the expected length of its answers."""

    id: str
    prompt: str
    gold: str | None
    grader: Grader
    expected_tokens: float | None
    """Mean length of the answers in a bank, None if there are none."""
    planned_usd: float | None = None
    """Cost of the call by the plan, None without a plan."""
    reference: str | None = None
    """Answer that a judge compares with; None: it rates each answer alone."""

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with the text, the gold answer or the grader."""
        parts = (self.prompt, self.gold or "", self.grader.name)
        text = "\0".join(parts if self.reference is None else (*parts, self.reference))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one arm on one question: one of its samples."""

    question: MeasuredQuestion
    model: ModelSpec
    """Name and prices of the arm; its `upstream_id` is called."""
    max_tokens: int
    sample: int | None = None
    """Number of the sample from 0; None if only one is drawn."""
    effort: str | None = None
    """Value of ``reasoning_effort``; None sends none."""

    @property
    def upstream_id(self) -> str:
        """Name of the model at the upstream."""
        return self.model.upstream_id or self.model.id

    @property
    def key(self) -> CallKey:
        """Identifies the call in the results."""
        return self.question.id, self.model.id, self.sample

    @property
    def max_usd(self) -> float:
        """Cost of an answer of `max_tokens`, at two bytes of prompt per token."""
        prompt_tokens = len(self.question.prompt.encode()) / 2 + 32
        return self.usd(prompt_tokens, self.max_tokens)

    @property
    def expected_usd(self) -> float:
        """Cost by the plan, else at the expected length and four bytes of prompt per token."""
        if self.question.planned_usd is not None:
            return self.question.planned_usd
        tokens = self.question.expected_tokens or GUESSED_TOKENS
        prompt_tokens = len(self.question.prompt.encode()) / 4 + 8
        return self.usd(prompt_tokens, min(tokens, self.max_tokens))

    def usd(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return the cost of these tokens."""
        return float(self.model.cost_usd(np.array(prompt_tokens), np.array(completion_tokens)))


@dataclass(frozen=True, slots=True)
class MeasurementRequest:
    """Questions, models and limits of a measurement, as the user passes them."""

    questions: Path
    """A question file, or a bank with prompts."""
    models: tuple[str, ...]
    """Empty: the model of `plan`."""
    prices: Path | None = None
    plan: Path | None = None
    limit: int | None = None
    grader: str = "auto"
    max_tokens: int = 4096
    temperature: float = 0.0
    base_url: str = OPENROUTER
    """Of the endpoint: what the price file does not state has the list price there."""
    on_too_long: str = REFUSE
    parameters: ParameterFlags = KNOWN_BY_NAME

    def at(self, base_url: str) -> "MeasurementRequest":
        """Return the same request for another endpoint."""
        return replace(self, base_url=base_url)

    def settings(self) -> dict[str, Any]:
        """Return what an answer depends on besides question, arm and number of the sample."""
        return {
            "base_url": self.base_url,
            "grader": self.grader,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            **self.parameters.settings(),
        }


def plan_calls(request: MeasurementRequest) -> list[Call]:
    """Return the calls in their order: all arms on one question, then the next question.

    Raises
    ------
    ScopeError
        If an arm is unknown or has no price, a question has no prompt or no gold answer for its
        grader, several samples have no majority, or the plan is not for these questions.
    """
    bank = load_bank(request.questions) if is_bank(request.questions) else None
    plan = _plan_for(bank, request.plan) if request.plan else None
    names = request.models or ((plan.spec.id,) if plan else ())
    if not names:
        raise ConfigError("no model to measure; pass --models, --pool or --plan")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"--models names a model twice: {join_names(repeated)}")
    specs = (*(bank.models if bank else ()), *((plan.spec,) if plan else ()))
    arms = arms_of(names, request, specs)
    planned: PlannedCosts | None = plan.cost_usd if plan else None
    if plan is not None and names != (plan.spec.id,):
        planned = dict.fromkeys(plan.cost_usd)  # its costs are those of another model
    questions = _questions(request, bank, planned)
    _check_samples(arms, questions, request.temperature)
    return [
        Call(question, priced.spec, request.max_tokens, sample, priced.arm.effort)
        for question in questions
        for priced in arms
        for sample in priced.sample_numbers
    ]


def arms_of(
    names: tuple[str, ...], request: MeasurementRequest, specs: tuple[ModelSpec, ...] = ()
) -> list[PricedArm]:
    """Return the arms with these names, priced by the price file, else `specs` or the catalogue."""
    if request.prices is not None:
        known, source = load_prices(request.prices), str(request.prices)
    else:
        known = PriceFile({spec.id: spec for spec in (*PUBLISHED_MODELS, *specs)}, {})
        source = "the bank or the published pool; pass --prices, which"
    url = request.base_url
    return priced_arms(names, with_list_prices(names, known, url), source, url)


def _check_samples(
    arms: Sequence[PricedArm], questions: Sequence[MeasuredQuestion], temperature: float
) -> None:
    """Raise `ConfigError` if several samples would be equal, or could not be compared."""
    several = next((priced.arm for priced in arms if priced.arm.n_samples > 1), None)
    if several is None:
        return
    if temperature == 0:
        raise ConfigError(
            f"arm '{several}': its {several.n_samples} samples would be equal at --temperature 0; "
            "pass a temperature above 0, as 1"
        )
    for question in questions:
        if question.grader.extract is None:
            raise ConfigError(
                f"arm '{several}': its answer is the majority of its samples, and grader "
                f"{question.grader.name!r} of question {question.id} does not extract answers; "
                "expected choice, numeric, exact, text or literal"
            )


def _questions(
    request: MeasurementRequest, bank: Bank | None, planned: PlannedCosts | None
) -> list[MeasuredQuestion]:
    """Return the questions, with a plan its anchors in its order."""
    rows = _bank_rows(bank, request) if bank else _file_rows(request)
    if planned is not None:
        by_id = {row[0]: row for row in rows}
        if missing := [anchor for anchor in planned if anchor not in by_id]:
            raise ConfigError(
                f"{request.questions} lacks anchors of {request.plan}: {join_names(missing)}; "
                "name a file that has their texts with --questions"
            )
        rows = [by_id[anchor] for anchor in planned]
    measured = []
    for question_id, prompt, gold, grader_name, reference, tokens in rows[: request.limit]:
        source = f"{request.questions}: question {question_id}"
        name = grader_name or request.grader
        grader = grader_for(name, gold, prompt, source, with_judge=True)
        planned_usd = planned[question_id] if planned else None
        compared = reference if gold is None and grader.name.startswith(JUDGE_PREFIX) else None
        measured.append(
            MeasuredQuestion(question_id, prompt, gold, grader, tokens, planned_usd, compared)
        )
    return measured


Row = tuple[str, str, str | None, str | None, str | None, float | None]
"""Id, prompt, gold answer, name of its own grader, reference answer, expected tokens."""


def _file_rows(request: MeasurementRequest) -> list[Row]:
    limit = None if request.plan else request.limit
    questions = read_questions(request.questions, limit=limit, on_too_long=request.on_too_long)
    columns = (
        questions.ids,
        questions.prompts,
        questions.gold_answers,
        questions.graders,
        questions.references,
    )
    return [(*row, None) for row in zip(*columns, strict=True)]


def _bank_rows(bank: Bank, request: MeasurementRequest) -> list[Row]:
    if bank.prompts is None:
        raise BankError(
            f"bank {request.questions} has no prompts, so models cannot be called on its "
            "questions; build it without --drop-prompts, or pass the question file"
        )
    n_samples_m = [Arm.parse(model.id).n_samples for model in bank.models]
    tokens_am = bank.outcomes.completion_tokens_am / np.array(n_samples_m)
    known_a = (~np.isnan(tokens_am)).sum(axis=1)
    mean_a = np.nansum(tokens_am, axis=1) / np.maximum(known_a, 1)
    expected = [float(mean) if n else None for mean, n in zip(mean_a, known_a, strict=True)]
    rows = zip(bank.ids, bank.prompts, bank.gold_answers, expected, strict=True)
    return [(anchor, prompt, gold, None, None, tokens) for anchor, prompt, gold, tokens in rows]


def _plan_for(bank: Bank | None, path: Path) -> PlanFile:
    """Return a plan.

    Raises
    ------
    ConfigError
        If the questions are a bank, and the plan was made for another one.
    """
    plan = PlanFile.read(path)
    if bank is not None and bank.version != plan.bank_version:
        raise ConfigError(
            f"{path} was made for bank version {plan.bank_version}, the bank given is "
            f"{bank.version}; plan again for this bank"
        )
    return plan
