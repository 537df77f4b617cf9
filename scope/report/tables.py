"""The tables of an evaluation as text, for the terminal and the report."""

from scope.evaluation import (
    ALL_MODELS,
    UNKNOWN,
    BudgetPoint,
    Interval,
    ProbabilityMetrics,
    Table,
    TableCell,
    TokenCountError,
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
from scope.policy import describe_bill_ratios
from scope.report.evaluation import BEST_SINGLE, MIXTURE, OURS, Evaluation
from scope.routing import format_usd


def area_table(evaluation: Evaluation) -> Table:
    """Return area, difference to ours and oracle gap closed of every strategy."""
    rows = []
    for row in evaluation.leaderboard:
        cells = (
            row.name,
            format_share(row.area),
            "–" if row.name == OURS else format_points(row.difference),
            format_share(row.oracle_gap_closed),
        )
        rows.append(tuple(map(TableCell, cells)))
    headers = ("strategy", "area %", "scope minus it", "oracle gap closed %")
    title = "Area: mean accuracy over budgets from the cheapest to the most expensive model"
    return Table(title, headers, tuple(rows))


def budget_table(evaluation: Evaluation) -> Table:
    """Return accuracies of scope and of what needs no router at some budgets, cost beneath."""
    at_budgets = evaluation.leaderboard[0].at_budgets
    headers = ("strategy", *(_budget(at) for at in at_budgets))
    rows = [
        (TableCell(row.name), *(_at_budget(at) for at in row.at_budgets))
        for row in map(evaluation.row, (OURS, MIXTURE, BEST_SINGLE))
    ]
    title = "Accuracy in % at a budget, USD per 1,000 questions, and its realised cost"
    return Table(title, headers, tuple(rows))


def model_table(evaluation: Evaluation) -> Table:
    """Return accuracy, cost and forecast quality of every single model, best first."""
    ours = evaluation.quality[0]
    rows = []
    for model in sorted(evaluation.single_models, key=lambda model: -model.accuracy.value):
        rows.append(
            (
                TableCell(model.name, model.note),
                TableCell(plus_minus(model.accuracy)),
                TableCell(format_usd(model.usd_per_1k.value)),
                TableCell(*split_interval(format_points(model.difference))),
                _auc(ours.by_model[model.name]),
                _share(ours.lengths[model.name].relative),
            )
        )
    cost = "scope at\nthat cost"
    headers = ("model", "accuracy %", "per 1k", cost, "AUC", "length\nerror")
    return Table("Single models, and the quality of our forecasts for each", headers, tuple(rows))


def forecast_table(evaluation: Evaluation) -> Table:
    """Return the quality of every router's probabilities."""
    rows = []
    for quality in evaluation.quality:
        gaps = (quality.auc_difference, quality.log_loss_difference)
        ours = quality.name == OURS
        auc_gap, loss_gap = (TableCell("–") if ours else _number(gap, "+.3f") for gap in gaps)
        rows.append(
            (
                TableCell(quality.name),
                _number(quality.mean_auc),
                auc_gap,
                _number(quality.pooled.log_loss),
                loss_gap,
                _number(quality.difference_r2),
                _ece(quality.pooled.ece),
            )
        )
    title = "Quality of the forecasts; log loss and ECE: lower is better"
    minus = "scope\nminus it"
    r2 = "R² between\nmodels"
    headers = ("forecasts of", "mean AUC", minus, "log loss", minus, r2, "ECE")
    return Table(title, headers, tuple(rows))


def planned_cost_table(evaluation: Evaluation) -> Table:
    """Return planned and realised accuracy and cost of settings of our router."""
    rows = [
        tuple(
            map(
                TableCell,
                (
                    row.name,
                    one_decimal(row.planned_accuracy),
                    plus_minus(row.accuracy),
                    format_usd(row.planned_usd_per_1k),
                    format_usd(row.usd_per_1k.value),
                    f"{row.cost_ratio:.2f}" if is_defined(row.cost_ratio) else UNKNOWN,
                ),
            )
        )
        for row in evaluation.planned_costs
    ]
    headers = (
        "setting",
        "planned %",
        "accuracy %",
        "planned USD",
        "realised USD",
        "realised / planned",
    )
    return Table("Planned and realised, per 1,000 questions", headers, tuple(rows))


def planned_cost_note(evaluation: Evaluation) -> str:
    """Return by how much the planned costs exceed the forecasts; empty where they do not."""
    return describe_bill_ratios([row.bill_ratio for row in evaluation.planned_costs])


def exclusion_note(evaluation: Evaluation) -> str:
    """Return how many questions were left out, and why; empty if none was."""
    if not evaluation.n_left_out:
        return ""
    return (
        f"{evaluation.n_left_out:,} more questions are left out of the comparison of routers: "
        f"{evaluation.n_unknown_cells:,} of their (question, model) cells lack an outcome or "
        "token counts"
    )


def title(evaluation: Evaluation) -> str:
    """Return the size of the evaluation in words."""
    return (
        f"{evaluation.n_questions:,} labelled questions × {len(evaluation.models)} models, "
        f"{evaluation.n_anchors:,} anchors"
    )


def length_error(evaluation: Evaluation) -> str:
    """Return the median errors of our forecasts of answer length in words."""
    error: TokenCountError = evaluation.quality[0].lengths[ALL_MODELS]
    return f"{error.tokens:.0f} tokens, {format_share_rounded(error.relative)} of the true length"


def _number(interval: Interval, kind: str = ".3f") -> TableCell:
    if not is_defined(interval):
        return TableCell(UNKNOWN)
    return TableCell(f"{interval.value:{kind}}", f"± {(interval.high - interval.low) / 2:.3f}")


def _auc(forecast: ProbabilityMetrics) -> TableCell:
    return _number(forecast.auc) if is_defined(forecast.auc) else TableCell(UNKNOWN, forecast.note)


def _ece(interval: Interval) -> TableCell:
    # Not symmetric: half its width would not give the lower end.
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
    return TableCell(plus_minus(at.accuracy), cost)
