"""Predict a question set: read, embed, look up anchors, write. Ray Data does the middle."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy

from pipelines.embed import TextEncoder
from pipelines.merge import Predicted, counted, merge
from pipelines.pooled import pooled_bank
from pipelines.question_source import QuestionSource, question_source
from pipelines.session import RESTARTS, ray_session
from pipelines.shard_actor import ShardActor, Task
from pipelines.stages import Stages
from scope.bank import Bank
from scope.config import AnchorConfig, ScopeConfig
from scope.files import check_writable
from scope.hub import HubSet
from scope.predictions_store import FOLDER
from scope.shards import ShardFolder, read_settings, refuse_changed, shard_of

UNFINISHED = "unfinished"
"""Folder of the shards of a run, beside its predictions, until it is finished."""

STAGES = ("reading", "starting Ray", "looking up", "embedding", "predicting", "merging")
"""Stages of a run; what is in the cache is not embedded again."""


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
    stages.expect(*STAGES)
    stages.begin("reading")
    bank = pooled_bank(inputs.bank, inputs.pool, inputs.prices)
    source = question_source(inputs.query_file, inputs.split, inputs.limit, bank)
    stages.advance(len(source.ids))
    anchors = inputs.config.anchors or bank.anchor_config
    settings = _settings(bank, anchors, source)
    # Workers stand elsewhere: the folder needs its whole name.
    unfinished = output.resolve() / UNFINISHED
    if (output / FOLDER).exists() and not fresh:
        refuse_changed(read_settings(output / FOLDER), settings, str(output / FOLDER))
        if not unfinished.exists():
            return counted(output)
    check_writable(output)
    folder = ShardFolder.open(unfinished, settings, fresh=fresh)
    try:
        _complete(source, Task(bank, anchors, folder, source.stored), inputs, stages)
    finally:
        folder.discard_if_empty()
    stages.begin("merging", len(source.ids))
    done = merge(source, bank, anchors, folder, output, stages)
    if not done.n_failed:
        shutil.rmtree(unfinished)
    return done


def _settings(bank: Bank, anchors: AnchorConfig, source: QuestionSource) -> dict[str, Any]:
    """Return all that the predictions depend on, as JSON."""
    return {
        "bank": bank.version,
        "models": [model.model_dump(mode="json") for model in bank.models],
        "embedder": bank.embedder.model_dump(mode="json"),
        "anchors": anchors.model_dump(mode="json"),
        "questions": source.digest,
    }


def _complete(source: QuestionSource, task: Task, inputs: PredictInputs, stages: Stages) -> None:
    """Predict the shards that are not finished yet, in any order."""
    shard_n = shard_of(source.ids)
    missing = [int(shard) for shard in np.unique(shard_n) if not task.folder.finished(int(shard))]
    if not missing:
        return
    spec = task.bank.embedder
    encoder = TextEncoder(
        spec.name, spec.revision, inputs.config.encoder, inputs.cache, spec.max_chars
    )
    with ray_session(stages):
        rows = [np.flatnonzero(shard_n == shard) for shard in missing]
        blocks = source.blocks(task.bank, encoder, dict(zip(missing, rows, strict=True)), stages)
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
