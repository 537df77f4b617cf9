"""What every setting of the dial buys, beside the models themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.policy import AlphaScale, Choices, Hulls
from scope.predictions import Predictions
from scope.routing.metrics import GroundTruth, RoutingScore, ScoreAccumulator


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """One setting of the dial: what was planned, and what came of it if known."""

    alpha: float
    trade_off: float
    planned: RoutingScore
    """Accuracy is the mean predicted probability; its standard error is not known."""
    realised: RoutingScore | None


class AlphaSweep:
    """Routes questions at every alpha as they come; holds sums, not questions.

    Parameters
    ----------
    dial : AlphaScale
        Fitted for the models of the predictions.
    alphas : sequence of float
        Within [0, 1].
    """

    def __init__(self, dial: AlphaScale, alphas: Sequence[float]) -> None:
        self._settings = [(alpha, dial.trade_off(alpha)) for alpha in alphas]
        self._scores = [PlannedAndRealised() for _ in alphas]

    def add(self, predictions: Predictions, truth: GroundTruth | None = None) -> None:
        """Route some more questions."""
        estimates = predictions.estimates
        hulls = Hulls.from_estimates(estimates.p_correct_qm, estimates.cost_usd_qm)
        for (_, trade_off), scores in zip(self._settings, self._scores, strict=True):
            model_q = hulls.choose(trade_off)
            scores.add(predictions, Choices(model_q, model_q >= 0), truth)

    def points(self) -> list[FrontierPoint]:
        """Return what every setting bought on all questions so far."""
        return [
            FrontierPoint(*setting, scores.planned, scores.realised)
            for setting, scores in zip(self._settings, self._scores, strict=True)
        ]


class PlannedAndRealised:
    """What choices were expected to bring, and what they did, as questions come."""

    def __init__(self) -> None:
        self._planned, self._realised = ScoreAccumulator(spread=False), ScoreAccumulator()
        self._labelled = False

    def add(
        self, predictions: Predictions, choices: Choices, truth: GroundTruth | None = None
    ) -> None:
        """Add the choices for some more questions."""
        e = predictions.estimates
        self._planned.add(choices.pick(e.p_correct_qm), choices.pick(e.cost_usd_qm))
        if truth is not None:
            self._labelled = True
            self._realised.add(choices.pick(truth.correct_qm), choices.pick(truth.cost_usd_qm))

    @property
    def planned(self) -> RoutingScore:
        """Expected accuracy and cost; the standard error is not known."""
        return self._planned.score()

    @property
    def realised(self) -> RoutingScore | None:
        """What came of it; None if nobody knows."""
        return self._realised.score() if self._labelled else None


def planned_score(predictions: Predictions, choices: Choices) -> RoutingScore:
    """Return the expected accuracy and cost of `choices`."""
    scores = PlannedAndRealised()
    scores.add(predictions, choices)
    return scores.planned


def mix_hull(scores: Sequence[RoutingScore]) -> tuple[FloatArray, FloatArray]:
    """Return the upper hull of single models: what a random mix of two can reach.

    Sending a share of the questions, drawn at random, to one model and the rest
    to another gives any point on the line between them.

    Returns
    -------
    usd_per_1k, accuracy : ndarray of shape (n_corners,)
        Corners from the cheapest model to the most accurate, both rising.
    """
    usd = np.array([[score.usd_per_1k for score in scores]])
    accuracy = np.array([[score.accuracy for score in scores]])
    hull = Hulls.from_estimates(accuracy, usd)
    corners = np.unique(hull.model_qs[0], return_index=True)[1]
    corner_m = hull.model_qs[0][np.sort(corners)]
    return usd[0, corner_m], accuracy[0, corner_m]


def mix_accuracy(scores: Sequence[RoutingScore], usd_per_1k: float) -> float:
    """Return the best accuracy that a random mix of single models has at this cost.

    NaN below the cost of the cheapest model.
    """
    usd, accuracy = mix_hull(scores)
    return float(np.interp(usd_per_1k, usd, accuracy, left=np.nan))
