"""``scope bank fit``: fit a bank's forecaster to its outcomes, and the weight of a reasoner."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from pipelines.bank import check_new, save_bank_now, with_findings_of_both
from pipelines.commands.options import (
    Checkpoint,
    Json,
    LlmReplicas,
    NoCache,
    Predictor,
    Reasoning,
    Revision,
    Samples,
    TensorParallel,
)
from pipelines.config import JobConfig
from pipelines.reasoner import ReasonerFlags, ReasonerOptions, answer_cache_folder, uses_reasoner
from pipelines.terminal import choice_table, err, out, print_result, progress
from scope import EMBEDDED_BANK
from scope.bank import Bank, BankManifest, load_bank, read_manifest
from scope.errors import ConfigError, join_names
from scope.predictor import fit_bank

if TYPE_CHECKING:
    from pipelines.reasoner.fit import ReasonerFitReport

REASONER_STAGES = ("starting Ray", "starting the engine", "querying", "stopping Ray", "blending")
"""Stages of a fit with a reasoner."""


def fit(
    output: Annotated[Path, typer.Option(help="Folder to create.")],
    bank: Annotated[Path, typer.Option("--bank", help="Bank folder.")] = EMBEDDED_BANK,
    predictor: Predictor = "anchors",
    checkpoint: Checkpoint = None,
    revision: Revision = None,
    reasoning: Reasoning = None,
    samples: Samples = None,
    tensor_parallel: TensorParallel = None,
    llm_replicas: LlmReplicas = None,
    reasoner_anchors: Annotated[
        int, typer.Option(min=20, help="scope: anchors to query the reasoner about.")
    ] = 300,
    training_data: Annotated[
        Path | None,
        typer.Option(help="scope: query about the hold-out of this training data only."),
    ] = None,
    keep_second_encoder: Annotated[
        bool,
        typer.Option(
            "--keep-second-encoder",
            help="Use the bank's second encoder even where its gain may be chance.",
        ),
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings, of which reasoner: and engine:.")
    ] = None,
    no_cache: NoCache = False,
    as_json: Json = False,
) -> None:
    """Fit the forecaster of a bank to its own outcomes; write it as a new bank.

    With --predictor scope, also fit the weight of a reasoner's answers beside the forecast.
    """
    flags = ReasonerFlags(
        checkpoint=checkpoint,
        revision=revision,
        reasoning=reasoning,
        samples=samples,
        tensor_parallel=tensor_parallel,
        llm_replicas=llm_replicas,
    )
    wanted = uses_reasoner(predictor, flags)
    if training_data is not None and not wanted:
        raise ConfigError("--training-data needs --predictor scope")
    settings = JobConfig.load(config) if config else JobConfig()
    check_new(output)
    report: ReasonerFitReport | None = None
    with progress(as_json=as_json) as stages:
        stages.plan(
            "reading", "fitting", "choosing", *(REASONER_STAGES if wanted else ()), "writing"
        )
        stages.begin("reading")
        manifest, loaded = read_manifest(bank), load_bank(bank)
        cache = None if no_cache else answer_cache_folder()
        reasoner = sample = None
        if wanted:
            from pipelines.finetune import held_out_texts
            from pipelines.reasoner.fit import AnchorSample, fit_reasoner

            reasoner = ReasonerOptions(flags, settings, cache).run(loaded)
            held_out = None if training_data is None else held_out_texts(training_data)
            sample = AnchorSample.draw(
                loaded, reasoner.config.checkpoint, reasoner_anchors, held_out
            )
        if keep_second_encoder and loaded.second is None:
            raise ConfigError(
                f"--keep-second-encoder: bank {bank} has one encoder; build it with two --embedder"
            )
        stages.begin("fitting")
        fitted = fit_bank(loaded)
        _warn_unmeasured(fitted)
        fitted = with_findings_of_both(fitted, stages, keep=keep_second_encoder)
        if reasoner is not None and sample is not None:
            fitted, report = fit_reasoner(fitted, bank, reasoner, sample, stages)
        stages.begin("writing")
        written = save_bank_now(
            fitted, output, manifest.sources, command="scope bank fit", parent=bank
        )
    for finding in () if as_json else written.findings:
        out.print(finding, soft_wrap=True, markup=False)
    text = f"built {output}: {written.n_models} models fitted to {written.n_questions:,} anchors"
    _report(written, text, report, as_json=as_json)


def _report(
    written: BankManifest, text: str, report: "ReasonerFitReport | None", *, as_json: bool
) -> None:
    """Print the result of the fit."""
    facts = written.model_dump(mode="json")
    if written.forecast_choice is not None and not as_json:
        out.print(choice_table(written.forecast_choice))
    if report is None:
        print_result(facts, text, as_json=as_json)
        return
    print_result({**facts, "reasoner": report.to_json()}, f"{text}\n{report}", as_json=as_json)
    if report.n_failed:
        err.print(
            f"{report.n_failed:,} answers are missing, the first: {report.first_error}",
            markup=False,
        )


def _warn_unmeasured(bank: Bank) -> None:
    """Name the models without outcomes: they stay unknown and are never chosen."""
    known_am = ~np.isnan(bank.outcomes.correct_am + bank.outcomes.completion_tokens_am)
    unknown = [bank.model_ids[m] for m in np.flatnonzero(~known_am.any(axis=0))]
    if unknown:
        err.print(
            f"no outcome with token counts of {join_names(unknown)}: they stay unknown, and are "
            "never chosen",
            markup=False,
        )
