"""``scope bank sample``: the questions of a decision log to measure next."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group

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

if TYPE_CHECKING:
    from pipelines.traffic import SampleSummary


def sample_log(
    decisions: Annotated[Path, typer.Option(help="Decision log: a file, or its folder.")],
    output: Annotated[Path, typer.Option(help="Question file to write, .jsonl.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Most questions to choose.")] = 500,
    bank: Annotated[Path, typer.Option(help="The present bank.")] = EMBEDDED_BANK,
    redact: Annotated[
        bool, typer.Option("--redact", help="Replace personal data; needs the extra redact.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="YAML with encoder:.")] = None,
    replicas: Replicas = None,
    num_gpus: NumGpus = None,
    no_cache: NoCache = False,
    as_json: Json = False,
) -> None:
    """Choose from a decision log what the bank knows least and traffic asks most."""
    from pipelines.traffic import Redactor, SampleInputs, write_sample

    redactor = Redactor() if redact else None
    if redactor is not None and redactor.name_model is None:
        err.print("note: names stay, as no spaCy model en_core_web_lg, _md or _sm is installed")
    inputs = SampleInputs(
        decisions,
        bank,
        n,
        redactor,
        encoder_settings(config, replicas, num_gpus).encoder,
        None if no_cache else cache_folder(),
    )
    with progress(as_json=as_json) as stages:
        summary = write_sample(inputs, output, stages)
    if as_json:
        typer.echo(json.dumps(summary.to_json()))
        return
    out.print(_table(summary))
    if summary.n_chosen < n:
        out.print(f"fewer than {n:,} questions are new and of different sessions; all were taken")
    out.print(f"{summary.n_chosen:,} questions in {output}", soft_wrap=True, markup=False)


def _table(summary: "SampleSummary") -> Group:
    limit = (
        ""
        if summary.cosine_limit is None
        else f" (cosine to an anchor ≥ {summary.cosine_limit:.2f})"
    )
    rows = [
        ("requests read", f"{summary.n_read:,}"),
        ("with their text", f"{summary.n_with_text:,}"),
        ("out of distribution", _count(summary.n_out_of_distribution)),
        ("distinct questions", f"{summary.n_distinct:,}"),
        ("already in the bank", f"{summary.n_known:,}"),
        ("chosen", f"{summary.n_chosen:,}"),
        ("whose text is not all that the model got", f"{summary.n_parts:,}"),
        (f"requests covered before{limit}", _share(summary.covered_before)),
        ("requests covered with the chosen", _share(summary.covered_after)),
    ]
    if summary.n_redacted is not None:
        rows.insert(7, ("personal data replaced", f"{summary.n_redacted:,}"))
    return table("Traffic", ("", ""), rows)


def _count(n: int | None) -> str:
    return "unknown" if n is None else f"{n:,}"


def _share(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"
