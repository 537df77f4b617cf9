"""Predict a question set by a learned router: shards as those of a bank, with its own arms."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray.data import ActorPoolStrategy, Dataset

from pipelines.cluster.session import RESTART_OPTIONS, ray_session
from pipelines.config import JobConfig
from pipelines.embedding.encoder_actor import Batch, check_gpus
from pipelines.predict.merge import open_merged, summarise
from pipelines.predict.run import UNFINISHED_FOLDER
from pipelines.predict.summary import PredictionSummary, shard_summary
from pipelines.terminal import Stages
from scope.arrays import IntArray
from scope.bank import LabelledQuestions, is_bank
from scope.config import AnchorConfig
from scope.errors import ConfigError, ScopeError
from scope.learned import LearnedRouter
from scope.outcomes import Outcomes
from scope.predictions import Predictions
from scope.questions import REFUSE, HubDataset, read_questions
from scope.routing import (
    FOLDER,
    OUTCOMES,
    PART,
    REFERENCE,
    PredictionsManifest,
    write_manifest,
)
from scope.storage import (
    ShardFolder,
    check_settings_match,
    check_writable,
    read_settings,
    split_into_shards,
)

SOURCE = "router"


@dataclass(frozen=True, slots=True)
class RouterInputs:
    """The inputs of a prediction run by a learned router, as the user names them."""

    router: Path
    query_file: Path | HubDataset
    """Questions, or a bank with prompts, whose outcomes are kept."""
    split: str | None = None
    limit: int | None = None
    config: JobConfig = field(default_factory=JobConfig)
    on_too_long: str = REFUSE


class RouterShardActor:
    """Predicts and writes whole shards; holds one router for all of them."""

    def __init__(self, router: str, folder: ShardFolder) -> None:
        self._folder = folder
        # Ray turns an error in a constructor into text and retries it: raise it with the batch.
        self._router: LearnedRouter | ScopeError
        try:
            self._router = LearnedRouter.load(router)
        except ScopeError as error:
            self._router = error

    def __call__(self, batch: Batch) -> Batch:
        """Predict a batch, which is one shard, and write it; return its ``rows`` and ``failed``."""
        if isinstance(self._router, ScopeError):
            raise self._router
        (shard,) = np.unique(batch["shard"])
        found = self._router.predict_with_errors([str(text) for text in batch["prompt"]])
        ids = tuple(str(name) for name in batch["question_id"])
        errors = list(found.errors)
        table = Predictions(ids, self._router.arms, found.estimates).to_table(SOURCE, errors)
        n_failed = sum(bool(error) for error in errors)
        summary = shard_summary(ids, found.estimates.in_distribution_qm[:, 0], errors)
        self._folder.write(int(shard), {PART: table}, n_failed=n_failed, summary=summary)
        return {"rows": np.array([len(found.errors)]), "failed": np.array([n_failed])}


def predict_by_router(
    inputs: RouterInputs, output: Path, *, fresh: bool, stages: Stages | None = None
) -> PredictionSummary:
    """Predict every arm of a router on every question and write ``predictions/``.

    A run that was interrupted continues with the shards it lacks.

    Parameters
    ----------
    inputs : RouterInputs
    output : Path
    fresh : bool
        Replace predictions that are already there.
    stages : Stages, optional
        Receives the progress.

    Raises
    ------
    ScopeError
        If an input is wrong; nothing is written then.
    """
    stages = stages or Stages()
    stages.plan("reading", "starting Ray", "predicting", "merging")
    stages.begin("reading")
    router = LearnedRouter.load(inputs.router)
    ids, prompts, outcomes = _read(inputs, router.arms)
    settings = {"router": router.version, "questions": _digest(ids, prompts)}
    unfinished = output.resolve() / UNFINISHED_FOLDER
    if (output / FOLDER).exists() and not fresh:
        check_settings_match(read_settings(output / FOLDER), settings, str(output / FOLDER))
        if not unfinished.exists():
            return summarise(output)
    check_writable(output)
    folder = ShardFolder.open(unfinished, settings, fresh=fresh)
    shards = split_into_shards(ids)
    try:
        _predict_missing_shards(ids, prompts, shards, folder, inputs, stages)
    finally:
        folder.remove_if_empty()
    stages.begin("merging", len(ids))
    summary = _merge(router, folder, len(shards), ids, outcomes, output, stages)
    if not summary.n_failed:
        shutil.rmtree(unfinished)
    return summary


def _read(
    inputs: RouterInputs, arms: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], Outcomes | None]:
    """Return ids, texts and known outcomes of the arms."""
    query = inputs.query_file
    if not (isinstance(query, Path) and is_bank(query)):
        questions = read_questions(
            query, split=inputs.split, limit=inputs.limit, on_too_long=inputs.on_too_long
        )
        return questions.ids, questions.prompts, None
    if inputs.split is not None:
        raise ConfigError(f"{query} is a bank and has no splits; drop --split")
    labelled = LabelledQuestions.open(query).head(inputs.limit)
    return labelled.ids, labelled.texts(), labelled.outcomes(arms)


def _digest(ids: tuple[str, ...], prompts: tuple[str, ...]) -> str:
    import hashlib
    import json

    return hashlib.sha256(json.dumps([ids, prompts]).encode()).hexdigest()


def _predict_missing_shards(
    ids: tuple[str, ...],
    prompts: tuple[str, ...],
    shards: Sequence[IntArray],
    folder: ShardFolder,
    inputs: RouterInputs,
    stages: Stages,
) -> None:
    rows_of = {s: rows for s, rows in enumerate(shards) if not folder.is_complete(s)}
    if not rows_of:
        return
    encoder = inputs.config.encoder
    with ray_session(stages):
        check_gpus(encoder)
        n_done = len(ids) - sum(map(len, rows_of.values()))
        stages.begin("predicting", len(ids), done=n_done)
        plan = _blocks(ids, prompts, rows_of).map_batches(
            RouterShardActor,
            fn_constructor_kwargs={"router": str(inputs.router.resolve()), "folder": folder},
            compute=ActorPoolStrategy(min_size=1, max_size=encoder.replicas[1]),
            batch_size=None,
            batch_format="numpy",
            num_cpus=encoder.num_cpus,
            num_gpus=encoder.num_gpus,
            **RESTART_OPTIONS,
        )
        for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
            stages.advance(int(batch["rows"].sum()), errors=int(batch["failed"].sum()))


def _blocks(ids: tuple[str, ...], prompts: tuple[str, ...], rows_of: dict[int, Any]) -> Dataset:
    """Return one block per shard with ``shard``, ``row``, ``question_id`` and ``prompt``."""
    refs: list[Any] = [
        ray.put(
            pa.table(
                {
                    "shard": np.full(len(rows), shard),
                    "row": rows,
                    "question_id": pa.array([ids[row] for row in rows], pa.string()),
                    "prompt": pa.array([prompts[row] for row in rows], pa.string()),
                }
            )
        )
        for shard, rows in rows_of.items()
    ]
    return ray.data.from_arrow_refs(refs)


def _merge(
    router: LearnedRouter,
    folder: ShardFolder,
    n_shards: int,
    ids: tuple[str, ...],
    outcomes: Outcomes | None,
    output: Path,
    stages: Stages,
) -> PredictionSummary:
    """Make ``predictions/`` of all shards, with outcomes, reference population and manifest."""
    with open_merged(folder, n_shards, output, stages) as (draft, summary):
        if outcomes is not None:
            pq.write_table(outcomes.to_table(ids), draft / OUTCOMES)
        if (reference := router.reference_population()) is not None:
            reference.save(draft / REFERENCE)
        write_manifest(
            draft,
            PredictionsManifest(
                n_questions=len(ids),
                bank_version=router.version,
                anchors=AnchorConfig(),
                models=router.models,
                files={},
            ),
        )
    return summary
