"""The evaluation as one HTML page. Wraps Jinja."""

from pathlib import Path

from scope.evaluation import N_BINS, N_FOLDS, N_REPLICATES, formatting
from scope.report import charts, tables
from scope.report.evaluation import MIXTURE, OURS, Evaluation
from scope.saving import reference_tables

TEMPLATE = Path(__file__).with_name("page.html.j2")


def to_html(evaluation: Evaluation) -> str:
    """Return the page; it contains its charts and loads nothing.

    Parameters
    ----------
    evaluation : Evaluation
    """
    from jinja2 import Environment, StrictUndefined

    # Names of models come from files of other people: they are text, never markup.
    engine = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    section = evaluation.against_reference
    template = engine.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        title=tables.title(evaluation),
        exclusion_note=tables.exclusion_note(evaluation),
        planned_cost_note=tables.planned_cost_note(evaluation),
        cards=_cards(evaluation),
        charts={
            "trade_off": charts.trade_off(evaluation),
            "gain_over_mixture": charts.gain_over_mixture(evaluation),
            "reliability": charts.reliability(evaluation),
            "planned_costs": charts.planned_vs_realised(evaluation),
        },
        tables={
            "area": tables.area_table(evaluation),
            "budgets": tables.budget_table(evaluation),
            "models": tables.model_table(evaluation),
            "forecasts": tables.forecast_table(evaluation),
            "planned_costs": tables.planned_cost_table(evaluation),
        },
        reference=section,
        reference_tables=reference_tables(section) if section else (),
        reference_notes=[f"{row.name}: {row.note}." for row in section.sweeps] if section else (),
        near_duplicates=str(evaluation.near_duplicates),
        length=tables.length_error(evaluation),
        n_budgets=len(evaluation.budgets_usd_per_1k),
        n_replicates=f"{N_REPLICATES:,}",
        n_bins=N_BINS,
        n_folds=N_FOLDS,
        n_anchors=f"{evaluation.n_anchors:,}",
        seed=evaluation.seed,
        notes=[f"{row.name}: {row.note}." for row in evaluation.leaderboard],
    )


def _cards(evaluation: Evaluation) -> list[dict[str, str]]:
    ours, mixture = evaluation.row(OURS), evaluation.row(MIXTURE)
    best, forecasts = ours.at_budgets[-1], evaluation.quality[0]
    return [
        _card("area", *formatting.split_interval(formatting.format_share(ours.area)), "percent"),
        _card(
            "gain over the mixture",
            *formatting.split_interval(formatting.format_points(mixture.difference)),
            "points of area",
        ),
        _card(
            "oracle gap closed",
            *formatting.split_interval(formatting.format_share(ours.oracle_gap_closed)),
            "percent",
        ),
        _card(
            "best accuracy",
            formatting.plus_minus(best.accuracy),
            "",
            f"percent, for ${best.usd_per_1k.value:.2g} per 1,000",
        ),
        _card(
            "R² between models",
            *formatting.split_interval(formatting.format_metric(forecasts.difference_r2)),
            "of the forecasts",
        ),
        _card(
            "calibration error",
            *formatting.split_interval(formatting.format_metric(forecasts.pooled.ece)),
            "ECE, pooled",
        ),
    ]


def _card(name: str, value: str, interval: str, unit: str) -> dict[str, str]:
    return {"name": name, "value": value, "note": f"{unit}, {interval}" if interval else unit}
