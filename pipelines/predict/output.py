"""The files of a prediction run, filled batch by batch and moved into place at the end."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.embedding.encoder_actor import Batch
from scope.arms import ArmColumns
from scope.arrays import AnyArray, IntArray
from scope.bank import Bank
from scope.config import AnchorConfig
from scope.outcomes import Outcomes
from scope.predictions import COLUMNS, Estimates, Predictions
from scope.reasoner import ReasonerSpec
from scope.reference import selection_entry, similarity_entry
from scope.routing import (
    FOLDER,
    OUTCOMES,
    P_YES,
    REFERENCE,
    GroundTruth,
    PredictionsManifest,
    write_manifest,
    write_shard,
)
from scope.storage import atomic_file, atomic_folder, stream_json_array

SELECTION = "selection.json"
SIMILARITY = "similarity.json"
NO_ANCHOR = -1
"""Anchor index of a question without a prediction."""

NOT_QUERIED, ANSWERED, FAILED = 0, 1, 2
"""Result of querying the reasoner about a model; if it failed, the anchors alone predict."""

SOURCES = np.array(["anchors", "scope", "anchors"], dtype=object)
"""Source of a prediction, by the result of the query."""

AppendJson = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class PredictedPool:
    """What a run predicts.

    Attributes
    ----------
    bank : Bank
        Whose anchors the predictions come from.
    arms : ArmColumns
        The pool, from the columns of the bank.
    question_ids : tuple of str
    outcomes : Outcomes or None
        Outcomes of the arms on the questions, where known.
    """

    bank: Bank
    arms: ArmColumns
    question_ids: tuple[str, ...]
    outcomes: Outcomes | None

    def source(self, answer_qm: IntArray | None) -> AnyArray:
        """Return the source of each prediction: of a derived arm also how its samples are known."""
        source_qm = SOURCES[np.zeros((1, 1), dtype=int) if answer_qm is None else answer_qm]
        ending_m = np.array([self._ending(m) for m in range(len(self.arms.models))], dtype=object)
        labelled_qm: AnyArray = source_qm + ending_m
        return labelled_qm

    def _ending(self, m: int) -> str:
        resampling = self.arms.models[m].resampling
        derived = self.arms.n_samples[m] > 1 and resampling
        return f", samples {derived.source}" if derived else ""


@contextmanager
def open_prediction_files(
    output: Path, pool: PredictedPool, reasoner: ReasonerSpec | None = None
) -> Iterator["PredictionFiles"]:
    """Open ``predictions/``, ``selection.json`` and ``similarity.json`` of a run.

    They replace those of an earlier run when the block ends; if it raises, none is written.

    Parameters
    ----------
    output : Path
    pool : PredictedPool
    reasoner : ReasonerSpec, optional
        The reasoner that was queried.
    """
    head = f'{{"method": "{"scope" if reasoner else "scope-anchors"}", "questions": ['
    with (
        atomic_folder(output / FOLDER, replace=True) as folder,
        _open_json_array(output / SELECTION, head, "]}") as add_selection,
        _open_json_array(output / SIMILARITY, "[", "]") as add_similarity,
    ):
        yield PredictionFiles(folder, add_selection, add_similarity, pool, reasoner)


@contextmanager
def _open_json_array(path: Path, opening: str, closing: str) -> Iterator[AppendJson]:
    with atomic_file(path) as draft, stream_json_array(draft, opening, closing) as append:
        yield append


class PredictionFiles:
    """Writes predictions; `open_prediction_files` makes one."""

    def __init__(
        self,
        folder: Path,
        add_selection: AppendJson,
        add_similarity: AppendJson,
        pool: PredictedPool,
        reasoner: ReasonerSpec | None,
    ) -> None:
        self._folder, self._pool, self._reasoner = folder, pool, reasoner
        self._add_selection, self._add_similarity = add_selection, add_similarity
        outcomes = pool.outcomes
        self._truth = GroundTruth.from_outcomes(outcomes, pool.arms.models) if outcomes else None
        self._n_shards = 0

    def add(self, batch: Batch) -> None:
        """Write one batch as a shard and append it to the two files of the reference format."""
        rows = batch["row"]
        predictions = Predictions(
            tuple(self._pool.question_ids[row] for row in rows),
            self._pool.arms.model_ids,
            Estimates.from_stack(np.asarray(batch[name], dtype=np.float64) for name in COLUMNS),
        )
        errors = batch["error"].tolist()
        if "answer_qm" in batch:
            answer_qm = batch["answer_qm"].astype(np.int64)
            source_qm = self._pool.source(answer_qm)
            table = predictions.to_table(source_qm, errors, answer_qm == FAILED)
            p_yes_n = pa.array(batch["p_yes_qm"].ravel(), pa.float32(), from_pandas=True)
            table = table.append_column(P_YES, p_yes_n)
        else:
            table = predictions.to_table(self._pool.source(None), errors)
        write_shard(self._folder, self._n_shards, table)
        self._n_shards += 1
        for q, row in enumerate(rows):
            self._add_selection(selection_entry(predictions, q, self._truth_of(row)))
            anchor_k, similarity_k = batch["anchor_qk"][q], batch["similarity_qk"][q]
            found = anchor_k != NO_ANCHOR
            anchors = [self._pool.bank.ids[anchor] for anchor in anchor_k[found]]
            self._add_similarity(
                similarity_entry(predictions.question_ids[q], anchors, similarity_k[found].tolist())
            )

    def copy_in(self, file: Path) -> None:
        """Copy a file into the folder of the predictions."""
        shutil.copy(file, self._folder / file.name)

    def write_manifest(self, config: AnchorConfig) -> None:
        """Write the outcomes, the reference population and the manifest."""
        pool, bank = self._pool, self._pool.bank
        if pool.outcomes is not None:
            pq.write_table(pool.outcomes.to_table(pool.question_ids), self._folder / OUTCOMES)
        if bank.reference is not None:
            bank.reference.select_arms(pool.arms).save(self._folder / REFERENCE)
        manifest = PredictionsManifest(
            n_questions=len(pool.question_ids),
            bank_version=bank.version,
            embedder=bank.embedder,
            anchors=config,
            models=pool.arms.models,
            routing_gain=bank.routing_gain,
            reasoner=self._reasoner,
            files={},
        )
        write_manifest(self._folder, manifest)

    def _truth_of(self, row: int) -> list[tuple[float, float, float]] | None:
        """Return (correct, completion tokens, USD) of each model; None without outcomes."""
        outcomes = self._pool.outcomes
        if self._truth is None or outcomes is None:
            return None
        columns = (
            self._truth.correct_qm[row],
            outcomes.completion_tokens_am[row],
            self._truth.cost_usd_qm[row],
        )
        return list(zip(*(column.tolist() for column in columns), strict=True))
