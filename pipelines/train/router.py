"""Train a router: token rows, a job or frozen heads, calibration, one folder."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipelines.terminal import Stages
from pipelines.train.distributed import run_job
from pipelines.train.job import (
    BEST,
    JobFolder,
    Part,
    TrainJob,
    TrainSettings,
    check_output,
    digest_of,
    router_rows,
    working_folder,
)
from scope.arrays import BoolArray, FloatArray
from scope.embedding import resolve_model
from scope.learned import (
    TARGET_DROP,
    BaseEncoder,
    LearnedRouter,
    Pooling,
    RouterData,
    TokenRow,
    TrainedNetwork,
    add_source_token,
    default_max_tokens,
    finish_router,
    fit_heads,
    load_encoder,
    load_tokenizer,
    load_weights,
    make_network,
    n_logits,
    run_rows,
    source_tokenizer,
)

CHUNK = 256
"""Texts between two updates of the progress."""

STAGES = ("reading", "tokenising", "starting Ray", "training", "embedding", "calibrating")


@dataclass(frozen=True, slots=True)
class RouterTraining:
    """How a router is trained."""

    encoder: str
    revision: str | None = None
    frozen: bool = False
    """Fit the heads alone, on mean hidden states of the encoder as it is."""
    max_tokens: int | None = None
    """Tokens of a prompt that are read; None takes the encoder's limit, at most 512."""
    target_drop: float = TARGET_DROP
    settings: TrainSettings = field(default_factory=TrainSettings)


def train_router(
    data: RouterData,
    training: RouterTraining,
    output: Path,
    *,
    fresh: bool = False,
    stages: Stages | None = None,
) -> LearnedRouter:
    """Train a router and write its folder; an interrupted training continues.

    Parameters
    ----------
    data : RouterData
    training : RouterTraining
    output : Path
        Folder to write; must not exist unless `fresh`.
    fresh : bool
        Replace a router that is there, and start over.
    stages : Stages, optional
        Receives the progress.

    Raises
    ------
    ScopeError
        If an input is wrong, or training fails.
    """
    stages = stages or Stages()
    check_output(output, fresh=fresh)
    data.check()
    stages.begin("tokenising", len(data.prompts))
    prepared = _prepare(data, training)
    stages.advance(len(data.prompts))
    unfinished = working_folder(output, fresh=fresh)
    if training.frozen:
        _fit_frozen(prepared, data, stages)
    else:
        _train_whole(prepared, data, training, unfinished, stages)
    stages.begin("calibrating")
    router = finish_router(data, prepared.rows, prepared.trained, training.target_drop)
    router.save(output, replace=fresh)
    shutil.rmtree(unfinished, ignore_errors=True)
    return router


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A network before training, and the rows of all prompts."""

    trained: TrainedNetwork
    rows: list[TokenRow]


def _prepare(data: RouterData, training: RouterTraining) -> _Prepared:
    pooling: Pooling = "mean" if training.frozen else "source_token"
    source, revision = resolve_model(training.encoder, training.revision)
    raw, encoder = (
        load_tokenizer(source, training.revision),
        load_encoder(training.encoder, training.revision),
    )
    if pooling == "source_token":
        add_source_token(encoder)
    max_tokens = training.max_tokens or default_max_tokens(raw, encoder.config)
    tokenizer = source_tokenizer(raw, encoder, pooling, max_tokens)
    network = make_network(
        encoder,
        pooling,
        tokenizer.source_position,
        data.loss,
        n_logits(data.loss, len(data.models)),
    )
    spec = BaseEncoder(name=training.encoder, revision=revision, max_tokens=max_tokens)
    trained = TrainedNetwork(network, tokenizer, spec, pooling, training.settings.seed)
    return _Prepared(trained, tokenizer.rows(data.prompts))


def _fit_frozen(prepared: _Prepared, data: RouterData, stages: Stages) -> None:
    """Fit the heads to the mean hidden states of training and validation prompts."""
    network = prepared.trained.network
    used = np.flatnonzero(data.is_train_q | data.is_validation_q)
    width, pad_id = network.heads.in_features, prepared.trained.tokenizer.pad_id
    parts: list[FloatArray] = []
    stages.begin("embedding", len(used))
    for start in range(0, len(used), CHUNK):
        ids = [prepared.rows[q].ids for q in used[start : start + CHUNK]]
        parts.append(run_rows(network, ids, pad_id, width, embed=True))
        stages.advance(len(ids))
    stages.begin("training")
    embedding_qd = np.concatenate(parts)
    fit_heads(network, data.loss, embedding_qd, data.label_qm[used], data.is_train_q[used])


def _train_whole(
    prepared: _Prepared,
    data: RouterData,
    training: RouterTraining,
    unfinished: Path,
    stages: Stages,
) -> None:
    """Train all weights as a job, and load the best ones into the network."""
    trained = prepared.trained
    tables: dict[Part, pa.Table] = {}
    parts: tuple[tuple[Part, BoolArray], ...] = (
        ("train", data.is_train_q),
        ("validation", data.is_validation_q),
    )
    for part, wanted_q in parts:
        known_q = wanted_q & ~np.isnan(data.label_qm).all(axis=1)
        rows = np.flatnonzero(known_q)
        tables[part] = router_rows([prepared.rows[q].ids for q in rows], data.label_qm[rows])
    # The job's encoder is loaded by its own revision: that of a folder is a digest.
    encoder = trained.encoder.model_copy(update={"revision": training.revision})
    job = TrainJob(
        encoder=encoder,
        settings=training.settings,
        loss=data.loss,
        n_logits=n_logits(data.loss, len(data.models)),
        pad_id=trained.tokenizer.pad_id,
        source_position=trained.tokenizer.source_position,
        digest=digest_of(tables),
    )
    files = JobFolder(unfinished)
    files.open(job, tables)
    run_job(files, stages)
    load_weights(trained.network, unfinished / BEST)
