"""The actor of a prediction run: a shard of questions in, its final tables out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray

from pipelines.embedding.encoder_actor import Batch
from pipelines.predict.summary import shard_summary
from pipelines.reasoner import QueryResult
from scope.arms import ArmColumns
from scope.arrays import AnyArray, BoolArray, Float32Array, FloatArray, IntArray
from scope.bank import Bank, StoredFeatures
from scope.config import AnchorConfig
from scope.embedding import text_features
from scope.predictions import Estimates, Predictions
from scope.predictor import AnchorPredictor, Neighbours
from scope.reasoner import ReasonerPredictions
from scope.routing import NEIGHBOURS, P_YES, PART
from scope.storage import ShardFolder

NOT_QUERIED, ANSWERED, FAILED = 0, 1, 2
"""Result of querying the reasoner about a model; if it failed, the anchors alone predict."""

SOURCES = np.array(["anchors", "scope", "anchors"], dtype=object)
"""Source of a prediction, by the result of the query."""


@dataclass(frozen=True, slots=True)
class ShardTask:
    """The input that all actors of a run share."""

    bank: Bank
    anchors: AnchorConfig
    folder: ShardFolder
    arms: ArmColumns
    """The pool, from the columns of the bank."""
    stored: Path | None
    """The bank that holds the questions; None if they are raw texts."""
    answers: QueryResult | None = None
    """Answers of the reasoner about the questions; None without a reasoner."""


class ShardPredictor:
    """Predicts and writes whole shards; holds one predictor for all of them."""

    def __init__(self, task: ShardTask) -> None:
        self._task = task
        self._predictor = AnchorPredictor(task.bank, task.anchors)
        self._stored = None if task.stored is None else StoredFeatures(task.stored)
        self._anchor_ids = pa.array(task.bank.ids, pa.string())

    def __call__(self, batch: Batch) -> Batch:
        """Predict a batch, which is one shard, and write it; return its ``rows`` and ``failed``."""
        (shard,) = np.unique(batch["shard"])
        ids = tuple(str(name) for name in batch["question_id"])
        embedding_qd, features_qf, errors = self._embeddings(batch)
        second_qy = self._second_vectors(batch)
        good_q = np.array([not error for error in errors])
        self_index_q = batch["self_anchor"][good_q] if "self_anchor" in batch else None
        facts = np.array(batch["fact"], dtype=object)[good_q] if "fact" in batch else None
        estimates, near = self._predictor.predict(
            embedding_qd[good_q],
            features_qf[good_q],
            self_index_q,
            facts,
            None if second_qy is None else second_qy[good_q],
        )
        answer_qm = p_yes_qm = None
        if self._task.answers is not None:
            rows, columns = batch["row"][good_q], self._task.arms.columns
            estimates, answer_qm = self._blend(estimates, rows, self._task.answers)
            answer_qm = _scatter(answer_qm[:, columns], good_q, NOT_QUERIED)
            p_yes_qm = self._task.answers.answers.p_yes_qm[rows][:, columns]
            p_yes_qm = _scatter(p_yes_qm, good_q, np.nan)
            messages = self._task.answers.error_messages(rows, self._task.bank.model_ids)
            errors = [errors[q] or messages.get(row, "") for q, row in enumerate(batch["row"])]
        estimates = self._task.arms.estimates(estimates).map(
            lambda value_qm: _scatter(value_qm, good_q, np.nan)
        )
        predictions = Predictions(ids, self._task.arms.model_ids, estimates)
        summary = shard_summary(
            ids,
            estimates.in_distribution_qm[:, 0],
            errors,
            None if answer_qm is None else answer_qm == FAILED,
        )
        n_failed = sum(bool(error) for error in errors)
        self._task.folder.write(
            int(shard),
            {
                PART: part_table(predictions, self._task.arms, errors, answer_qm, p_yes_qm),
                NEIGHBOURS: self._neighbour_table(ids, near, good_q),
            },
            n_failed=n_failed,
            summary=summary,
        )
        return {"rows": np.array([len(errors)]), "failed": np.array([n_failed])}

    def _blend(
        self, estimates: Estimates, rows: IntArray, result: QueryResult
    ) -> tuple[Estimates, IntArray]:
        """Return the estimates blended with the answers, and ``NOT_QUERIED`` etc. of each cell."""
        bank = self._task.bank
        answers = ReasonerPredictions(result.answers.p_yes_qm[rows], result.answers.tokens_qm[rows])
        answer_qm = np.where(np.isnan(answers.p_yes_qm), NOT_QUERIED, ANSWERED)
        index_of = {row: q for q, row in enumerate(rows.tolist())}
        for row, m in result.errors:
            if row in index_of:
                answer_qm[index_of[row], m] = FAILED
        if bank.reasoner is not None:
            estimates = bank.reasoner.blend.apply(estimates, answers, bank.models)
        return estimates, answer_qm

    def _embeddings(self, batch: Batch) -> tuple[Float32Array, FloatArray, list[str]]:
        """Return embedding, features and embedding error (or "") of each question."""
        if self._stored is not None:
            return *self._stored.read(batch["row"]), [""] * len(batch["row"])
        features_qf = text_features([str(text) for text in batch["prompt"]])
        return np.stack(list(batch["embedding"])), features_qf, list(map(str, batch["error"]))

    def _second_vectors(self, batch: Batch) -> Float32Array | None:
        """Return the vectors of the second encoder; None where the bank is fitted with one."""
        if self._task.bank.joint_forecaster is None:
            return None
        if self._stored is not None:
            return self._stored.read_second(batch["row"])
        return np.stack(list(batch["second"]))

    def _neighbour_table(
        self, ids: tuple[str, ...], near: Neighbours, good_q: BoolArray
    ) -> pa.Table:
        """Return the nearest anchors of each question; a question that failed has none."""
        offset_q = np.concatenate([[0], np.cumsum(good_q * near.anchor_qk.shape[1])])
        anchor_n = self._anchor_ids.take(pa.array(near.anchor_qk.ravel()))
        # The index computes them in single precision.
        similarity_n = pa.array(near.similarity_qk.ravel().astype(np.float32))
        offsets = pa.array(offset_q, pa.int32())
        return pa.table(
            {
                "question_id": pa.array(ids, pa.string()),
                "anchor_id": pa.ListArray.from_arrays(offsets, anchor_n),
                "similarity": pa.ListArray.from_arrays(offsets, similarity_n),
            }
        )


class ShardActor(ShardPredictor):
    """A `ShardPredictor` of a task in Ray's object store."""

    def __init__(self, task: "ray.ObjectRef[ShardTask]") -> None:
        super().__init__(ray.get(task))


def part_table(
    predictions: Predictions,
    arms: ArmColumns,
    errors: list[str],
    answer_qm: IntArray | None = None,
    p_yes_qm: FloatArray | None = None,
) -> pa.Table:
    """Return the rows of ``predictions/part-*.parquet`` of a shard.

    Parameters
    ----------
    predictions : Predictions
    arms : ArmColumns
        The pool; the source of a derived arm also says how its samples are known.
    errors : list of str
        Error of each question; empty if there is none.
    answer_qm : ndarray of shape (n_questions, n_models), optional
        ``NOT_QUERIED``, ``ANSWERED`` or ``FAILED``.
    p_yes_qm : ndarray of shape (n_questions, n_models), optional
        The reasoner's own probabilities; NaN where it did not answer.
    """
    endings = np.array([_source_ending(arms, m) for m in range(len(arms.models))], dtype=object)
    if answer_qm is None or p_yes_qm is None:
        return predictions.to_table(SOURCES[[NOT_QUERIED]] + endings, errors)
    table = predictions.to_table(SOURCES[answer_qm] + endings, errors, answer_qm == FAILED)
    p_yes_n = pa.array(p_yes_qm.ravel(), pa.float32(), from_pandas=True)
    return table.append_column(P_YES, p_yes_n)


def _source_ending(arms: ArmColumns, m: int) -> str:
    resampling = arms.models[m].resampling
    return f", samples {resampling.source}" if arms.n_samples[m] > 1 and resampling else ""


def _scatter(values: AnyArray, good_q: BoolArray, missing: float) -> AnyArray:
    """Return one row per question: `values` for the good ones, `missing` for the others."""
    whole = np.full((len(good_q), values.shape[1]), missing, dtype=values.dtype)
    whole[good_q] = values
    return whole
