"""Predict a question set: read, embed, look up anchors, write. Ray Data does the middle."""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy, Dataset

from pipelines.asking import ask
from pipelines.embed import TextEncoder
from pipelines.inquiry import Asked, Inquiry, Reasoner
from pipelines.merge import Predicted, counted, merge
from pipelines.pooled import pooled_bank
from pipelines.question_source import QuestionSource, question_source
from pipelines.reasoner_inputs import ReasonerInputs
from pipelines.session import RESTARTS, ray_session
from pipelines.shard_actor import ShardActor, Task
from pipelines.stages import Stages
from pipelines.tally import Tally
from scope.arrays import Ints
from scope.bank import Bank
from scope.bank_store import evidence
from scope.config import AnchorConfig
from scope.files import check_writable
from scope.hub import HubSet
from scope.predictions_store import FOLDER
from scope.settings import ScopeConfig
from scope.shards import ShardFolder, read_settings, refuse_changed, shard_of

UNFINISHED = "unfinished"
"""Folder of the shards of a run, beside its predictions, until it is finished."""

STAGES = (
    "reading",
    "starting Ray",
    "looking up",
    "embedding",
    "starting the engine",
    "asking",
    "predicting",
    "merging",
)
"""Stages of a run; what is in a cache is neither embedded nor asked again."""

ASKING = STAGES[4:6]
"""Those of a run with a reasoner."""


@dataclass(frozen=True, slots=True)
class PredictInputs:
    """What is predicted, from what, as a user names it."""

    bank: Path
    query_file: Path | HubSet
    """Questions, or a bank whose questions are taken with their outcomes."""
    pool: tuple[str, ...] | None = None
    prices: Path | None = None
    limit: int | None = None
    config: ScopeConfig = field(default_factory=ScopeConfig)
    split: str | None = None
    """Only rows of a question file whose ``split`` is this."""
    cache: Path | None = None
    """Folder that keeps embeddings between runs; None keeps nothing."""
    reasoner: ReasonerInputs | None = None
    """Who is asked beside the anchors; None: nobody."""


def predict(
    inputs: PredictInputs,
    output: Path,
    *,
    fresh: bool,
    stages: Stages | None = None,
) -> Predicted:
    """Predict every model of the pool on every question and write `output`.

    Parameters
    ----------
    inputs : PredictInputs
    output : Path
        Folder for ``predictions/``, ``selection.json`` and ``similarity.json``.
    fresh : bool
        Replace predictions that are already there.
    stages : Stages, optional
        Told which stage is worked on and how far it is.

    Returns
    -------
    Predicted

    Raises
    ------
    ScopeError
        If an input is wrong; nothing is written then.
    """
    stages = stages or Stages()
    stages.expect(*(name for name in STAGES if inputs.reasoner or name not in ASKING))
    stages.begin("reading")
    bank = pooled_bank(inputs.bank, inputs.pool, inputs.prices)
    reasoner = inputs.reasoner.calibrated(bank) if inputs.reasoner else None
    texts = reasoner is not None
    source = question_source(inputs.query_file, inputs.split, inputs.limit, bank, texts=texts)
    stages.advance(len(source.ids))
    anchors = inputs.config.anchors or bank.anchor_config
    settings = _settings(bank, anchors, source, reasoner)
    # Workers stand elsewhere: the folder needs its whole name.
    unfinished = output.resolve() / UNFINISHED
    if (output / FOLDER).exists() and not fresh:
        refuse_changed(read_settings(output / FOLDER), settings, str(output / FOLDER))
        if not unfinished.exists():
            return counted(output)
    check_writable(output)
    folder = ShardFolder.open(unfinished, settings, fresh=fresh)
    try:
        task = Task(bank, anchors, folder, source.stored)
        tally = _complete(source, task, reasoner, inputs, stages)
    finally:
        folder.discard_if_empty()
    stages.begin("merging", len(source.ids))
    spec = reasoner.spec if reasoner else None
    done = merge(source, bank, anchors, spec, folder, output, stages)
    done.tally = tally
    if not (done.n_failed or done.n_unanswered):
        shutil.rmtree(unfinished)
    return done


def _settings(
    bank: Bank, anchors: AnchorConfig, source: QuestionSource, reasoner: Reasoner | None
) -> dict[str, Any]:
    """Return all that the predictions depend on, as JSON."""
    asked = {"reasoner": reasoner.spec.model_dump(mode="json")} if reasoner else {}
    return {
        **asked,
        "bank": bank.version,
        "models": [model.model_dump(mode="json") for model in bank.models],
        "embedder": bank.embedder.model_dump(mode="json"),
        "anchors": anchors.model_dump(mode="json"),
        "questions": source.digest,
    }


def _complete(
    source: QuestionSource,
    task: Task,
    reasoner: Reasoner | None,
    inputs: PredictInputs,
    stages: Stages,
) -> Tally | None:
    """Predict the shards that are not finished yet, in any order; return what was asked."""
    shard_n = shard_of(source.ids)
    missing = [int(shard) for shard in np.unique(shard_n) if not task.folder.finished(int(shard))]
    if not missing:
        return None
    spec = task.bank.embedder
    encoder = TextEncoder(
        spec.name, spec.revision, inputs.config.encoder, inputs.cache, spec.max_chars
    )
    with ray_session(stages):
        rows = [np.flatnonzero(shard_n == shard) for shard in missing]
        blocks = source.blocks(task.bank, encoder, dict(zip(missing, rows, strict=True)), stages)
        asked = _asked(source, np.concatenate(rows), task, reasoner, inputs, blocks, stages)
        task = replace(task, asked=asked)
        earlier = len(source.ids) - sum(map(len, rows))
        stages.begin("predicting", len(source.ids), done=earlier)
        plan = blocks.map_batches(
            ShardActor,
            fn_constructor_kwargs={"task": ray.put(task)},
            compute=ActorPoolStrategy(min_size=1, max_size=inputs.config.encoder.replicas[1]),
            batch_size=None,
            batch_format="numpy",
            num_cpus=0.5,
            **RESTARTS,
        )
        for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
            stages.advance(int(batch["rows"].sum()), errors=int(batch["failed"].sum()))
    return asked.tally if asked else None


def _asked(
    source: QuestionSource,
    rows: Ints,
    task: Task,
    reasoner: Reasoner | None,
    inputs: PredictInputs,
    blocks: Dataset,
    stages: Stages,
) -> Asked | None:
    """Ask about the questions in `rows` all models of which an answer can change anything."""
    if reasoner is None or task.bank.reasoner is None:
        return None
    wanted_qm = np.zeros((len(source.ids), len(task.bank.models)), dtype=np.bool_)
    wanted_qm[rows] = task.bank.reasoner.blend.telling_m
    inquiry = Inquiry(
        source.prompts or (),
        source.own_anchors(task.bank),
        wanted_qm,
        task.bank,
        evidence(inputs.bank),
    )
    return ask(inquiry, blocks, source.stored, reasoner, stages)
