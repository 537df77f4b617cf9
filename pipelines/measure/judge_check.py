"""A judge against labels of people: agreement, bias by position and by length."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.measure.call_plan import Call, CallKey, MeasuredQuestion
from pipelines.measure.journal import CallResult
from pipelines.measure.judge import RATED, Judge, judgement, verdicts
from scope.errors import QuestionError
from scope.questions import (
    Judgement,
    cohens_kappa,
    iter_rows,
    kappa_interval,
    length_correlation,
    preference,
    row_prompt,
    row_text,
    share,
    unwrapped,
)

PROMPT_FIELDS = ("prompt", "question")
PREFERENCES = {"first": 1, "tie": 0, "second": -1}


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """One or two answers to a question, with the label of a person.

    Attributes
    ----------
    prompt : str
    answers : tuple of str
        One answer, or two that are compared.
    label : float
        Of one answer its score in [0, 1]; of two 1, 0 or -1: first better, a tie, second better.
    gold : str or None
    """

    prompt: str
    answers: tuple[str, ...]
    label: float
    gold: str | None = None

    @property
    def is_pair(self) -> bool:
        """Whether there are two answers."""
        return len(self.answers) == 2

    @property
    def category(self) -> int:
        """Class for the agreement: of one answer 1 if good (from 0.5), else 0."""
        return int(self.label) if self.is_pair else int(self.label >= 0.5)

    def calls(self, judge: Judge) -> tuple[list[Call], list[Call]]:
        """Return the calls of a judge, of a pair also those with swapped positions."""
        if self.is_pair:
            return judge.pair_calls(self.prompt, *self.answers)
        asked = MeasuredQuestion("", self.prompt, self.gold, RATED, None)
        return judge.calls(asked, self.answers[0])


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """How far a judge agrees with people; None where nothing can be said.

    Attributes
    ----------
    n, n_failed : int
        Labelled items, and those without a verdict, which are in no other number.
    agreement : float or None
        Share of items with the class of their label.
    kappa, kappa_low, kappa_high : float or None
        Cohen's kappa and its 95 % bootstrap interval.
    swap_changes : float or None
        Share of pairs whose verdict changes with the positions.
    first_preferred : float or None
        Share of decided votes for the answer shown first; 0.5 without bias.
    longer_preferred, longer_labelled : float or None
        Share of pairs, of those that the judge (the label) decides and whose lengths differ,
        where the longer answer wins.
    longer_at_ties : float or None
        The judge's share among pairs that are a tie by their label.
    length_correlation : float or None
        Spearman's, of single answers' length with score minus label.
    """

    n: int
    n_failed: int
    agreement: float | None
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    swap_changes: float | None
    first_preferred: float | None
    longer_preferred: float | None
    longer_labelled: float | None
    longer_at_ties: float | None
    length_correlation: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the numbers by name."""
        return asdict(self)


def read_labelled(path: Path) -> list[LabelledAnswer]:
    """Read ``prompt``, ``answer`` or two ``answers``, and ``label`` of each row.

    Raises
    ------
    QuestionError
        If a row lacks one, a label is none, single answers and pairs are mixed, or all labels
        are of one class, with which no agreement beyond chance can be told.
    """
    items = [_labelled(unwrapped(row.row, str(row)), str(row)) for row in iter_rows(path)]
    if len({item.is_pair for item in items}) > 1:
        raise QuestionError(f"{path} mixes single answers and pairs; expected one kind")
    if len({item.category for item in items}) < 2:
        raise QuestionError(
            f"{path} has {len(items):,} labels of one class; expected labels of two, "
            "as good and bad answers"
        )
    return items


def _labelled(row: Mapping[str, Any], location: str) -> LabelledAnswer:
    prompt = row_prompt(row, PROMPT_FIELDS, location)
    answers, label = row.get("answers", [row.get("answer")]), row.get("label")
    texts = isinstance(answers, list) and all(isinstance(a, str) and a.strip() for a in answers)
    if not texts or len(answers) not in (1, 2):
        raise QuestionError(f"{location} has no answer; expected `answer`, or two in `answers`")
    if len(answers) == 2:
        if not isinstance(label, str) or label not in PREFERENCES:
            raise QuestionError(f"{location}: label is {label!r:.40}; expected first, second, tie")
        return LabelledAnswer(prompt, tuple(answers), PREFERENCES[label])
    if not isinstance(label, int | float) or not 0 <= label <= 1:
        raise QuestionError(f"{location}: label is {label!r:.40}; expected a number in 0..1")
    gold = row_text(row, ("gt", "gold"), location)
    return LabelledAnswer(prompt, tuple(answers), float(label), gold)


def judge_report(
    judge: Judge, items: Sequence[LabelledAnswer], replies: Mapping[CallKey, CallResult]
) -> JudgeReport:
    """Compare the judge's replies with the labels."""
    found = [(item, judgement(item.calls(judge), replies)) for item in items]
    judged = [(item, verdict) for item, verdict in found if verdict.score is not None]
    labels = np.array([item.category for item, _ in judged], dtype=np.int64)
    classes = np.array([_category(item, verdict) for item, verdict in judged], dtype=np.int64)
    low, high = kappa_interval(labels, classes)
    is_longer = [(item, _category(item, verdict)) for item, verdict in judged if item.is_pair]
    votes = [vote for item in items if item.is_pair for vote in _votes(item, judge, replies)]
    return JudgeReport(
        n=len(items),
        n_failed=len(items) - len(judged),
        agreement=share([bool(same) for same in labels == classes]),
        kappa=_known(cohens_kappa(labels, classes)),
        kappa_low=_known(low),
        kappa_high=_known(high),
        swap_changes=share([bool(v.swapped) for _, v in judged if v.swapped is not None]),
        first_preferred=share([vote > 0 for vote in votes if vote]),
        longer_preferred=_longer(is_longer),
        longer_labelled=_longer([(item, item.category) for item, _ in is_longer]),
        longer_at_ties=_longer([(i, verdict) for i, verdict in is_longer if i.category == 0]),
        length_correlation=_by_length([(i, v) for i, v in judged if not i.is_pair]),
    )


def _category(item: LabelledAnswer, verdict: Judgement) -> int:
    score = verdict.score or 0.0
    return preference(score) if item.is_pair else int(score >= 0.5)


def _votes(item: LabelledAnswer, judge: Judge, replies: Mapping[CallKey, CallResult]) -> list[int]:
    """Return for each vote 1 if it prefers the answer shown first, -1 the second, 0 a tie."""
    found = [vote for calls in item.calls(judge) for vote in verdicts(calls, replies)]
    return [preference(vote.score) for vote in found if vote is not None]


def _longer(decided: Sequence[tuple[LabelledAnswer, int]]) -> float | None:
    """Return the share of pairs where the longer answer is preferred."""
    pairs = [(len(i.answers[0]) - len(i.answers[1]), preferred) for i, preferred in decided]
    return share([(more > 0) == (preferred > 0) for more, preferred in pairs if more and preferred])


def _by_length(judged: Sequence[tuple[LabelledAnswer, Judgement]]) -> float | None:
    lengths = np.array([len(item.answers[0]) for item, _ in judged], dtype=np.float64)
    errors = np.array([(v.score or 0.0) - item.label for item, v in judged], dtype=np.float64)
    return length_correlation(lengths, errors)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
