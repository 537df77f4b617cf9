"""Predict a question set: read, embed, look up anchors, write. Ray Data does the middle."""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy, Dataset

from pipelines.bank import load_bank_for_pool
from pipelines.cluster.session import RESTART_OPTIONS, ray_session
from pipelines.config import JobConfig
from pipelines.embedding.encoder_actor import EncoderSpec
from pipelines.predict.merge import PredictionSummary, merge, summarise
from pipelines.predict.question_source import QuestionSource, question_source
from pipelines.predict.shard_actor import ShardActor, ShardTask
from pipelines.reasoner import QueryBatch, QueryResult, ReasonerOptions, ReasonerRun, ReasonerUsage
from pipelines.reasoner.query import query_reasoner
from pipelines.terminal import Stages
from scope.arrays import IntArray
from scope.bank import Bank, content_digest
from scope.config import AnchorConfig
from scope.questions import HubDataset
from scope.routing import FOLDER
from scope.storage import (
    ShardFolder,
    assign_shards,
    check_settings_match,
    check_writable,
    read_settings,
)

UNFINISHED_FOLDER = "unfinished"
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

REASONER_STAGES = STAGES[4:6]
"""Those of a run with a reasoner."""


@dataclass(frozen=True, slots=True)
class PredictInputs:
    """What is predicted, from what, as a user names it."""

    bank: Path
    query_file: Path | HubDataset
    """Questions, or a bank whose questions are taken with their outcomes."""
    pool: tuple[str, ...] | None = None
    prices: Path | None = None
    limit: int | None = None
    config: JobConfig = field(default_factory=JobConfig)
    split: str | None = None
    """Only rows of a question file whose ``split`` is this."""
    cache: Path | None = None
    """Folder that keeps embeddings between runs; None keeps nothing."""
    reasoner: ReasonerOptions | None = None
    """Who is asked beside the anchors; None: nobody."""


def predict(
    inputs: PredictInputs,
    output: Path,
    *,
    fresh: bool,
    stages: Stages | None = None,
) -> PredictionSummary:
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
    stages.plan(*(name for name in STAGES if inputs.reasoner or name not in REASONER_STAGES))
    stages.begin("reading")
    bank = load_bank_for_pool(inputs.bank, inputs.pool, inputs.prices)
    reasoner = inputs.reasoner.for_bank(bank) if inputs.reasoner else None
    texts = reasoner is not None
    source = question_source(inputs.query_file, inputs.split, inputs.limit, bank, texts=texts)
    stages.advance(len(source.ids))
    anchors = inputs.config.anchors or bank.anchor_config
    settings = _settings(bank, anchors, source, reasoner)
    # Workers stand elsewhere: the folder needs its whole name.
    unfinished = output.resolve() / UNFINISHED_FOLDER
    if (output / FOLDER).exists() and not fresh:
        check_settings_match(read_settings(output / FOLDER), settings, str(output / FOLDER))
        if not unfinished.exists():
            return summarise(output)
    check_writable(output)
    folder = ShardFolder.open(unfinished, settings, fresh=fresh)
    try:
        task = ShardTask(bank, anchors, folder, source.bank_path)
        tally = _predict_missing_shards(source, task, reasoner, inputs, stages)
    finally:
        folder.remove_if_empty()
    stages.begin("merging", len(source.ids))
    spec = reasoner.spec if reasoner else None
    done = merge(source, bank, anchors, spec, folder, output, stages)
    done.tally = tally
    if not (done.n_failed or done.n_unanswered):
        shutil.rmtree(unfinished)
    return done


def _settings(
    bank: Bank, anchors: AnchorConfig, source: QuestionSource, reasoner: ReasonerRun | None
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


def _predict_missing_shards(
    source: QuestionSource,
    task: ShardTask,
    reasoner: ReasonerRun | None,
    inputs: PredictInputs,
    stages: Stages,
) -> ReasonerUsage | None:
    """Predict the shards that are not finished yet, in any order; return what was asked."""
    shard_n = assign_shards(source.ids)
    missing = [
        int(shard) for shard in np.unique(shard_n) if not task.folder.is_complete(int(shard))
    ]
    if not missing:
        return None
    spec = task.bank.embedder
    encoder = EncoderSpec(
        spec.name, spec.revision, inputs.config.encoder, inputs.cache, spec.max_chars
    )
    with ray_session(stages):
        rows = [np.flatnonzero(shard_n == shard) for shard in missing]
        blocks = source.blocks(task.bank, encoder, dict(zip(missing, rows, strict=True)), stages)
        asked = _query_reasoner(
            source, np.concatenate(rows), task, reasoner, inputs, blocks, stages
        )
        task = replace(task, answers=asked)
        earlier = len(source.ids) - sum(map(len, rows))
        stages.begin("predicting", len(source.ids), done=earlier)
        plan = blocks.map_batches(
            ShardActor,
            fn_constructor_kwargs={"task": ray.put(task)},
            compute=ActorPoolStrategy(min_size=1, max_size=inputs.config.encoder.replicas[1]),
            batch_size=None,
            batch_format="numpy",
            num_cpus=0.5,
            **RESTART_OPTIONS,
        )
        for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
            stages.advance(int(batch["rows"].sum()), errors=int(batch["failed"].sum()))
    return asked.usage if asked else None


def _query_reasoner(
    source: QuestionSource,
    rows: IntArray,
    task: ShardTask,
    reasoner: ReasonerRun | None,
    inputs: PredictInputs,
    blocks: Dataset,
    stages: Stages,
) -> QueryResult | None:
    """Ask about the questions in `rows` all models of which an answer can change anything."""
    if reasoner is None or task.bank.reasoner is None:
        return None
    wanted_qm = np.zeros((len(source.ids), len(task.bank.models)), dtype=np.bool_)
    wanted_qm[rows] = task.bank.reasoner.blend.informative_m
    inquiry = QueryBatch(
        source.prompts or (),
        source.self_anchors(task.bank),
        wanted_qm,
        task.bank,
        content_digest(inputs.bank),
    )
    return query_reasoner(inquiry, blocks, source.bank_path, reasoner, stages)
