"""Predict a question set: read, embed, query the reasoner, predict shard by shard, merge."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy

from pipelines.bank import load_bank_for_pool
from pipelines.cluster.session import RESTART_OPTIONS, ray_session
from pipelines.config import JobConfig
from pipelines.embedding.encoder_actor import EncoderSpec
from pipelines.predict.merge import merge, summarise
from pipelines.predict.question_source import QuestionSource, question_source
from pipelines.predict.shard_actor import ShardActor, ShardTask
from pipelines.predict.summary import PredictionSummary
from pipelines.reasoner import (
    QueryBatch,
    ReasonerOptions,
    ReasonerRun,
    ReasonerUsage,
    check_held_out,
)
from pipelines.reasoner.query import query_reasoner
from pipelines.terminal import Stages
from scope.arms import ArmColumns
from scope.arrays import IntArray
from scope.bank import Bank, content_digest
from scope.config import AnchorConfig
from scope.questions import REFUSE, HubDataset
from scope.reference import write_reference_files
from scope.routing import FOLDER
from scope.storage import (
    ShardFolder,
    check_settings_match,
    check_writable,
    read_settings,
    split_into_shards,
)

UNFINISHED_FOLDER = "unfinished"
"""Folder in the output that holds the shards until the run is finished."""

WRITING = "writing JSON"
"""Stage of a run that writes the published code's files."""

STAGES = (
    "reading",
    "starting Ray",
    "looking up",
    "embedding",
    "starting the engine",
    "querying",
    "predicting",
    "merging",
    WRITING,
)
"""Stages of a run; what is cached is neither embedded nor queried again."""

REASONER_STAGES = STAGES[4:6]
"""Stages of a run with a reasoner only."""


@dataclass(frozen=True, slots=True)
class PredictInputs:
    """The inputs of a prediction run, as the user names them."""

    bank: Path
    query_file: Path | HubDataset
    """Questions, or a bank whose questions are predicted and whose outcomes are kept."""
    pool: tuple[str, ...] | None = None
    prices: Path | None = None
    limit: int | None = None
    config: JobConfig = field(default_factory=JobConfig)
    split: str | None = None
    """Only rows of a question file whose ``split`` is this."""
    cache: Path | None = None
    """Folder that keeps embeddings between runs; None keeps nothing."""
    reasoner: ReasonerOptions | None = None
    """The reasoner to query; None: predict from the anchors alone."""
    query_all: bool = False
    """Also query it about models where its answers have no weight, and so change nothing."""
    on_too_long: str = REFUSE
    """What is done with prompts above the limit."""
    known_fact: bool = False
    """Whether the bank's fact, as the category, of each question is known."""
    reference_files: bool = False
    """Also write the predictions in the published code's form."""


def predict(
    inputs: PredictInputs,
    output: Path,
    *,
    fresh: bool,
    stages: Stages | None = None,
) -> PredictionSummary:
    """Predict every model of the pool on every question and write `output`.

    A run that was interrupted continues with the shards it lacks.

    Parameters
    ----------
    inputs : PredictInputs
    output : Path
        Folder for ``predictions/``, and on request ``selection.json`` and ``similarity.json``.
    fresh : bool
        Replace predictions that are already there.
    stages : Stages, optional
        Receives the progress.

    Returns
    -------
    PredictionSummary

    Raises
    ------
    ScopeError
        If an input is wrong; nothing is written then.
    """
    stages = stages or Stages()
    left_out = () if inputs.reasoner else REASONER_STAGES
    left_out = left_out if inputs.reference_files else (*left_out, WRITING)
    stages.plan(*(name for name in STAGES if name not in left_out))
    stages.begin("reading")
    bank, arms = load_bank_for_pool(inputs.bank, inputs.pool, inputs.prices)
    reasoner = inputs.reasoner.fitted_run(bank) if inputs.reasoner else None
    texts = reasoner is not None
    source = question_source(
        inputs.query_file,
        inputs.split,
        inputs.limit,
        bank,
        texts=texts,
        on_too_long=inputs.on_too_long,
        known_fact=inputs.known_fact,
    )
    if reasoner is not None and source.bank_path is not None:
        check_held_out(source.prompts or (), reasoner.config.checkpoint, str(source.bank_path))
    stages.advance(len(source.ids))

    anchors = inputs.config.anchors or bank.anchor_config
    settings = _settings(bank, arms, anchors, source, reasoner)
    if inputs.query_all:
        settings["query_all"] = True
    # Workers have another working directory: the path must be absolute.
    unfinished = output.resolve() / UNFINISHED_FOLDER
    if (output / FOLDER).exists() and not fresh:
        check_settings_match(read_settings(output / FOLDER), settings, str(output / FOLDER))
        if not unfinished.exists():
            _write_reference_files(inputs, output, len(source.ids), stages)
            return replace(summarise(output), n_known=source.n_known(bank))
    check_writable(output)

    folder = ShardFolder.open(unfinished, settings, fresh=fresh)
    task = ShardTask(bank, anchors, folder, arms, source.bank_path)
    shards = split_into_shards(source.ids)
    try:
        usage = _predict_missing_shards(source, shards, task, reasoner, inputs, stages)
    finally:
        folder.remove_if_empty()

    stages.begin("merging", len(source.ids))
    spec = reasoner.spec if reasoner else None
    summary = merge(source, task, spec, len(shards), output, stages)
    summary.usage, summary.n_known = usage, source.n_known(bank)
    if not (summary.n_failed or summary.n_missing_answers):
        shutil.rmtree(unfinished)
    _write_reference_files(inputs, output, len(source.ids), stages)
    return summary


def _write_reference_files(
    inputs: PredictInputs, output: Path, n_questions: int, stages: Stages
) -> None:
    if inputs.reference_files:
        stages.begin(WRITING, n_questions)
        write_reference_files(output, stages.advance)


def _settings(
    bank: Bank,
    arms: ArmColumns,
    anchors: AnchorConfig,
    source: QuestionSource,
    reasoner: ReasonerRun | None,
) -> dict[str, Any]:
    """Return everything that the predictions depend on, as JSON."""
    optional = {"reasoner": reasoner.spec.model_dump(mode="json")} if reasoner else {}
    return {
        **optional,
        "bank": bank.version,
        "models": [model.model_dump(mode="json") for model in arms.models],
        "embedder": bank.embedder.model_dump(mode="json"),
        "anchors": anchors.model_dump(mode="json"),
        "questions": source.digest,
    }


def _predict_missing_shards(
    source: QuestionSource,
    shards: Sequence[IntArray],
    task: ShardTask,
    reasoner: ReasonerRun | None,
    inputs: PredictInputs,
    stages: Stages,
) -> ReasonerUsage | None:
    """Embed the questions of the missing shards, query the reasoner, predict and write them."""
    rows_of = {
        shard: rows for shard, rows in enumerate(shards) if not task.folder.is_complete(shard)
    }
    if not rows_of:
        return None
    rows = np.concatenate(list(rows_of.values()))
    bank, settings = task.bank, inputs.config.encoder
    encoder = EncoderSpec.of(bank.embedder, settings, inputs.cache)
    second = None
    if bank.second_in_use is not None:
        second = EncoderSpec.of(bank.second_in_use.embedder, settings, inputs.cache)
    with ray_session(stages):
        blocks = source.blocks(bank, encoder, rows_of, stages, second)
        if reasoner is not None:
            queries = _query_batch(source, rows, task.bank, inputs)
            answers = query_reasoner(queries, blocks, source.bank_path, reasoner, stages)
            task = replace(task, answers=answers)
        stages.begin("predicting", len(source.ids), done=len(source.ids) - len(rows))
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
    return task.answers.usage if task.answers else None


def _query_batch(
    source: QuestionSource, rows: IntArray, bank: Bank, inputs: PredictInputs
) -> QueryBatch:
    """Return the queries of the questions in `rows`: the models whose answers have a weight."""
    assert bank.reasoner is not None  # checked by `ReasonerOptions.fitted_run`
    wanted_qm = np.zeros((len(source.ids), len(bank.models)), dtype=np.bool_)
    wanted_qm[rows] = bank.reasoner.blend.informative_m | inputs.query_all
    evidence = content_digest(inputs.bank)
    return QueryBatch(source.prompts or (), source.self_anchors(bank), wanted_qm, bank, evidence)
