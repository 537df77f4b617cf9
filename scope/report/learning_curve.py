"""What more anchors would bring, from banks of fewer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.bank import Bank
from scope.config import AnchorConfig
from scope.errors import EvaluationError
from scope.evaluation import (
    MIN_ANCHORS,
    EvaluationSet,
    Interval,
    Table,
    TableCell,
    format_metric,
    format_points,
    format_share,
    metric_replicates,
)
from scope.predictions import Predictions
from scope.predictor import choose_forecast, fit_bank
from scope.report.evaluation import predict_test_set
from scope.sampling import hash_order

PARTS = (8, 4, 2, 1)
"""Banks of an eighth, a quarter, half and all of the anchors, each part of the next."""
METRICS = ("oracle_gap_closed", "difference_r2", "log_loss")


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A bank of some of the anchors, fitted as the whole one, on the same questions."""

    n_anchors: int
    metrics: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Metrics against the number of anchors, and a line through them.

    Attributes
    ----------
    points : tuple of CurvePoint
        From the smallest bank to the whole one.
    per_doubling : dict of str to Interval
        Slope of the least-squares line on the log2 of the number of anchors, by metric. The
        interval is over questions: what another draw of the anchors would change is not in it.
    at_twice : dict of str to Interval
        The line at twice the anchors of the whole bank.
    """

    points: tuple[CurvePoint, ...]
    per_doubling: dict[str, Interval]
    at_twice: dict[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers; undefined ones are null."""
        return {
            "points": [
                {"n_anchors": point.n_anchors, **_json(point.metrics)} for point in self.points
            ],
            "per_doubling": _json(self.per_doubling),
            "at_twice": _json(self.at_twice),
        }

    def to_table(self) -> Table:
        """Return the points, the gain of a doubling and what twice the anchors would bring."""
        rows = [
            (f"{point.n_anchors:,}", *_cells(point.metrics, format_share)) for point in self.points
        ]
        rows.append(("per doubling", *_cells(self.per_doubling, format_points, sign="+")))
        twice = f"{2 * self.points[-1].n_anchors:,}, by the line"
        rows.append((twice, *_cells(self.at_twice, format_share)))
        headers = ("anchors", "oracle gap closed %", "R² between models", "log loss")
        title = "Learning curve: the bank fitted on parts of its anchors, on the same questions"
        return Table(title, headers, tuple(tuple(map(TableCell, row)) for row in rows))


def part_sizes(bank: Bank) -> list[int]:
    """Return the numbers of anchors of the parts; raise `EvaluationError` if one is too few."""
    sizes = [len(bank.ids) // part for part in PARTS]
    if sizes[0] < MIN_ANCHORS:
        raise EvaluationError(
            f"--learning-curve begins with an eighth of the anchors, {sizes[0]}; at least "
            f"{MIN_ANCHORS} are needed, which is a bank of {MIN_ANCHORS * PARTS[0]}"
        )
    return sizes


def learning_curve(
    bank: Bank,
    test_set: EvaluationSet,
    predictions: Predictions,
    *,
    config: AnchorConfig | None = None,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> LearningCurve:
    """Fit a bank on nested parts of its anchors, and evaluate each on the same questions.

    Parameters
    ----------
    bank : Bank
        A part is fitted if it is, and chooses its forecast if it has.
    test_set : EvaluationSet
    predictions : Predictions
        Of the whole bank.
    config : AnchorConfig, optional
    seed : int
        Of the bootstrap.
    advance : callable
        Called once for each of `PARTS`.

    Raises
    ------
    EvaluationError
        If an eighth of the anchors is too few, or a model has no outcome on them.
    """
    sizes, order = part_sizes(bank), np.array(hash_order(bank.ids))
    drawn = []
    for size in sizes:
        part = predictions
        if size < len(bank.ids):
            part = predict_test_set(_fit_part(bank, np.sort(order[:size])), test_set, config)
        drawn.append(metric_replicates(part, test_set, seed))
        advance()
    return _fit_line(sizes, drawn)


def _fit_part(bank: Bank, rows_n: IntArray) -> Bank:
    """Return a bank of some anchors, fitted as the whole one is."""
    part = bank.select_anchors(rows_n)
    for m in np.flatnonzero(np.isnan(part.outcomes.correct_am).all(axis=0)):
        raise EvaluationError(
            f"model {bank.model_ids[m]!r} has no outcome on {len(rows_n):,} of the anchors; name "
            "a --pool without it, or leave --learning-curve out"
        )
    if bank.forecaster is None:
        return part
    fitted = fit_bank(part)
    return choose_forecast(fitted) if bank.choice else fitted


def _fit_line(sizes: list[int], drawn: list[dict[str, FloatArray]]) -> LearningCurve:
    x_n = np.log2(sizes)
    about_n = x_n - x_n.mean()
    slope, twice = {}, {}
    for metric in METRICS:
        value_nr = np.stack([part[metric] for part in drawn])
        slope_r = about_n @ value_nr / (about_n @ about_n)
        slope[metric] = Interval.from_replicates(slope_r)
        at_r = value_nr.mean(axis=0) + slope_r * (x_n[-1] + 1 - x_n.mean())
        twice[metric] = Interval.from_replicates(at_r)
    points = [
        CurvePoint(size, {name: Interval.from_replicates(part[name]) for name in METRICS})
        for size, part in zip(sizes, drawn, strict=True)
    ]
    return LearningCurve(tuple(points), slope, twice)


def _json(metrics: dict[str, Interval]) -> dict[str, Any]:
    return {name: interval.to_json() for name, interval in metrics.items()}


def _cells(
    metrics: dict[str, Interval], share: Callable[[Interval], str], sign: str = ""
) -> Iterator[str]:
    yield share(metrics[METRICS[0]])
    for metric in METRICS[1:]:
        yield f"{metrics[metric]:{sign}.4f}" if sign else format_metric(metrics[metric])
