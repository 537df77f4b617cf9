"""``scope bank``: make, fit, extend, watch, show and verify anchor banks."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.commands.add_model import add as add_model
from pipelines.commands.bank_compare import compare
from pipelines.commands.bank_drift import drift
from pipelines.commands.bank_grow import grow_bank
from pipelines.commands.bank_import import import_logs
from pipelines.commands.bank_sample import sample_log
from pipelines.commands.bank_start import start
from pipelines.commands.bank_table import models_table
from pipelines.commands.fit import fit
from pipelines.commands.fit_samples import fit_samples
from pipelines.commands.options import (
    Dataset,
    Embedders,
    Json,
    NoCache,
    NumGpus,
    OnTooLong,
    Replicas,
    Revisions,
    Split,
    cache_folder,
    encoder_settings,
    encoders_from_flags,
    question_source_from_flags,
)
from pipelines.terminal import choice_table, err, out, progress
from scope import EMBEDDED_BANK
from scope.bank import Bank, load_bank, read_manifest
from scope.columns import CATEGORY
from scope.errors import BankIntegrityError
from scope.questions import REFUSE

app = typer.Typer(
    help="Make, fit, extend, watch, show and verify anchor banks.", no_args_is_help=True
)

app.command("add-model")(add_model)
app.command("grow")(grow_bank)
app.command("import")(import_logs)
app.command()(start)
app.command()(compare)
app.command()(drift)
app.command()(fit)
app.command("fit-samples")(fit_samples)
app.command("sample")(sample_log)

BankDir = Annotated[Path, typer.Option("--bank", help="Bank folder.")]


@app.command()
def build(
    outcomes: Annotated[
        Path, typer.Option(help="Parquet: question_id, model, is_correct, token counts.")
    ],
    prices: Annotated[Path, typer.Option(help="Price file.")],
    output: Annotated[Path, typer.Option(help="Folder to create.")],
    questions: Annotated[
        Path | None, typer.Option(help="Questions (.parquet, .jsonl, .json), or a folder of them.")
    ] = None,
    dataset: Dataset = None,
    split: Split = None,
    drop_prompts: Annotated[
        bool, typer.Option("--drop-prompts", help="Store no question and no answer text.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Only this many questions, drawn by hashes of ids."),
    ] = None,
    on_too_long: OnTooLong = REFUSE,
    fact: Annotated[
        str, typer.Option(help="Field of the questions that callers may know, as tenant.")
    ] = CATEGORY,
    embedder: Embedders = None,
    revision: Revisions = None,
    sources: Annotated[
        list[str] | None, typer.Option("--source", help="Where the data came from; repeatable.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with anchors: and encoder:.")] = None,
    replicas: Replicas = None,
    num_gpus: NumGpus = None,
    no_cache: NoCache = False,
    as_json: Json = False,
) -> None:
    """Build a bank from questions, outcomes and prices."""
    from pipelines.bank.build import BankInputs, build_bank

    source = question_source_from_flags("--questions", questions, dataset, split, "anchor")
    inputs = BankInputs(
        questions=source,
        outcomes=outcomes,
        prices=prices,
        split=None if dataset else split,
        sample=sample,
        on_too_long=on_too_long,
        fact=fact,
        keep_prompts=not drop_prompts,
        encoders=encoders_from_flags(embedder, revision),
        sources=tuple(sources or ()),
        config=encoder_settings(config, replicas, num_gpus),
        cache=None if no_cache else cache_folder(),
    )
    with progress(as_json=as_json) as stages:
        manifest = build_bank(inputs, output, stages)
    if as_json:
        typer.echo(manifest.model_dump_json())
    else:
        out.print(
            f"built {output}: {manifest.n_questions:,} anchors × {manifest.n_models} models, "
            f"{manifest.n_outcomes:,} outcomes",
            soft_wrap=True,
        )


@app.command()
def info(bank: BankDir = EMBEDDED_BANK, as_json: Json = False) -> None:
    """Show the content of a bank and the accuracy and cost of its models."""
    loaded, manifest = load_bank(bank), read_manifest(bank)
    if as_json:
        facts = {"version": loaded.version, "reasoner": _reasoner_facts(loaded)}
        typer.echo(json.dumps({**facts, **manifest.model_dump(mode="json")}))
        return
    out.print(f"bank {bank}, version {loaded.version}, made {manifest.created_at}", soft_wrap=True)
    out.print(
        f"embedder {manifest.embedder}; prompts {'kept' if manifest.has_prompts else 'not kept'}"
    )
    if manifest.second_embedder is not None:
        out.print(f"second embedder {manifest.second_embedder}", soft_wrap=True, markup=False)
    if loaded.reasoner is not None:
        out.print(f"reasoner {loaded.reasoner}", soft_wrap=True, markup=False)
    for source in manifest.sources:
        out.print(f"source: {source}", soft_wrap=True)
    for step in manifest.lineage:
        out.print(f"made by: {step}", soft_wrap=True, markup=False)
    out.print(models_table(loaded))
    if manifest.forecast_choice is not None:
        out.print(choice_table(manifest.forecast_choice))
    for finding in manifest.findings:
        out.print(finding, soft_wrap=True, markup=False)


@app.command()
def verify(bank: BankDir = EMBEDDED_BANK, as_json: Json = False) -> None:
    """Check every file of a bank against its manifest; exit code 1 if one was altered."""
    try:
        loaded, manifest = load_bank(bank), read_manifest(bank)
    except BankIntegrityError as error:
        if as_json:
            typer.echo(json.dumps({"ok": False, "error": str(error)}))
        err.print(f"scope: {error}", markup=False)
        raise typer.Exit(1) from error
    facts = {"ok": True, "version": loaded.version, "files": len(manifest.files)}
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        out.print(f"{bank} is intact: {len(manifest.files)} files match", soft_wrap=True)


def _reasoner_facts(bank: Bank) -> dict[str, Any] | None:
    """Return the reasoner that a bank was fitted with, and its fitted weights."""
    if bank.reasoner is None:
        return None
    blend = bank.reasoner.blend
    weights = {"weight": blend.weight, "length_weight": blend.length_weight}
    return {**bank.reasoner.spec.model_dump(mode="json"), **weights}
