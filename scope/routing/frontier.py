"""Cost and accuracy at every alpha, and of random mixtures of single models."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.policy import AlphaScale, Choices, Hulls
from scope.predictions import Predictions
from scope.routing.metrics import GroundTruth, RoutingScore, ScoreAccumulator


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """Planned and realised score at one alpha."""

    alpha: float
    trade_off: float
    planned: RoutingScore
    """Its accuracy is the mean predicted probability, without a standard error."""
    realised: RoutingScore | None
    """None without outcomes."""
    bill_ratio: float = 1.0
    """The planned cost is the sum of the forecasts times this."""


class AlphaSweep:
    """Routes questions at every alpha, shard by shard; holds sums, not questions.

    Parameters
    ----------
    alpha_scale : AlphaScale
        Fitted for the models of the predictions; planned costs have its ratio of the bills.
    alphas : sequence of float
        Within [0, 1].
    """

    def __init__(self, alpha_scale: AlphaScale, alphas: Sequence[float]) -> None:
        self._settings = [(alpha, alpha_scale.trade_off(alpha)) for alpha in alphas]
        self._ratios = [alpha_scale.bill_ratio_at(alpha) for alpha in alphas]
        self._scores = [PlannedAndRealised() for _ in alphas]

    def add(self, predictions: Predictions, truth: GroundTruth | None = None) -> None:
        """Add questions."""
        estimates = predictions.estimates
        hulls = Hulls.from_estimates(estimates.p_correct_qm, estimates.cost_usd_qm)
        for (_, trade_off), scores in zip(self._settings, self._scores, strict=True):
            model_q = hulls.choose(trade_off)
            scores.add(predictions, Choices(model_q, model_q >= 0), truth)

    def points(self) -> list[FrontierPoint]:
        """Return the point at every alpha over all questions so far."""
        return [
            FrontierPoint(*setting, scores.planned.scale_cost(ratio), scores.realised, ratio)
            for setting, ratio, scores in zip(
                self._settings, self._ratios, self._scores, strict=True
            )
        ]


class PlannedAndRealised:
    """Accumulates the planned and realised score of choices, shard by shard."""

    def __init__(self) -> None:
        self._planned, self._realised = ScoreAccumulator(spread=False), ScoreAccumulator()
        self._labelled = False

    def add(
        self, predictions: Predictions, choices: Choices, truth: GroundTruth | None = None
    ) -> None:
        """Add the choices for some questions."""
        e = predictions.estimates
        self._planned.add(choices.pick(e.p_correct_qm), choices.pick(e.cost_usd_qm))
        if truth is not None:
            self._labelled = True
            self._realised.add(choices.pick(truth.correct_qm), choices.pick(truth.cost_usd_qm))

    @property
    def planned(self) -> RoutingScore:
        """Expected accuracy and cost, without a standard error."""
        return self._planned.score()

    @property
    def realised(self) -> RoutingScore | None:
        """Realised accuracy and cost; None without outcomes."""
        return self._realised.score() if self._labelled else None


def planned_score(predictions: Predictions, choices: Choices) -> RoutingScore:
    """Return the expected accuracy and cost of `choices`."""
    scores = PlannedAndRealised()
    scores.add(predictions, choices)
    return scores.planned


def mix_hull(scores: Sequence[RoutingScore]) -> tuple[FloatArray, FloatArray]:
    """Return the upper hull of single models: the scores of random mixtures of two models.

    Sending a share of the questions, drawn at random, to one model and the rest
    to another gives any point on the line between them.

    Returns
    -------
    usd_per_1k, accuracy : ndarray of shape (n_corners,)
        Corners from the cheapest model to the most accurate, both ascending.
    """
    usd = np.array([[score.usd_per_1k for score in scores]])
    accuracy = np.array([[score.accuracy for score in scores]])
    hull = Hulls.from_estimates(accuracy, usd)
    corners = np.unique(hull.model_qp[0], return_index=True)[1]
    corner_m = hull.model_qp[0][np.sort(corners)]
    return usd[0, corner_m], accuracy[0, corner_m]


def mix_accuracy(scores: Sequence[RoutingScore], usd_per_1k: float) -> float:
    """Return the best accuracy of a random mixture of single models at this cost.

    NaN below the cost of the cheapest model.
    """
    usd, accuracy = mix_hull(scores)
    return float(np.interp(usd_per_1k, usd, accuracy, left=np.nan))
