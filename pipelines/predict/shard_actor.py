"""The worker of a prediction run: a shard of questions in, a file of predictions out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray

from pipelines.embedding.cached import to_fixed_size_list
from pipelines.embedding.encoder_actor import Batch
from pipelines.predict.output import ANSWERED, FAILED, NO_ANCHOR, NOT_QUERIED
from pipelines.reasoner import QueryResult
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
    """What every worker of a run needs."""

    bank: Bank
    anchors: AnchorConfig
    folder: ShardFolder
    stored: Path | None
    """The bank whose questions these are; None if they are raw."""
    answers: QueryResult | None = None
    """What the reasoner says of these questions; None if nobody asked it."""


class ShardActor:
    """Predicts and writes whole shards; holds the bank's predictor for all a worker gets."""

    def __init__(self, task: "ray.ObjectRef[ShardTask]") -> None:
        self._task = ray.get(task)
        self._predictor = AnchorPredictor(self._task.bank, self._task.anchors)
        self._stored = None if self._task.stored is None else StoredFeatures(self._task.stored)

    def __call__(self, batch: Batch) -> Batch:
        """Write the shard that the batch is; return the number of its questions."""
        (shard,) = np.unique(batch["shard"])
        embedding_qd, features_qf, errors = self._embeddings(batch)
        good_q = np.array([not error for error in errors])
        self_index_q = batch["self_anchor"][good_q] if "self_anchor" in batch else None
        estimates, near = self._predictor.predict(
            embedding_qd[good_q], features_qf[good_q], self_index_q
        )
        came_of: dict[str, pa.Array] = {}
        if self._task.answers is not None:
            rows = batch["row"][good_q]
            estimates, answer_qm = self._blended(estimates, rows, self._task.answers)
            came_of = {"answer_qm": _scatter(answer_qm, good_q, NOT_QUERIED)}
            reasons = self._task.answers.error_messages(rows, self._task.bank.model_ids)
            errors = [errors[q] or reasons.get(row, "") for q, row in enumerate(batch["row"])]
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
            **came_of,
        }
        self._task.folder.write(int(shard), pa.table(columns))
        n_failed = sum(bool(error) for error in errors)
        return {"rows": np.array([len(errors)]), "failed": np.array([n_failed])}

    def _blended(
        self, estimates: Estimates, rows: IntArray, asked: QueryResult
    ) -> tuple[Estimates, IntArray]:
        """Return the estimates after the answers, and what came of each: `UNASKED` and so on."""
        bank = self._task.bank
        answers = ReasonerPredictions(asked.answers.p_yes_qm[rows], asked.answers.tokens_qm[rows])
        answer_qm = np.where(np.isnan(answers.p_yes_qm), NOT_QUERIED, ANSWERED)
        place = {row: q for q, row in enumerate(rows.tolist())}
        for row, m in asked.errors:
            if row in place:
                answer_qm[place[row], m] = FAILED
        if bank.reasoner is not None:
            estimates = bank.reasoner.blend.apply(estimates, answers, bank.models)
        return estimates, answer_qm

    def _embeddings(self, batch: Batch) -> tuple[Float32Array, FloatArray, list[str]]:
        """Return embedding and features of each question, and why it has no embedding."""
        if self._stored is not None:
            return *self._stored.read(batch["row"]), [""] * len(batch["row"])
        features_qf = text_features([str(text) for text in batch["prompt"]])
        return np.stack(list(batch["embedding"])), features_qf, list(map(str, batch["error"]))


def _scatter(values: AnyArray, good_q: BoolArray, missing: float) -> pa.Array:
    """Return the values of good questions in their places, as one list a question."""
    whole = np.full((len(good_q), values.shape[1]), missing, dtype=values.dtype)
    whole[good_q] = values
    return to_fixed_size_list(whole)
