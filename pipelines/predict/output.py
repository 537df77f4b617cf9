"""The files of a prediction run, filled batch by batch and moved into place at the end."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipelines.embedding.encoder_actor import Batch
from scope.bank import Bank
from scope.config import AnchorConfig
from scope.outcomes import Outcomes
from scope.predictions import COLUMNS, Estimates, Predictions
from scope.reasoner import ReasonerSpec
from scope.reference import selection_entry, similarity_entry
from scope.routing import (
    FOLDER,
    OUTCOMES,
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


@contextmanager
def open_prediction_files(
    output: Path,
    bank: Bank,
    question_ids: tuple[str, ...],
    outcomes: Outcomes | None,
    reasoner: ReasonerSpec | None = None,
) -> Iterator["PredictionFiles"]:
    """Open ``predictions/``, ``selection.json`` and ``similarity.json`` of a run.

    They replace those of an earlier run when the block ends; if it raises, none is written.

    Parameters
    ----------
    output : Path
    bank : Bank
        Its anchors and models are those of the predictions.
    question_ids : tuple of str
    outcomes : Outcomes or None
        Outcomes of the questions, where known.
    reasoner : ReasonerSpec, optional
        The reasoner that was queried.
    """
    head = f'{{"method": "{"scope" if reasoner else "scope-anchors"}", "questions": ['
    with (
        atomic_folder(output / FOLDER, replace=True) as folder,
        _open_json_array(output / SELECTION, head, "]}") as add_selection,
        _open_json_array(output / SIMILARITY, "[", "]") as add_similarity,
    ):
        yield PredictionFiles(
            folder, add_selection, add_similarity, bank, question_ids, outcomes, reasoner
        )


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
        bank: Bank,
        question_ids: tuple[str, ...],
        outcomes: Outcomes | None,
        reasoner: ReasonerSpec | None,
    ) -> None:
        self._folder, self._reasoner = folder, reasoner
        self._add_selection, self._add_similarity = add_selection, add_similarity
        self._bank, self._ids, self._outcomes = bank, question_ids, outcomes
        self._truth = GroundTruth.from_outcomes(outcomes, bank.models) if outcomes else None
        self._n_shards = 0

    def add(self, batch: Batch) -> None:
        """Write one batch as a shard and append it to the two files of the reference format."""
        rows = batch["row"]
        predictions = Predictions(
            tuple(self._ids[row] for row in rows),
            self._bank.model_ids,
            Estimates.from_stack(np.asarray(batch[name], dtype=np.float64) for name in COLUMNS),
        )
        errors = batch["error"].tolist()
        if "answer_qm" in batch:
            answer_qm = batch["answer_qm"].astype(np.int64)
            table = predictions.to_table(SOURCES[answer_qm], errors, answer_qm == FAILED)
        else:
            table = predictions.to_table("anchors", errors)
        write_shard(self._folder, self._n_shards, table)
        self._n_shards += 1
        for q, row in enumerate(rows):
            self._add_selection(selection_entry(predictions, q, self._truth_of(row)))
            anchor_k, similarity_k = batch["anchor_qk"][q], batch["similarity_qk"][q]
            found = anchor_k != NO_ANCHOR
            anchors = [self._bank.ids[anchor] for anchor in anchor_k[found]]
            self._add_similarity(
                similarity_entry(predictions.question_ids[q], anchors, similarity_k[found].tolist())
            )

    def copy_in(self, file: Path) -> None:
        """Copy a file into the folder of the predictions."""
        shutil.copy(file, self._folder / file.name)

    def write_manifest(self, config: AnchorConfig) -> None:
        """Write the outcomes, the reference population and the manifest."""
        if self._outcomes is not None:
            pq.write_table(self._outcomes.to_table(self._ids), self._folder / OUTCOMES)
        if self._bank.reference is not None:
            self._bank.reference.save(self._folder / REFERENCE)
        manifest = PredictionsManifest(
            n_questions=len(self._ids),
            bank_version=self._bank.version,
            embedder=self._bank.embedder,
            anchors=config,
            models=self._bank.models,
            reasoner=self._reasoner,
            files={},
        )
        write_manifest(self._folder, manifest)

    def _truth_of(self, row: int) -> list[tuple[float, float, float]] | None:
        """Return (correct, completion tokens, USD) of each model; None without outcomes."""
        if self._truth is None or self._outcomes is None:
            return None
        columns = (
            self._truth.correct_qm[row],
            self._outcomes.completion_tokens_am[row],
            self._truth.cost_usd_qm[row],
        )
        return list(zip(*(column.tolist() for column in columns), strict=True))
