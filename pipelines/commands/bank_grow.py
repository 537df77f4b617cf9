"""``scope bank grow``: a bank with what feedback taught, and with measured questions."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import (
    Json,
    NoCache,
    NumGpus,
    Replicas,
    cache_folder,
    encoder_settings,
)
from pipelines.terminal import err, out, progress, table
from scope import EMBEDDED_BANK
from scope.errors import ConfigError

if TYPE_CHECKING:
    from pipelines.traffic import GrowReport
    from scope.traffic import LoggedFeedback


def grow_bank(
    output: Annotated[Path, typer.Option(help="Folder to create.")],
    bank: Annotated[Path, typer.Option("--bank", help="Bank folder.")] = EMBEDDED_BANK,
    decisions: Annotated[
        Path | None, typer.Option(help="Folder of a decision log, with scores.")
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Folder of scope measure, or its outcomes.parquet.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="The questions that --outcomes are of.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with encoder:.")] = None,
    replicas: Replicas = None,
    num_gpus: NumGpus = None,
    no_cache: NoCache = False,
    as_json: Json = False,
) -> None:
    """Add scored decisions, or measured questions, to a bank; it is fitted if it was."""
    from pipelines.traffic import GrowInputs, grow

    if decisions is None and outcomes is None:
        raise ConfigError(
            "nothing to add: give the --decisions of an endpoint, or --outcomes and --questions"
        )
    if (outcomes is None) != (questions is None):
        raise ConfigError("--outcomes and --questions belong together; one of them is missing")
    inputs = GrowInputs(
        bank,
        decisions,
        outcomes,
        questions,
        encoder_settings(config, replicas, num_gpus).encoder,
        None if no_cache else cache_folder(),
    )
    with progress(as_json=as_json) as stages:
        report = grow(inputs, output, stages)
    if as_json:
        typer.echo(json.dumps(report.to_json()))
        return
    if report.feedback is not None:
        _show_feedback(report.feedback, report)
    for source, grown in zip(report.sources, report.grown, strict=True):
        known = f"; {grown.n_known:,} were known already" if grown.n_known else ""
        out.print(
            f"{source.name}: {grown.n_new:,} new anchors, {int(grown.n_added_m.sum()):,} new "
            f"outcomes{known}",
            soft_wrap=True,
            markup=False,
        )
    _warn(report)
    out.print(
        f"built {output}: {report.manifest.n_questions:,} anchors × {report.manifest.n_models} "
        f"models, {'fitted' if report.is_fitted else 'not fitted, as the bank was not'}",
        soft_wrap=True,
    )
    for finding in report.manifest.findings:
        out.print(finding, soft_wrap=True, markup=False)


def _show_feedback(feedback: "LoggedFeedback", report: "GrowReport") -> None:
    """Print what the log tells of each model, and what it cannot tell."""
    added = dict(zip(report.models, report.grown[-1].n_added_m.tolist(), strict=True))
    rows = [
        (
            model,
            f"{counts.n_decisions:,}",
            f"{counts.n_scored:,}",
            f"{100 * counts.n_scored / counts.n_decisions:.1f} %",
            _number(counts.mean_p_unscored),
            _number(counts.mean_p_scored),
            _number(counts.mean_score),
            f"{added[model]:,}" if model in added else "not in the bank",
        )
        for model, counts in sorted(feedback.models.items(), key=lambda pair: -pair[1].n_decisions)
    ]
    headers = ("model", "answers", "scored", "share", "p, others", "p, scored", "score", "added")
    out.print(table("Feedback", headers, rows))
    for reason, n in feedback.left_out.items():
        out.print(f"left out: {n:,} scores, as {reason}", soft_wrap=True)
    if feedback.n_truncated:
        out.print(f"skipped: {feedback.n_truncated:,} truncated lines")
    out.print(
        "A score tells of the model that answered only, and clients choose what they score: "
        "compare p of the scored answers with p of the others. The models' means stay those of "
        "measured anchors.",
        soft_wrap=True,
    )


def _warn(report: "GrowReport") -> None:
    """Say on standard error what the new bank lacks."""
    for source in report.sources:
        for model, n in source.unknown.items():
            err.print(
                f"note: {source.name}: {n:,} outcomes of {model}, which the bank does not have, "
                "are left out",
                markup=False,
            )
    if not report.manifest.has_prompts:
        err.print("note: the bank has no question texts, so those of the new anchors are not kept")
    if report.feedback is not None and not report.has_measured_anchors:
        err.print(
            "note: fewer than 20 anchors have outcomes of most models, so the models' means are "
            "those of all anchors, and too high where a model was chosen because it is good"
        )
    for what in report.lost:
        err.print(f"note: the new bank lacks {what}", markup=False)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
