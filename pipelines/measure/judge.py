"""A judge of answers: its calls, made, billed and resumed like those of a measured model."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.measure.call_plan import Call, CallKey, MeasuredQuestion
from pipelines.measure.first_calls import N_ALIKE
from pipelines.measure.journal import TRUNCATED, CallResult, EarlierResults, Journal
from pipelines.measure.priced_arms import PricedArm
from pipelines.measure.run import RequestSettings, measure
from pipelines.measure.spend_cap import MeasureProgress, SpendCap
from pipelines.terminal import Stages
from scope.errors import ConfigError
from scope.questions import (
    DEFAULT_RUBRIC,
    JUDGE_PREFIX,
    Grader,
    Judgement,
    Verdict,
    combined,
    combined_pair,
    pair_prompt,
    pair_verdict,
    rubric_prompt,
    rubric_verdict,
)

JUDGE_FOLDER = "judge"
"""Folder of the judge's journal, within that of the results."""
JUDGE_MAX_TOKENS, EXPECTED_TOKENS = 1024, 100
VOTES_TEMPERATURE = 0.7
"""Temperature of several votes; a single one is drawn at 0."""

Parse = Callable[[str], Verdict | None]


def _grader(name: str, parse: Parse) -> Grader:
    def grade(reply: str, gold: str | None, question: str) -> float | None:
        verdict = parse(reply)
        return None if verdict is None else verdict.score

    return Grader(name, grade, lambda gold, question: None)


RATED, COMPARED = _grader("rubric", rubric_verdict), _grader("pair", pair_verdict)


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that scores answers.

    Attributes
    ----------
    arm : PricedArm
    base_url : str
        Of its endpoint.
    rubric : str
        What makes an answer good.
    n_votes : int
        Replies for each answer, of a pair for each position.
    """

    arm: PricedArm
    base_url: str
    rubric: str = DEFAULT_RUBRIC
    n_votes: int = 1

    @property
    def name(self) -> str:
        """Name of the arm."""
        return self.arm.spec.id

    @property
    def temperature(self) -> float:
        """Sampling temperature: above 0 only for several votes."""
        return VOTES_TEMPERATURE if self.n_votes > 1 else 0.0

    def settings(self) -> dict[str, Any]:
        """Return what a reply depends on besides model, prompt and number of the vote."""
        return {"base_url": self.base_url, "max_tokens": JUDGE_MAX_TOKENS}

    def calls(self, question: MeasuredQuestion, answer: str) -> tuple[list[Call], list[Call]]:
        """Return the calls that judge an answer; of a pair also those with swapped positions."""
        prompt, reference = question.prompt, question.reference
        if reference is None:
            text = rubric_prompt(prompt, answer, rubric=self.rubric, gold=question.gold)
            return self._votes(text, RATED), []
        return self.pair_calls(prompt, answer, reference)

    def pair_calls(self, prompt: str, first: str, second: str) -> tuple[list[Call], list[Call]]:
        """Return the calls that compare two answers, in this order and swapped."""
        here = pair_prompt(prompt, first, second, rubric=self.rubric)
        there = pair_prompt(prompt, second, first, rubric=self.rubric)
        return self._votes(here, COMPARED), self._votes(there, COMPARED)

    def _votes(self, prompt: str, grader: Grader) -> list[Call]:
        """Return one call per vote; its id is a digest of the text, so equal texts share it."""
        text = f"{self.temperature}\0{prompt}".encode()
        id_ = hashlib.sha256(text).hexdigest()[:24]
        asked = MeasuredQuestion(id_, prompt, None, grader, EXPECTED_TOKENS)
        spec, effort = self.arm.spec, self.arm.arm.effort
        return [Call(asked, spec, JUDGE_MAX_TOKENS, n, effort) for n in range(self.n_votes)]


def is_judged(question: MeasuredQuestion) -> bool:
    """Return whether a judge grades the answers to a question."""
    return question.grader.name.startswith(JUDGE_PREFIX)


def judge_name(calls: Iterable[Call]) -> str | None:
    """Return the model that judges, None if no question has a judge.

    Raises
    ------
    ConfigError
        If the questions name several.
    """
    graders = {call.question.grader.name for call in calls if is_judged(call.question)}
    if len(graders) > 1:
        raise ConfigError(
            f"the questions have several judges, {', '.join(sorted(graders))}; expected one"
        )
    return graders.pop().removeprefix(JUDGE_PREFIX) if graders else None


def judge_calls(
    judge: Judge, calls: Iterable[Call], rows: Mapping[CallKey, CallResult]
) -> list[Call]:
    """Return the judge's calls on all answers that it can judge, each once."""
    needed: dict[CallKey, Call] = {}
    for call in calls:
        answer = _answer(call, rows)
        if answer is not None:
            first, swapped = judge.calls(call.question, answer)
            needed.update((asked.key, asked) for asked in (*first, *swapped))
    return list(needed.values())


def unanswered(calls: Iterable[Call], rows: Mapping[CallKey, CallResult]) -> list[Call]:
    """Return the calls whose answers are to be judged and are not there yet."""
    return [
        call
        for call in calls
        if is_judged(call.question) and (call.key not in rows or rows[call.key].error is not None)
    ]


def _answer(call: Call, rows: Mapping[CallKey, CallResult]) -> str | None:
    """Return an answer to judge; None if there is none, or it is truncated or empty."""
    row = rows.get(call.key)
    if row is None or row.error is not None or not is_judged(call.question):
        return None
    return row.answer if row.answer and row.answer.strip() and row.message != TRUNCATED else None


async def ask_judge(
    calls: Sequence[Call],
    requests: RequestSettings,
    journal: Journal,
    folder: Path,
    cap: SpendCap,
    stages: Stages | None = None,
) -> None:
    """Make the calls of a judge that were not made before, within the cap.

    Raises
    ------
    ConfigError
        If none of its first replies states a verdict: the others would not, either.
    """
    earlier = EarlierResults.read(folder)
    pending = earlier.pending(list(calls))
    first = 0 if any(row.correct is not None for row in earlier.rows.values()) else N_ALIKE
    for part in (pending[:first], pending[first:]):
        if part:
            await measure(part, requests, journal, MeasureProgress(len(part), cap), stages)
        if part and part is not pending[first:] and len(pending) > first > 0:
            check_parses(calls, EarlierResults.read(folder).rows)


def check_parses(calls: Sequence[Call], rows: Mapping[CallKey, CallResult]) -> None:
    """Raise `ConfigError` if a judge has replied and none of its replies states a verdict."""
    replies = [rows[call.key] for call in calls if call.key in rows]
    replies = [row for row in replies if row.error is None]
    if not replies or any(row.correct is not None for row in replies):
        return
    raise ConfigError(
        f"judge {replies[0].model}: none of its {len(replies):,} replies states a verdict, so "
        f"they count as failed; the first is {replies[0].answer!r:.80}; name another judge"
    )


def judgement(
    asked: tuple[Sequence[Call], Sequence[Call]], rows: Mapping[CallKey, CallResult]
) -> Judgement:
    """Return the score that the judge's replies give an answer."""
    first, swapped = (verdicts(calls, rows) for calls in asked)
    return combined_pair(first, swapped) if asked[1] else combined(first)


def verdicts(calls: Sequence[Call], rows: Mapping[CallKey, CallResult]) -> list[Verdict | None]:
    """Return the parsed replies to calls; None for a failed call or one without a verdict."""
    return [_verdict(call, rows.get(call.key)) for call in calls]


def _verdict(call: Call, row: CallResult | None) -> Verdict | None:
    if row is None or row.correct is None or row.answer is None:
        return None
    return (pair_verdict if call.question.grader is COMPARED else rubric_verdict)(row.answer)


def judged_rows(
    judge: Judge,
    calls: Iterable[Call],
    rows: Mapping[CallKey, CallResult],
    replies: Mapping[CallKey, CallResult],
) -> tuple[dict[CallKey, CallResult], dict[CallKey, Judgement]]:
    """Return the results with the judge's scores as grades, and the judgements by call."""
    graded, found = dict(rows), {}
    for call in calls:
        answer = _answer(call, rows)
        if answer is not None:
            found[call.key] = judgement(judge.calls(call.question, answer), replies)
            graded[call.key] = replace(rows[call.key], correct=found[call.key].score)
    return graded, found
