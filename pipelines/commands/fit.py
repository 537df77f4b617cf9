"""``scope bank fit``: learn from a bank's outcomes, and what a reasoner adds to that."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from pipelines.bank import check_new, save_bank_now
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
from pipelines.terminal import err, print_result, progress
from scope import EMBEDDED_BANK
from scope.bank import Bank, BankManifest, load_bank, read_manifest
from scope.errors import join_names
from scope.predictor import fit_bank

if TYPE_CHECKING:
    from pipelines.reasoner.fit import ReasonerFitReport

REASONER_STAGES = ("starting Ray", "starting the engine", "querying", "stopping Ray", "blending")
"""Stages of a calibration for a reasoner."""


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
    asked: Annotated[
        int, typer.Option(min=20, help="scope: anchors that the reasoner is asked about.")
    ] = 300,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings, of which reasoner: and engine:.")
    ] = None,
    no_cache: NoCache = False,
    as_json: Json = False,
) -> None:
    """Learn from a bank's own outcomes how to foretell them; write it as a new bank.

    With --predictor scope also what the answers of a reasoner are worth beside that.
    """
    flags = ReasonerFlags(checkpoint, revision, reasoning, samples, tensor_parallel, llm_replicas)
    wanted = uses_reasoner(predictor, flags)
    settings = JobConfig.load(config) if config else JobConfig()
    check_new(output)
    worth: ReasonerFitReport | None = None
    with progress(as_json=as_json) as stages:
        stages.plan("reading", "learning", *(REASONER_STAGES if wanted else ()), "writing")
        stages.begin("reading")
        manifest, known = read_manifest(bank), load_bank(bank)
        cache = None if no_cache else answer_cache_folder()
        reasoner = ReasonerOptions(flags, settings, cache).run(known) if wanted else None
        stages.begin("learning")
        learned = fit_bank(known)
        _warn_unmeasured(learned)
        if reasoner is not None:
            from pipelines.reasoner.fit import fit_reasoner

            learned, worth = fit_reasoner(learned, bank, reasoner, asked, stages)
        stages.begin("writing")
        written = save_bank_now(learned, output, manifest.sources)
    told = f"built {output}: {written.n_models} models learned from {written.n_questions:,} anchors"
    _report(written, told, worth, as_json=as_json)


def _report(
    written: BankManifest, told: str, worth: "ReasonerFitReport | None", *, as_json: bool
) -> None:
    """Say what was written, and what the reasoner has earned."""
    facts = written.model_dump(mode="json")
    if worth is None:
        print_result(facts, told, as_json=as_json)
        return
    print_result({**facts, "reasoner": worth.to_json()}, f"{told}\n{worth}", as_json=as_json)
    if worth.n_failed:
        err.print(
            f"{worth.n_failed:,} answers are missing, the first: {worth.first_error}", markup=False
        )


def _warn_unmeasured(bank: Bank) -> None:
    """Name the models of which nothing could be learned: they will never be chosen."""
    known_am = ~np.isnan(bank.outcomes.correct_am + bank.outcomes.completion_tokens_am)
    unknown = [bank.model_ids[m] for m in np.flatnonzero(~known_am.any(axis=0))]
    if unknown:
        err.print(
            f"no outcome with token counts of {join_names(unknown)}: they stay unknown, and are "
            "never chosen",
            markup=False,
        )
