"""Predict a question set: read, embed, look up anchors, write. Ray Data does the middle."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray
from ray.data import ActorPoolStrategy

from pipelines.embed import Batch, TextEncoder
from pipelines.output import PredictionFiles
from pipelines.pooled import pooled_bank
from pipelines.question_source import QuestionSource, question_source, vectors
from pipelines.session import ray_session
from pipelines.stages import Stages
from scope.arrays import Array
from scope.bank import Bank
from scope.config import AnchorConfig, ScopeConfig
from scope.hub import HubSet
from scope.predictions import ESTIMATES
from scope.predictions_store import FOLDER
from scope.predictor import AnchorPredictor
from scope.shards import RUN, ShardFolder, read_settings, refuse_changed, shard_of

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


@dataclass(frozen=True, slots=True)
class Task:
    """What every worker of a run needs."""

    bank: Bank
    anchors: AnchorConfig
    folder: ShardFolder


class ShardActor:
    """Predicts and writes whole shards; holds the bank's predictor for all a worker gets."""

    def __init__(self, task: "ray.ObjectRef[Task]") -> None:
        self._task = ray.get(task)
        self._predictor = AnchorPredictor(self._task.bank, self._task.anchors)

    def __call__(self, batch: Batch) -> Batch:
        """Write the shard that the batch is; return the number of its questions."""
        (shard,) = np.unique(batch["shard"])
        embedding_qd = np.stack(list(batch["embedding"])).astype(np.float32)
        features_qf = np.stack(list(batch["features"])).astype(np.float64)
        own_anchor_q = batch.get("own_anchor")
        estimates, near = self._predictor.predict(embedding_qd, features_qf, own_anchor_q)
        columns = {
            "question_id": pa.array([str(name) for name in batch["question_id"]], pa.string()),
            "row": batch["row"],
            **{name: vectors(getattr(estimates, name)) for name in ESTIMATES},
            "similarity_qk": vectors(near.similarity_qk),
            "anchor_qk": vectors(near.anchor_qk),
        }
        self._task.folder.write(int(shard), pa.table(columns))
        return {"rows": np.array([len(batch["row"])])}


@dataclass(frozen=True, slots=True)
class Predicted:
    """How many questions were predicted."""

    n_questions: int
    n_unlike: int
    """Of these, unlike the anchors: out of distribution."""


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
    if (output / FOLDER).exists() and not fresh:
        refuse_changed(read_settings(output / FOLDER), settings, str(output / FOLDER))
        return _finished(output)
    # Workers stand elsewhere: the folder needs its whole name.
    folder = ShardFolder.open(output.resolve() / UNFINISHED, settings, fresh=fresh)
    try:
        _complete(source, Task(bank, anchors, folder), inputs, stages)
    finally:
        folder.discard_if_empty()
    stages.begin("merging", len(source.ids))
    done = _merge(source, bank, anchors, folder, output, stages, fresh=fresh)
    shutil.rmtree(folder.path)
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
    missing = [int(shard) for shard in np.unique(shard_n) if not task.folder.verify(int(shard))]
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
        )
        for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
            stages.advance(int(batch["rows"].sum()))


def _merge(
    source: QuestionSource,
    bank: Bank,
    anchors: AnchorConfig,
    folder: ShardFolder,
    output: Path,
    stages: Stages,
    *,
    fresh: bool,
) -> Predicted:
    """Put all shards together, sorted by id, as the files of a finished run."""
    n_unlike = 0
    outcomes = source.outcomes(bank.model_ids)
    with PredictionFiles(output, bank, source.ids, outcomes, fresh=fresh) as files:
        for table in folder.merged(source.ids):
            batch = {name: _stacked(table[name]) for name in table.column_names[1:]}
            n_unlike += int((batch["familiarity_qm"][:, 0] < 1).sum())
            files.add(batch)
            stages.advance(len(table))
        files.keep(folder.path / RUN)
        files.seal(anchors)
    return Predicted(len(source.ids), n_unlike)


def _finished(output: Path) -> Predicted:
    """Count what an earlier run has predicted."""
    columns = ["question_id", "familiarity"]
    table = pq.read_table(sorted((output / FOLDER).glob("part-*.parquet")), columns=columns)
    unlike = table.filter(pc.less(table["familiarity"], 1.0))
    return Predicted(*(pc.count_distinct(rows["question_id"]).as_py() for rows in (table, unlike)))


def _stacked(column: pa.ChunkedArray) -> Array:
    """Return a column of numbers, or of lists of fixed length as a matrix; null is NaN."""
    values = column.combine_chunks()
    if not pa.types.is_fixed_size_list(values.type):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    flat = np.asarray(values.flatten().to_numpy(zero_copy_only=False))
    return flat.reshape(len(values), values.type.list_size)
