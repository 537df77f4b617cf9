"""``scope bank drift``: the scores of clients against what the bank predicted."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import Json, cache_folder
from pipelines.terminal import err, out, progress, table
from scope.arrays import Float32Array
from scope.bank import Bank, load_bank
from scope.config import EncoderConfig
from scope.storage import write_json
from scope.traffic import (
    FALSE_ALARM_RATE,
    DriftReport,
    ScoredMeans,
    ScoredPredictions,
    report_drift,
)


def drift(
    decisions: Annotated[
        Path, typer.Option(help="Decision log of the endpoint: the folder, with its scores.")
    ],
    bank: Annotated[
        Path | None,
        typer.Option(help="Bank that decided: its categories are the regions of logged texts."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    as_json: Json = False,
) -> None:
    """Compare scores of clients with the predictions, by week, model and region.

    Exit code 1 if a model has drifted, by a sequential test whose false-alarm rate is 1 % for all
    models, regions and time together.
    """
    loaded = load_bank(bank) if bank else None
    scored = ScoredPredictions.read(decisions, loaded.version if loaded else None)
    report = report_drift(scored.answers, _regions(scored, loaded, as_json=as_json))
    facts = {
        "bank": scored.bank,
        "n_scores": len(scored.answers),
        "left_out": dict(scored.left_out),
        "n_truncated": scored.n_truncated,
        **report.to_json(),
    }
    if output is not None:
        write_json(output, facts)
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        _show(scored, report)
    if report.alarms:
        raise typer.Exit(1)


def _regions(
    scored: ScoredPredictions, bank: Bank | None, *, as_json: bool
) -> tuple[str | None, ...]:
    """Return the regions of the prompts: a bank's categories, else in or out of distribution."""
    if bank is None or len(set(bank.categories)) < 2:
        return scored.regions()
    if all(answer.prompt is None for answer in scored.answers):
        err.print("note: the log keeps no texts; regions are in and out of distribution")
        return scored.regions()
    spec = bank.embedder

    def embed(texts: Sequence[str]) -> Float32Array:
        from pipelines.embedding.cached import embed_texts
        from pipelines.embedding.encoder_actor import EncoderSpec

        encoder = EncoderSpec.of(spec, EncoderConfig(), cache_folder())
        with progress(as_json=as_json) as stages:
            return embed_texts(texts, encoder, stages)

    return scored.categories(bank, embed)


def _show(scored: ScoredPredictions, report: DriftReport) -> None:
    """Print the table of streams, of weeks, and a sentence for each alarm."""
    of_bank = f", predicted by bank {scored.bank[:12]}" if scored.bank else ""
    rows = [
        (
            stream.model,
            stream.region or "all",
            *_means(stream.means),
            f"{stream.since:%Y-%m-%d}" if stream.since else "–",
        )
        for stream in report.streams
    ]
    means = ("scores", "predicted", "scored", "difference (95 %)")
    title = f"{len(scored.answers):,} scores{of_bank}"
    out.print(table(title, ("model", "region", *means, "drifts since"), rows))
    drifted = {(stream.model, stream.region) for stream in report.alarms}
    weeks = [
        (week.week, week.model, week.region or "all", *_means(week.means))
        for week in sorted(report.weeks, key=lambda each: each.week)
        if week.region is None or (week.model, week.region) in drifted
    ]
    out.print(table("by week", ("week", "model", "region", *means), weeks))
    for reason, n in scored.left_out.items():
        out.print(f"left out: {n:,} {reason}")
    if scored.n_truncated:
        out.print(f"skipped: {scored.n_truncated:,} truncated lines")
    for stream in report.alarms:
        out.print(stream.sentence(), soft_wrap=True, markup=False)
    n_tests = len(report.streams)
    found = f"{len(report.alarms)} of {n_tests}" if report.alarms else f"none of {n_tests}"
    out.print(
        f"{found} streams have drifted; the chance of any false alarm, ever, is at most "
        f"{100 * FALSE_ALARM_RATE:g} %",
        soft_wrap=True,
    )


def _means(means: ScoredMeans) -> tuple[str, ...]:
    difference = means.scored - means.predicted
    return (
        f"{means.n:,}",
        f"{means.predicted:.2f}",
        f"{means.scored:.2f}",
        f"{difference:+.2f} ({means.low:+.2f} to {means.high:+.2f})",
    )
