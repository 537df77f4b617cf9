"""The worker of a prediction run: a shard of questions in, a file of predictions out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray

from pipelines.embed import Batch
from pipelines.inquiry import Asked
from pipelines.output import ANSWERED, NO_ANCHOR, UNANSWERED, UNASKED
from pipelines.texts import vectors
from scope.answers import Answers
from scope.arrays import Array, Bools, Floats, Ints, Singles
from scope.bank import Bank
from scope.config import AnchorConfig
from scope.features import text_features
from scope.labelled import StoredVectors
from scope.predictions import ESTIMATES, Estimates
from scope.predictor import AnchorPredictor
from scope.shards import ShardFolder


@dataclass(frozen=True, slots=True)
class Task:
    """What every worker of a run needs."""

    bank: Bank
    anchors: AnchorConfig
    folder: ShardFolder
    stored: Path | None
    """The bank whose questions these are; None if they are raw."""
    asked: Asked | None = None
    """What the reasoner says of these questions; None if nobody asked it."""


class ShardActor:
    """Predicts and writes whole shards; holds the bank's predictor for all a worker gets."""

    def __init__(self, task: "ray.ObjectRef[Task]") -> None:
        self._task = ray.get(task)
        self._predictor = AnchorPredictor(self._task.bank, self._task.anchors)
        self._stored = None if self._task.stored is None else StoredVectors(self._task.stored)

    def __call__(self, batch: Batch) -> Batch:
        """Write the shard that the batch is; return the number of its questions."""
        (shard,) = np.unique(batch["shard"])
        embedding_qd, features_qf, errors = self._known(batch)
        good_q = np.array([not error for error in errors])
        own_anchor_q = batch["own_anchor"][good_q] if "own_anchor" in batch else None
        estimates, near = self._predictor.predict(
            embedding_qd[good_q], features_qf[good_q], own_anchor_q
        )
        came_of: dict[str, pa.Array] = {}
        if self._task.asked is not None:
            rows = batch["row"][good_q]
            estimates, answer_qm = self._blended(estimates, rows, self._task.asked)
            came_of = {"answer_qm": _spread(answer_qm, good_q, UNASKED)}
            reasons = self._task.asked.reasons(rows, self._task.bank.model_ids)
            errors = [errors[q] or reasons.get(row, "") for q, row in enumerate(batch["row"])]
        columns = {
            "question_id": pa.array([str(name) for name in batch["question_id"]], pa.string()),
            "row": batch["row"],
            "error": pa.array(errors, pa.string()),
            **{name: _spread(getattr(estimates, name), good_q, np.nan) for name in ESTIMATES},
            "similarity_qk": _spread(near.similarity_qk, good_q, np.nan),
            "anchor_qk": _spread(near.anchor_qk, good_q, NO_ANCHOR),
            **came_of,
        }
        self._task.folder.write(int(shard), pa.table(columns))
        n_failed = sum(bool(error) for error in errors)
        return {"rows": np.array([len(errors)]), "failed": np.array([n_failed])}

    def _blended(self, estimates: Estimates, rows: Ints, asked: Asked) -> tuple[Estimates, Ints]:
        """Return the estimates after the answers, and what came of each: `UNASKED` and so on."""
        bank = self._task.bank
        answers = Answers(asked.answers.p_yes_qm[rows], asked.answers.tokens_qm[rows])
        answer_qm = np.where(np.isnan(answers.p_yes_qm), UNASKED, ANSWERED)
        place = {row: q for q, row in enumerate(rows.tolist())}
        for row, m in asked.errors:
            if row in place:
                answer_qm[place[row], m] = UNANSWERED
        if bank.reasoner is not None:
            estimates = bank.reasoner.blend.apply(estimates, answers, bank.models)
        return estimates, answer_qm

    def _known(self, batch: Batch) -> tuple[Singles, Floats, list[str]]:
        """Return embedding and features of each question, and why it has no embedding."""
        if self._stored is not None:
            return *self._stored.of(batch["row"]), [""] * len(batch["row"])
        features_qf = text_features([str(text) for text in batch["prompt"]])
        return np.stack(list(batch["embedding"])), features_qf, list(map(str, batch["error"]))


def _spread(values: Array, good_q: Bools, missing: float) -> pa.Array:
    """Return the values of good questions in their places, as one list a question."""
    whole = np.full((len(good_q), values.shape[1]), missing, dtype=values.dtype)
    whole[good_q] = values
    return vectors(whole)
