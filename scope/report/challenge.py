"""A challenger bank against the champion, on labelled questions of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from scope.bank import Bank, fit_alpha_scale
from scope.errors import EvaluationError
from scope.evaluation import (
    HIGHER_IS_BETTER,
    EvaluationSet,
    Interval,
    choices_at,
    metric_replicates,
)
from scope.predictions import Predictions
from scope.predictor import predict_reference_population
from scope.report.evaluation import predict_test_set
from scope.report.thresholds import MetricThreshold

ALPHAS = (0.2, 0.6, 0.9)
"""At which decisions are compared."""
DECIDING = "gain_over_mixture"
"""Without a floor the challenger is worse if the whole interval of this difference is below 0."""


@dataclass(frozen=True, slots=True)
class MetricChange:
    """One metric of both banks, and the difference new minus old on the same resamples."""

    name: str
    old: Interval
    new: Interval
    difference: Interval

    @property
    def is_worse(self) -> bool:
        """Whether the whole interval of the difference is on the bad side of 0."""
        higher = HIGHER_IS_BETTER[self.name]
        return self.difference.high < 0 if higher else self.difference.low > 0

    @property
    def is_better(self) -> bool:
        """Whether the whole interval of the difference is on the good side of 0."""
        higher = HIGHER_IS_BETTER[self.name]
        return self.difference.low > 0 if higher else self.difference.high < 0

    def to_json(self) -> dict[str, Any]:
        """Return value, low and high of each; unknown is null."""
        parts = {"old": self.old, "new": self.new, "difference": self.difference}
        return {"name": self.name} | {name: part.to_json() for name, part in parts.items()}


@dataclass(frozen=True, slots=True)
class Challenge:
    """The comparison of two banks.

    Attributes
    ----------
    models : tuple of str
        Of both banks, at the prices of the new one.
    n_questions : int
        On which routing is compared: the outcomes of all models are known.
    changes : tuple of MetricChange
        In the order of `scope.evaluation.HIGHER_IS_BETTER`.
    changed_share : dict of float to float
        Share of the decisions that differ, by alpha.
    """

    models: tuple[str, ...]
    n_questions: int
    changes: tuple[MetricChange, ...]
    changed_share: dict[float, float]

    def change(self, name: str) -> MetricChange:
        """Return the change of a metric."""
        return next(change for change in self.changes if change.name == name)

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as JSON values; unknown is null."""
        return {
            "models": list(self.models),
            "questions": self.n_questions,
            "metrics": [change.to_json() for change in self.changes],
            "changed_share": {f"{alpha:g}": share for alpha, share in self.changed_share.items()},
        }

    def verdicts(self, limits: Sequence[MetricThreshold]) -> tuple[str, ...]:
        """Return why the challenger fails; empty if it may replace the champion.

        Parameters
        ----------
        limits : sequence of MetricThreshold
            Bounds on differences, new minus old. None: `DECIDING` must not be worse.
        """
        if not limits:
            change = self.change(DECIDING)
            return (f"{DECIDING} is worse: {change.difference:+.4f}",) if change.is_worse else ()
        checked = [(limit, self.change(limit.metric).difference.value) for limit in limits]
        return tuple(
            f"{limit.metric} changes by {value:+.4f}, "
            f"{'below its floor' if limit.is_floor else 'above its ceiling'} of {limit.value:+g}"
            for limit, value in checked
            if not (value >= limit.value if limit.is_floor else value <= limit.value)
        )


def challenge(old: Bank, new: Bank, questions: Bank, *, seed: int = 0) -> Challenge:
    """Compare two banks on labelled questions that neither has as an anchor.

    Parameters
    ----------
    old, new : Bank
        Their common models are compared, at the prices of `new`.
    questions : Bank
        With the outcomes of these models.
    seed : int
        Of the bootstrap.

    Raises
    ------
    EvaluationError
        If they have no two models in common, or the questions cannot evaluate one of them.
    EmbedderMismatchError
        If a bank has another embedder than the questions.
    """
    common = tuple(model for model in new.model_ids if model in set(old.model_ids))
    if len(common) < 2:
        raise EvaluationError(
            f"the banks have {len(common)} models in common; a comparison of routing needs two"
        )
    new = new.select_models(common)
    old = old.select_models(common).with_prices(new.models)
    sets = [EvaluationSet.from_banks(bank, questions) for bank in (old, new)]
    with threadpool_limits(1):
        predicted = [
            predict_test_set(bank, test_set)
            for bank, test_set in zip((old, new), sets, strict=True)
        ]
        replicates = [
            metric_replicates(predictions, test_set, seed)
            for predictions, test_set in zip(predicted, sets, strict=True)
        ]
    of_old, of_new = replicates
    changes = tuple(
        MetricChange(
            name,
            Interval.from_replicates(of_old[name]),
            Interval.from_replicates(of_new[name]),
            Interval.from_replicates(of_new[name] - of_old[name]),
        )
        for name in HIGHER_IS_BETTER
    )
    return Challenge(
        common,
        int(sets[1].complete_q.sum()),
        changes,
        {alpha: _changed((old, new), predicted, alpha) for alpha in ALPHAS},
    )


def _changed(banks: Sequence[Bank], predicted: Sequence[Predictions], alpha: float) -> float:
    chosen = []
    for bank, predictions in zip(banks, predicted, strict=True):
        reference = bank.reference or predict_reference_population(bank, bank.anchor_config)
        scale = fit_alpha_scale(reference, bank.models)
        chosen.append(choices_at(predictions, scale, alpha).model_q)
    return float(np.mean(chosen[0] != chosen[1]))
