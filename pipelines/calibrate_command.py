"""``scope bank calibrate``: learn from a bank's outcomes, and what a reasoner adds to that."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from pipelines.console import err, say
from pipelines.new_bank import refuse_existing, save_now
from pipelines.options import (
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
from pipelines.progress import progress
from pipelines.reasoner_inputs import (
    ReasonerFlags,
    ReasonerInputs,
    answers_folder,
    wants_reasoner,
)
from scope import EMBEDDED_BANK
from scope.bank import Bank, Manifest
from scope.bank_store import load_bank, read_manifest
from scope.errors import listed
from scope.population import learn
from scope.settings import ScopeConfig

if TYPE_CHECKING:
    from pipelines.calibrate_reasoner import Worth

ASKING = ("starting Ray", "starting the engine", "asking", "stopping Ray", "blending")
"""Stages of a calibration for a reasoner."""


def calibrate(
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
    wanted = wants_reasoner(predictor, flags)
    settings = ScopeConfig.load(config) if config else ScopeConfig()
    refuse_existing(output)
    worth: Worth | None = None
    with progress(as_json=as_json) as stages:
        stages.expect("reading", "learning", *(ASKING if wanted else ()), "writing")
        stages.begin("reading")
        manifest, known = read_manifest(bank), load_bank(bank)
        cache = None if no_cache else answers_folder()
        reasoner = ReasonerInputs(flags, settings, cache).reasoner(known) if wanted else None
        stages.begin("learning")
        learned = learn(known)
        _warn_unknown(learned)
        if reasoner is not None:
            from pipelines.calibrate_reasoner import calibrate_reasoner

            learned, worth = calibrate_reasoner(learned, bank, reasoner, asked, stages)
        stages.begin("writing")
        written = save_now(learned, output, manifest.sources)
    told = f"built {output}: {written.n_models} models learned from {written.n_questions:,} anchors"
    _report(written, told, worth, as_json=as_json)


def _report(written: Manifest, told: str, worth: "Worth | None", *, as_json: bool) -> None:
    """Say what was written, and what the reasoner has earned."""
    facts = written.model_dump(mode="json")
    if worth is None:
        say(facts, told, as_json=as_json)
        return
    say({**facts, "reasoner": worth.to_json()}, f"{told}\n{worth}", as_json=as_json)
    if worth.n_failed:
        err.print(
            f"{worth.n_failed:,} answers are missing, the first: {worth.first_error}", markup=False
        )


def _warn_unknown(bank: Bank) -> None:
    """Name the models of which nothing could be learned: they will never be chosen."""
    known_am = ~np.isnan(bank.outcomes.correct_am + bank.outcomes.completion_tokens_am)
    unknown = [bank.model_ids[m] for m in np.flatnonzero(~known_am.any(axis=0))]
    if unknown:
        err.print(
            f"no outcome with token counts of {listed(unknown)}: they stay unknown, and are "
            "never chosen",
            markup=False,
        )
