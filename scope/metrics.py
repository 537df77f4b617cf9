"""How well choices turned out, with the uncertainty of saying so."""

import math
from dataclasses import dataclass

import numpy as np

from scope.arrays import Floats
from scope.outcomes import Outcomes
from scope.policy import Choices
from scope.pool import ModelSpec, cost_usd


@dataclass(frozen=True, slots=True)
class Score:
    """Accuracy and cost of one way of choosing, over questions with known outcomes.

    Attributes
    ----------
    accuracy : float
        Share of right answers, in [0, 1]; NaN if no outcome is known.
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
        """Cost of a thousand such questions, USD."""
        return 1000 * self.cost_usd / self.n_questions if self.n_questions else math.nan


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened: correctness and cost of every model on every question.

    NaN where a model was never run.
    """

    correct_qm: Floats
    cost_usd_qm: Floats

    @classmethod
    def of(cls, outcomes: Outcomes, models: tuple[ModelSpec, ...]) -> "Truth":
        """Price the outcomes; `models` are in the order of their columns."""
        tokens = outcomes.prompt_tokens_am, outcomes.completion_tokens_am
        return cls(outcomes.correct_am, cost_usd(models, *tokens))

    def of_choices(self, choices: Choices) -> Score:
        """Score the chosen models."""
        return score(choices.pick(self.correct_qm), choices.pick(self.cost_usd_qm))

    def of_model(self, m: int) -> Score:
        """Score one model asked everything."""
        return score(self.correct_qm[:, m], self.cost_usd_qm[:, m])

    def of_random(self) -> Score:
        """Score a model drawn at random for each question, in expectation."""
        known_qm = ~np.isnan(self.correct_qm + self.cost_usd_qm)
        n_q = known_qm.sum(axis=1)
        some = n_q > 0
        means = [
            np.where(known_qm, values, 0.0).sum(axis=1)[some] / n_q[some]
            for values in (self.correct_qm, self.cost_usd_qm)
        ]
        return score(*means)


def score(correct_q: Floats, cost_usd_q: Floats) -> Score:
    """Average outcomes of questions; those where either is NaN are left out.

    Examples
    --------
    >>> score(np.array([1.0, 0.0, np.nan]), np.array([0.5, 0.25, 9.0]))
    Score(accuracy=0.5, standard_error=0.5, cost_usd=0.75, n_questions=2)
    """
    known_q = ~np.isnan(correct_q + cost_usd_q)
    correct, n = correct_q[known_q], int(known_q.sum())
    accuracy = float(correct.mean()) if n else math.nan
    error = float(correct.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    return Score(accuracy, error, math.fsum(cost_usd_q[known_q]), n)
