"""Predict a question set: read, embed, look up anchors, write. Ray Data does the middle."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset

from pipelines.embed import BLOCK_ROWS, Batch, TextEncoder, blocks
from pipelines.output import PredictionFiles
from pipelines.pooled import pooled_bank
from pipelines.session import ray_session
from pipelines.texts import Advance, embedded_rows, silent
from scope.arrays import Array
from scope.bank import Bank
from scope.bank_store import is_bank, load_bank
from scope.config import AnchorConfig, ScopeConfig
from scope.embedder import EmbedderSpec, locate
from scope.errors import ConfigError, EmbedderMismatchError
from scope.hub import HubSet
from scope.outcomes import Outcomes
from scope.predictions import ESTIMATES
from scope.predictor import AnchorPredictor
from scope.questions import read_questions


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
class QuestionSource:
    """Questions ready for the pipeline: either texts, or embeddings made before."""

    ids: tuple[str, ...]
    prompts: tuple[str, ...] | None
    labelled: Bank | None

    def rows(self, bank: Bank, encoder: TextEncoder, advance: Advance) -> Dataset:
        """Return one row a question: ``row``, ``embedding`` and ``features``.

        Labelled questions also say in ``own_anchor`` where they stand in `bank` themselves,
        -1 if nowhere: an anchor must not vote for itself.
        """
        if self.labelled is None:
            return embedded_rows(self.prompts or (), encoder, advance)
        n = len(self.ids)
        place = {question_id: anchor for anchor, question_id in enumerate(bank.ids)}
        columns = {
            "row": np.arange(n),
            "own_anchor": np.array([place.get(question_id, -1) for question_id in self.ids]),
            "embedding": _vectors(self.labelled.embedding_ad[:n]),
            "features": _vectors(self.labelled.features_af[:n]),
        }
        return ray.data.from_arrow(blocks(pa.table(columns)))

    def outcomes(self, models: tuple[str, ...]) -> Outcomes | None:
        """Return what `models` did on these questions, if the source says so."""
        if self.labelled is None:
            return None
        return self.labelled.outcomes.of(models, len(self.ids))


class PredictorActor:
    """Holds the bank's predictor for all batches a worker gets."""

    def __init__(self, bank: "ray.ObjectRef[Bank]", config: AnchorConfig) -> None:
        self._predictor = AnchorPredictor(ray.get(bank), config)

    def __call__(self, batch: Batch) -> Batch:
        """Return one row a question, each estimate a vector over the models."""
        embedding_qd = np.stack(list(batch["embedding"])).astype(np.float32)
        features_qf = np.stack(list(batch["features"])).astype(np.float64)
        own_anchor_q = batch.get("own_anchor")
        estimates, near = self._predictor.predict(embedding_qd, features_qf, own_anchor_q)
        return {
            "row": batch["row"],
            **{name: getattr(estimates, name) for name in ESTIMATES},
            "similarity_qk": near.similarity_qk,
            "anchor_qk": near.anchor_qk,
        }


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
    advance: Advance,
    embedding: Advance = silent,
) -> Predicted:
    """Predict every model of the pool on every question and write `output`.

    Parameters
    ----------
    inputs : PredictInputs
    output : Path
        Folder for ``predictions/``, ``selection.json`` and ``similarity.json``.
    fresh : bool
        Replace predictions that are already there.
    advance : callable
        Told how many more questions of how many are predicted.
    embedding : callable
        Told how many more texts of how many are embedded, if any has to be.

    Returns
    -------
    Predicted

    Raises
    ------
    ScopeError
        If an input is wrong; nothing is written then.
    """
    bank = pooled_bank(inputs.bank, inputs.pool, inputs.prices)
    source = question_source(inputs, bank)
    anchors = inputs.config.anchors or bank.anchor_config
    with ExitStack() as stack:
        files = stack.enter_context(
            PredictionFiles(output, bank, source.ids, source.outcomes(bank.model_ids), fresh=fresh)
        )
        stack.enter_context(ray_session())
        # Ray captures it with the rows, so it is set before there are any.
        DataContext.get_current().execution_options.preserve_order = True
        encoder = TextEncoder(
            bank.embedder.name,
            bank.embedder.revision,
            inputs.config.encoder,
            inputs.cache,
            bank.embedder.max_chars,
        )
        rows = source.rows(bank, encoder, embedding)
        advance(0, len(source.ids))
        n_unlike = 0
        for batch in _predicted(rows, bank, inputs.config, anchors):
            files.add(batch)
            n_unlike += int((np.stack(list(batch["familiarity_qm"]))[:, 0] < 1).sum())
            advance(len(batch["row"]), len(source.ids))
        files.seal(anchors)
    return Predicted(len(source.ids), n_unlike)


def question_source(inputs: PredictInputs, bank: Bank) -> QuestionSource:
    """Read the questions and make sure they will share the bank's embedding space."""
    if isinstance(inputs.query_file, Path) and is_bank(inputs.query_file):
        if inputs.split is not None:
            raise ConfigError(f"{inputs.query_file} is a bank and has no splits; drop --split")
        labelled = load_bank(inputs.query_file)
        check_embedder(bank.embedder, labelled.embedder)
        return QuestionSource(labelled.ids[: inputs.limit], None, labelled)
    questions = read_questions(inputs.query_file, split=inputs.split, limit=inputs.limit)
    _, revision = locate(bank.embedder.name, bank.embedder.revision)
    check_embedder(bank.embedder, bank.embedder.model_copy(update={"revision": revision}))
    return QuestionSource(questions.ids, questions.prompts, None)


def check_embedder(bank: EmbedderSpec, other: EmbedderSpec) -> None:
    """Raise `EmbedderMismatchError` unless both embed into one space."""
    if not bank.agrees_with(other):
        raise EmbedderMismatchError(str(bank), str(other))


def _predicted(
    rows: Dataset, bank: Bank, config: ScopeConfig, anchors: AnchorConfig
) -> Iterator[Batch]:
    """Run the pipeline and yield its batches in the order of the questions."""
    plan = rows.map_batches(
        PredictorActor,
        fn_constructor_kwargs={"bank": ray.put(bank), "config": anchors},
        compute=ActorPoolStrategy(min_size=1, max_size=config.encoder.replicas[1]),
        batch_size=BLOCK_ROWS,
        batch_format="numpy",
        num_cpus=0.5,
    )
    yield from plan.iter_batches(batch_size=None, batch_format="numpy")


def _vectors(values: Array) -> pa.Array:
    """Return a matrix as one list of fixed length a row."""
    return pa.FixedSizeListArray.from_arrays(np.ravel(values), values.shape[1])
