"""What every setting of the dial buys, beside the models themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scope.arrays import Floats
from scope.dial import Dial
from scope.hull import Hulls
from scope.metrics import Score, Truth
from scope.policy import Choices
from scope.predictions import Predictions


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of the dial: what was planned, and what came of it if known."""

    alpha: float
    trade_off: float
    planned: Score
    """Accuracy is the mean predicted probability; its standard error is not known."""
    realised: Score | None


def frontier(
    predictions: Predictions, dial: Dial, alphas: Sequence[float], truth: Truth | None = None
) -> list[Point]:
    """Route all questions at every alpha.

    Parameters
    ----------
    predictions : Predictions
    dial : Dial
        Fitted for the same models.
    alphas : sequence of float
        Within [0, 1].
    truth : Truth, optional
        Columns as in `predictions`.
    """
    estimates = predictions.estimates
    hulls = Hulls.of(estimates.p_correct_qm, estimates.cost_usd_qm)
    points = []
    for alpha in alphas:
        trade_off = dial.trade_off(alpha)
        model_q = hulls.choose(trade_off)
        choices = Choices(model_q, model_q >= 0)
        realised = truth.of_choices(choices) if truth else None
        points.append(Point(alpha, trade_off, planned(predictions, choices), realised))
    return points


def planned(predictions: Predictions, choices: Choices) -> Score:
    """Return the expected accuracy and cost of `choices`."""
    p_q = choices.pick(predictions.estimates.p_correct_qm)
    cost_usd_q = choices.pick(predictions.estimates.cost_usd_qm)
    known = ~np.isnan(p_q + cost_usd_q)
    accuracy = float(p_q[known].mean()) if known.any() else float("nan")
    return Score(accuracy, float("nan"), float(cost_usd_q[known].sum()), int(known.sum()))


def mix_hull(scores: Sequence[Score]) -> tuple[Floats, Floats]:
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
    hull = Hulls.of(accuracy, usd)
    corners = np.unique(hull.model_qs[0], return_index=True)[1]
    corner_m = hull.model_qs[0][np.sort(corners)]
    return usd[0, corner_m], accuracy[0, corner_m]


def mix_accuracy(scores: Sequence[Score], usd_per_1k: float) -> float:
    """Return the best accuracy that a random mix of single models has at this cost.

    NaN below the cost of the cheapest model.
    """
    usd, accuracy = mix_hull(scores)
    return float(np.interp(usd_per_1k, usd, accuracy, left=np.nan))
