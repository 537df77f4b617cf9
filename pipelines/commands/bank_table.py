"""The table of a bank's models."""

from rich.console import Group

from pipelines.terminal import table
from scope.bank import Bank
from scope.pool import ModelSpec
from scope.routing import GroundTruth


def models_table(bank: Bank) -> Group:
    """Return accuracy and cost of every model of a bank, the most accurate first."""
    truth = GroundTruth.from_outcomes(bank.outcomes, bank.models)
    rows = list[tuple[str, ...]]()
    for m, model in enumerate(bank.models):
        score = truth.score_model(m)
        rows.append(
            (
                model.id,
                f"{score.n_questions:,}",
                f"{100 * score.accuracy:.1f} %",
                f"${score.usd_per_1k:.3f}",
                f"${model.usd_per_mtok_in:g} / ${model.usd_per_mtok_out:g}",
                _samples_text(model),
            )
        )
    rows.sort(key=lambda row: -float(row[2].split()[0]))
    headers = ("model", "anchors", "accuracy", "USD per 1k", "USD per 1M in / out", "samples")
    n_shown = len(headers) - all(model.resampling is None for model in bank.models)
    title = f"{len(bank.ids):,} anchors"
    return table(title, headers[:n_shown], [row[:n_shown] for row in rows])


def _samples_text(model: ModelSpec) -> str:
    """Return what several samples of a model are worth, in a few words."""
    known = model.resampling
    if known is None:
        return "unknown"
    return f"kappa {known.concentration:.2g}, {known.selector}, {known.source}"
