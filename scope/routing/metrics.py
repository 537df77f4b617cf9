"""Scores of choices against known outcomes, with standard errors."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from scope.arrays import FloatArray
from scope.outcomes import Outcomes
from scope.policy import Choices
from scope.pool import ModelSpec, cost_usd


class ExactSum:
    """A sum that is rounded once, at the end, for any number of additions.

    It holds a few floats, usually two or three, with exactly the sum of all terms. The total of
    shards is therefore that of a set in memory.

    Examples
    --------
    >>> import numpy as np
    >>> total = ExactSum()
    >>> total.add(np.array([1e16, 1.0]))
    >>> total.add(np.array([1.0, -1e16]))
    >>> total.value
    2.0
    """

    def __init__(self) -> None:
        self.partials: list[float] = []
        """Floats with the exact sum of all terms."""

    @property
    def value(self) -> float:
        """The sum, correctly rounded."""
        return math.fsum(self.partials)

    def add(self, terms: FloatArray) -> None:
        """Add all of `terms`; an infinite or NaN term makes the sum infinite or NaN."""
        rest = [*self.partials, *terms.tolist()]
        self.partials = []
        while part := math.fsum(rest):
            self.partials.append(part)
            if not math.isfinite(part):
                break
            rest.append(-part)


@dataclass(frozen=True, slots=True)
class RoutingScore:
    """Accuracy and cost of choices, over questions with known outcomes.

    Attributes
    ----------
    accuracy : float
        Share of correct answers, in [0, 1]; NaN if no outcome is known.
    standard_error : float
        Of the accuracy; NaN with fewer than two outcomes.
    cost_usd : float
        Total of the questions counted, USD.
    n_questions : int
        Questions counted.
    """

    accuracy: float
    standard_error: float
    cost_usd: float
    n_questions: int

    @property
    def usd_per_1k(self) -> float:
        """Mean cost of a thousand questions, USD."""
        return 1000 * self.cost_usd / self.n_questions if self.n_questions else math.nan

    def scale_cost(self, ratio: float) -> "RoutingScore":
        """Return the score with its cost multiplied by `ratio`."""
        return replace(self, cost_usd=ratio * self.cost_usd)


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """Real correctness and cost of every model on every question.

    NaN where a model was never run.
    """

    correct_qm: FloatArray
    cost_usd_qm: FloatArray

    @classmethod
    def from_outcomes(cls, outcomes: Outcomes, models: tuple[ModelSpec, ...]) -> "GroundTruth":
        """Compute the costs of outcomes; `models` are in the order of their columns."""
        tokens = outcomes.prompt_tokens_am, outcomes.completion_tokens_am
        return cls(outcomes.correct_am, cost_usd(models, *tokens))

    def score_choices(self, choices: Choices) -> RoutingScore:
        """Score the chosen models."""
        return score(choices.pick(self.correct_qm), choices.pick(self.cost_usd_qm))

    def score_model(self, m: int) -> RoutingScore:
        """Score one model on all questions."""
        return score(self.correct_qm[:, m], self.cost_usd_qm[:, m])

    def score_random(self) -> RoutingScore:
        """Score a model drawn at random for each question, in expectation."""
        known_qm = ~np.isnan(self.correct_qm + self.cost_usd_qm)
        n_q = known_qm.sum(axis=1)
        some = n_q > 0
        means = [
            np.where(known_qm, values, 0.0).sum(axis=1)[some] / n_q[some]
            for values in (self.correct_qm, self.cost_usd_qm)
        ]
        return score(*means)


class ScoreAccumulator:
    """Accumulates a score over shards of the questions; the result does not depend on the shards.

    Holds a few floats for any number of questions.

    Parameters
    ----------
    spread : bool, default=True
        Whether the accuracy gets a standard error: its values are outcomes, not probabilities.
    """

    def __init__(self, *, spread: bool = True) -> None:
        self._n, self._spread = 0, spread
        self._correct, self._squares, self._cost_usd = ExactSum(), ExactSum(), ExactSum()

    def add(self, correct_q: FloatArray, cost_usd_q: FloatArray) -> None:
        """Add questions; those where either number is NaN are skipped."""
        known_q = ~np.isnan(correct_q + cost_usd_q)
        correct_q = correct_q[known_q]
        self._n += len(correct_q)
        self._correct.add(correct_q)
        self._cost_usd.add(cost_usd_q[known_q])
        if self._spread:
            self._squares.add(correct_q**2)

    def score(self) -> RoutingScore:
        """Return the score of all that was added."""
        accuracy = self._correct.value / self._n if self._n else math.nan
        return RoutingScore(accuracy, self._standard_error(), self._cost_usd.value, self._n)

    def _standard_error(self) -> float:
        if not self._spread or self._n < 2:
            return math.nan
        total, squares = (sum(map(Fraction, s.partials)) for s in (self._correct, self._squares))
        # Exact except for the rounding of single squares: no cancellation.
        variance = max((squares - total * total / self._n) / (self._n - 1), Fraction(0))
        return math.sqrt(variance / self._n)


def score(correct_q: FloatArray, cost_usd_q: FloatArray) -> RoutingScore:
    """Average outcomes of questions; those where either is NaN are skipped.

    Examples
    --------
    >>> score(np.array([1.0, 0.0, np.nan]), np.array([0.5, 0.25, 9.0]))
    RoutingScore(accuracy=0.5, standard_error=0.5, cost_usd=0.75, n_questions=2)
    """
    tally = ScoreAccumulator()
    tally.add(correct_q, cost_usd_q)
    return tally.score()


def finite_or_none(value: float) -> float | None:
    """Return `value` for JSON: None where it is NaN or infinite."""
    return float(value) if math.isfinite(value) else None


def score_json(score: RoutingScore) -> dict[str, float | int | None]:
    """Return a score as a JSON object."""
    return {
        "accuracy": finite_or_none(score.accuracy),
        "standard_error": finite_or_none(score.standard_error),
        "cost_usd": finite_or_none(score.cost_usd),
        "usd_per_1k": finite_or_none(score.usd_per_1k),
        "n_questions": score.n_questions,
    }
