"""The tables of an evaluation as text, for the terminal and the report."""

from dataclasses import dataclass

from scope.evaluation.bootstrap import Interval
from scope.evaluation.evaluation import OURS, Evaluation
from scope.evaluation.forecast_quality import ALL_MODELS
from scope.evaluation.formatting import (
    UNKNOWN,
    format_metric,
    format_points,
    format_share,
    format_share_rounded,
    is_defined,
    one_decimal,
    percent,
    plus_minus,
    split_interval,
)
from scope.evaluation.leaderboard import BudgetPoint
from scope.evaluation.reliability import ProbabilityMetrics
from scope.evaluation.weighted import TokenCountError
from scope.routing import format_usd


@dataclass(frozen=True, slots=True)
class TableCell:
    """What stands in one place of a table, and what stands small beneath it."""

    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Headers and rows of equal length."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]


def area_table(evaluation: Evaluation) -> Table:
    """Return areas, differences from ours, and the share of the way to the oracle."""
    rows = []
    for one in evaluation.leaderboard:
        gap = "–" if one.name == OURS else format_points(one.difference)
        best = one.at_budgets[-1]
        cells = (
            one.name,
            format_share(one.area),
            gap,
            format_share(one.oracle_gap_closed),
            percent(best.pgr.value),
        )
        rows.append(tuple(map(TableCell, cells)))
    headers = ("way to choose", "area %", "scope minus it", "share of the way %", "best PGR")
    title = "Area: accuracy, averaged over budgets from the cheapest to the dearest model"
    return Table(title, headers, tuple(rows))


def budget_table(evaluation: Evaluation) -> Table:
    """Return accuracies at matched budgets, with cost and PGR beneath."""
    at_budgets = evaluation.leaderboard[0].at_budgets
    headers = ("way to choose", *(_budget(at) for at in at_budgets))
    rows = [
        (TableCell(one.name), *(_at_budget(at) for at in one.at_budgets))
        for one in evaluation.leaderboard
    ]
    title = "Accuracy in % at or under a budget, USD per 1,000 questions; its real cost, PGR"
    return Table(title, headers, tuple(rows))


def model_table(evaluation: Evaluation) -> Table:
    """Return what every model does by itself and how well it is foretold, best first."""
    ours = evaluation.quality[0]
    rows = []
    for one in sorted(evaluation.single_models, key=lambda one: -one.accuracy.value):
        forecast, length = ours.by_model.get(one.name), ours.lengths.get(one.name)
        rows.append(
            (
                TableCell(one.name, one.note),
                TableCell(plus_minus(one.accuracy)),
                TableCell(format_usd(one.usd_per_1k.value)),
                TableCell(*split_interval(format_points(one.difference))),
                _auc(forecast) if forecast else TableCell("–"),
                _ece(forecast.ece) if forecast else TableCell("–"),
                _share(length.relative) if length else TableCell("–"),
            )
        )
    cost = "scope at\nthat cost"
    headers = ("model", "accuracy %", "per 1k", cost, "AUC", "ECE", "length\noff")
    return Table("Each model by itself, and how well it is foretold", headers, tuple(rows))


def forecast_table(evaluation: Evaluation) -> Table:
    """Return the quality of every router's probabilities."""
    rows = []
    for one in evaluation.quality:
        gaps = (one.ours_minus_auc, one.ours_minus_log_loss)
        ours = one.name == OURS
        auc_gap, loss_gap = (TableCell("–") if ours else _number(gap, "+.3f") for gap in gaps)
        rows.append(
            (
                TableCell(one.name),
                _number(one.mean_auc),
                auc_gap,
                _number(one.pooled.log_loss),
                loss_gap,
                _auc(one.pooled),
                _number(one.pooled.brier),
                _ece(one.pooled.ece),
            )
        )
    title = "Can the forecasts be trusted? Less is better of log loss, Brier score and ECE"
    minus = "scope\nminus it"
    headers = ("forecasts of", "own AUC", minus, "log loss", minus, "pooled AUC", "Brier", "ECE")
    return Table(title, headers, tuple(rows))


def planned_cost_table(evaluation: Evaluation) -> Table:
    """Return what settings of our router planned, and what came of them."""
    rows = [
        tuple(
            map(
                TableCell,
                (
                    one.name,
                    one_decimal(one.planned_accuracy),
                    plus_minus(one.accuracy),
                    format_usd(one.planned_usd_per_1k),
                    format_usd(one.usd_per_1k.value),
                    f"{one.cost_ratio:.2f}" if is_defined(one.cost_ratio) else UNKNOWN,
                ),
            )
        )
        for one in evaluation.planned_costs
    ]
    headers = (
        "setting",
        "planned %",
        "accuracy %",
        "planned USD",
        "real USD",
        "real / planned",
    )
    return Table("Planned and real, per 1,000 questions", headers, tuple(rows))


def headline(evaluation: Evaluation) -> str:
    """Say in words how many questions were left out, and why; empty if none was."""
    if not evaluation.n_left_out:
        return ""
    return (
        f"{evaluation.n_left_out:,} more questions are left out where routers are compared: "
        f"{evaluation.n_unknown_cells:,} of their (question, model) cells lack an outcome or "
        "token counts"
    )


def title(evaluation: Evaluation) -> str:
    """Say what was examined on what."""
    return (
        f"{evaluation.n_questions:,} labelled questions × {len(evaluation.models)} models, "
        f"{evaluation.n_anchors:,} anchors"
    )


def length_error(evaluation: Evaluation) -> str:
    """Say by how much our answer lengths are off."""
    error: TokenCountError = evaluation.quality[0].lengths[ALL_MODELS]
    return f"{error.tokens:.0f} tokens, {format_share_rounded(error.relative)} of the real length"


def _number(interval: Interval, kind: str = ".3f") -> TableCell:
    if not is_defined(interval):
        return TableCell(UNKNOWN)
    return TableCell(f"{interval.value:{kind}}", f"± {(interval.high - interval.low) / 2:.3f}")


def _auc(forecast: ProbabilityMetrics) -> TableCell:
    return _number(forecast.auc) if is_defined(forecast.auc) else TableCell(UNKNOWN, forecast.note)


def _ece(interval: Interval) -> TableCell:
    # Far from symmetric: half its width would say nothing about the lower end.
    return TableCell(*split_interval(format_metric(interval)))


def _share(interval: Interval) -> TableCell:
    if not is_defined(interval):
        return TableCell(UNKNOWN)
    return TableCell(percent(interval.value), f"± {50 * (interval.high - interval.low):.0f}")


def _budget(at: BudgetPoint) -> str:
    return "any" if at.budget_usd_per_1k is None else format_usd(at.budget_usd_per_1k)


def _at_budget(at: BudgetPoint) -> TableCell:
    if not is_defined(at.accuracy):
        return TableCell(UNKNOWN)
    cost = format_usd(float(f"{at.usd_per_1k.value:.2g}"))
    return TableCell(plus_minus(at.accuracy), f"{cost}, {percent(at.pgr.value)}")
