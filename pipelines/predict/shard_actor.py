"""The actor of a prediction run: a shard of questions in, a file of predictions out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray

from pipelines.embedding.cached import to_fixed_size_list
from pipelines.embedding.encoder_actor import Batch
from pipelines.predict.output import ANSWERED, FAILED, NO_ANCHOR, NOT_QUERIED
from pipelines.reasoner import QueryResult
from scope.arms import ArmColumns
from scope.arrays import AnyArray, BoolArray, Float32Array, FloatArray, IntArray
from scope.bank import Bank, StoredFeatures
from scope.config import AnchorConfig
from scope.embedding import text_features
from scope.predictions import Estimates
from scope.predictor import AnchorPredictor
from scope.reasoner import ReasonerPredictions
from scope.storage import ShardFolder


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


class ShardActor:
    """Predicts and writes whole shards; holds one predictor for all of them."""

    def __init__(self, task: "ray.ObjectRef[ShardTask]") -> None:
        self._task = ray.get(task)
        self._predictor = AnchorPredictor(self._task.bank, self._task.anchors)
        self._stored = None if self._task.stored is None else StoredFeatures(self._task.stored)

    def __call__(self, batch: Batch) -> Batch:
        """Predict a batch, which is one shard, and write it; return its ``rows`` and ``failed``."""
        (shard,) = np.unique(batch["shard"])
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
        answer_column: dict[str, pa.Array] = {}
        if self._task.answers is not None:
            rows = batch["row"][good_q]
            estimates, answer_qm = self._blend(estimates, rows, self._task.answers)
            answer_qm = answer_qm[:, self._task.arms.columns]
            p_yes_qm = self._task.answers.answers.p_yes_qm[rows][:, self._task.arms.columns]
            answer_column = {
                "answer_qm": _scatter(answer_qm, good_q, NOT_QUERIED),
                "p_yes_qm": _scatter(p_yes_qm, good_q, np.nan),
            }
            messages = self._task.answers.error_messages(rows, self._task.bank.model_ids)
            errors = [errors[q] or messages.get(row, "") for q, row in enumerate(batch["row"])]
        estimates = self._task.arms.estimates(estimates)
        columns = {
            "question_id": pa.array([str(name) for name in batch["question_id"]], pa.string()),
            "row": batch["row"],
            "error": pa.array(errors, pa.string()),
            **{
                name: _scatter(value_qm, good_q, np.nan)
                for name, value_qm in estimates.to_columns().items()
            },
            "similarity_qk": _scatter(near.similarity_qk, good_q, np.nan),
            "anchor_qk": _scatter(near.anchor_qk, good_q, NO_ANCHOR),
            **answer_column,
        }
        self._task.folder.write(int(shard), pa.table(columns))
        n_failed = sum(bool(error) for error in errors)
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


def _scatter(values: AnyArray, good_q: BoolArray, missing: float) -> pa.Array:
    """Return one list per question: `values` for the good ones, `missing` for the others."""
    whole = np.full((len(good_q), values.shape[1]), missing, dtype=values.dtype)
    whole[good_q] = values
    return to_fixed_size_list(whole)
