"""Which calls a measurement makes: models times questions, each with its grader and its price."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scope.bank import Bank, is_bank, load_bank
from scope.errors import BankError, ConfigError, FormatError, join_names
from scope.pool import PUBLISHED_MODELS, ModelSpec
from scope.prices import load_prices, select_specs
from scope.questions import Grader, grader_for, read_questions
from scope.storage import read_json

GUESSED_TOKENS = 500
"""Length of an answer where nothing is known about it."""

CallKey = tuple[str, str]
"""A question's id and a model's."""

PlannedCosts = Mapping[str, float | None]
"""Anchors of a plan in its order, and what asking each is expected to cost, USD."""


@dataclass(frozen=True, slots=True)
class MeasuredQuestion:
    """A question as it is asked: how it is graded, and what is known about its answers."""

    id: str
    prompt: str
    gold: str | None
    grader: Grader
    expected_tokens: float | None
    """Mean length of the answers a bank has seen, None where it has none."""
    planned_usd: float | None = None
    """What the plan expects the call to cost, None without one."""

    @property
    def digest(self) -> str:
        """Twelve digits that change with the text, the gold answer or the grader."""
        text = "\0".join((self.prompt, self.gold or "", self.grader.name))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Call:
    """One model to ask one question."""

    question: MeasuredQuestion
    model: ModelSpec
    max_tokens: int

    @property
    def key(self) -> CallKey:
        """What identifies it in the results."""
        return self.question.id, self.model.id

    @property
    def at_most_usd(self) -> float:
        """The price if the answer is as long as allowed, and a token is two bytes of prompt."""
        prompt_tokens = len(self.question.prompt.encode()) / 2 + 32
        return self.usd(prompt_tokens, self.max_tokens)

    @property
    def expected_usd(self) -> float:
        """As planned, else at the length expected and four bytes of prompt a token."""
        if self.question.planned_usd is not None:
            return self.question.planned_usd
        tokens = self.question.expected_tokens or GUESSED_TOKENS
        prompt_tokens = len(self.question.prompt.encode()) / 4 + 8
        return self.usd(prompt_tokens, min(tokens, self.max_tokens))

    def usd(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return the price of these tokens."""
        return float(self.model.cost_usd(np.array(prompt_tokens), np.array(completion_tokens)))


@dataclass(frozen=True, slots=True)
class MeasurementRequest:
    """What to measure, as a user names it."""

    questions: Path
    """A question file, or a bank with prompts."""
    models: tuple[str, ...]
    """Empty: the model of the plan."""
    prices: Path | None = None
    plan: Path | None = None
    limit: int | None = None
    grader: str = "auto"
    max_tokens: int = 4096


def plan_calls(wanted: MeasurementRequest) -> list[Call]:
    """Return the calls in the order to make them: all models on a question, then the next.

    Raises
    ------
    ScopeError
        If a model is unknown or has no price, a question no prompt or no gold answer its grader
        can use, or the plan is not for these questions.
    """
    bank = load_bank(wanted.questions) if is_bank(wanted.questions) else None
    planned_model, planned = _read_plan(wanted.plan, bank) if wanted.plan else (None, None)
    names = wanted.models or ((planned_model,) if planned_model else ())
    if not names:
        raise ConfigError("no model to measure; pass --models, --pool or --plan")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"--models names a model twice: {join_names(repeated)}")
    specs = _specs(names, wanted.prices, bank)
    if planned is not None and names != (planned_model,):
        planned = dict.fromkeys(planned)  # its prices are those of another model
    questions = _questions(wanted, bank, planned)
    return [Call(question, spec, wanted.max_tokens) for question in questions for spec in specs]


def _specs(names: tuple[str, ...], prices: Path | None, bank: Bank | None) -> tuple[ModelSpec, ...]:
    if prices is not None:
        return select_specs(load_prices(prices), names, str(prices))
    known = {spec.id: spec for spec in (*PUBLISHED_MODELS, *(bank.models if bank else ()))}
    return select_specs(known, names, "the bank or the published pool; pass --prices, which")


def _questions(
    wanted: MeasurementRequest, bank: Bank | None, planned: PlannedCosts | None
) -> list[MeasuredQuestion]:
    """Return the questions, those of a plan in its order."""
    rows = _bank_rows(bank, wanted) if bank else _file_rows(wanted)
    if planned is not None:
        by_id = {row[0]: row for row in rows}
        if missing := [anchor for anchor in planned if anchor not in by_id]:
            raise ConfigError(
                f"{wanted.questions} lacks anchors of {wanted.plan}: {join_names(missing)}"
            )
        rows = [by_id[anchor] for anchor in planned]
    asked = []
    for question_id, prompt, gold, grader, tokens in rows[: wanted.limit]:
        place = f"{wanted.questions}: question {question_id}"
        chosen = grader_for(grader or wanted.grader, gold, prompt, place)
        planned_usd = planned[question_id] if planned else None
        asked.append(MeasuredQuestion(question_id, prompt, gold, chosen, tokens, planned_usd))
    return asked


Row = tuple[str, str, str | None, str | None, float | None]
"""Id, prompt, gold answer, grader of its own, expected tokens."""


def _file_rows(wanted: MeasurementRequest) -> list[Row]:
    limit = None if wanted.plan else wanted.limit
    questions = read_questions(wanted.questions, limit=limit)
    columns = (questions.ids, questions.prompts, questions.gold_answers, questions.graders)
    return [(*row, None) for row in zip(*columns, strict=True)]


def _bank_rows(bank: Bank, wanted: MeasurementRequest) -> list[Row]:
    if bank.prompts is None:
        raise BankError(
            f"bank {wanted.questions} has no prompts, so its questions cannot be asked; build it "
            "without --drop-prompts, or pass the file with the questions' texts"
        )
    tokens_am = bank.outcomes.completion_tokens_am
    known_a = (~np.isnan(tokens_am)).sum(axis=1)
    mean_a = np.nansum(tokens_am, axis=1) / np.maximum(known_a, 1)
    expected = [float(mean) if n else None for mean, n in zip(mean_a, known_a, strict=True)]
    rows = zip(bank.ids, bank.prompts, bank.gold_answers, expected, strict=True)
    return [(anchor, prompt, gold, None, tokens) for anchor, prompt, gold, tokens in rows]


def _read_plan(path: Path, bank: Bank | None) -> tuple[str, PlannedCosts]:
    """Return the model and the anchors of a file by ``scope bank add-model --plan``."""
    data = read_json(path)
    try:
        model, version = str(data["model"]), data["bank_version"]
        anchors: PlannedCosts = {
            str(anchor["id"]): float(anchor["cost_usd"]) for anchor in data["anchors"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"{path} is not a plan by `scope bank add-model --plan`: {type(error).__name__} {error}"
        ) from error
    if bank is not None and bank.version != version:
        raise ConfigError(
            f"{path} was made for bank version {version}, the bank given is {bank.version}; "
            "plan again for this bank"
        )
    return model, anchors
