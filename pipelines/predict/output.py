"""The files of a prediction run, filled as batches arrive and put in place at the end."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

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
"""In the place of an anchor that a question without a prediction does not have."""

NOT_QUERIED, ANSWERED, FAILED = 0, 1, 2
"""What came of asking the reasoner about a model; where it gave no answer the anchors speak."""

SOURCES = np.array(["anchors", "scope", "anchors"], dtype=object)
"""What made a prediction, by what came of asking."""


class PredictionFiles:
    """Writes ``predictions/``, ``selection.json`` and ``similarity.json``; all or nothing.

    Parameters
    ----------
    output : Path
    bank : Bank
        Whose anchors and models the predictions speak of.
    question_ids : tuple of str
    outcomes : Outcomes or None
        What really happened, where known.
    reasoner : ReasonerSpec, optional
        Who was asked beside the anchors.
    """

    def __init__(
        self,
        output: Path,
        bank: Bank,
        question_ids: tuple[str, ...],
        outcomes: Outcomes | None,
        reasoner: ReasonerSpec | None = None,
    ) -> None:
        self._output, self._reasoner = output, reasoner
        self._bank, self._ids, self._outcomes = bank, question_ids, outcomes
        self._truth = GroundTruth.from_outcomes(outcomes, bank.models) if outcomes else None
        self._stack = ExitStack()
        self._n_shards = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = stack.enter_context(atomic_folder(self._output / FOLDER, replace=True))
            method = "scope" if self._reasoner else "scope-anchors"
            self._add_selection = self._list_file(
                stack, SELECTION, f'{{"method": "{method}", "questions": [', "]}"
            )
            self._add_similarity = self._list_file(stack, SIMILARITY, "[", "]")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, batch: Batch) -> None:
        """Write one batch as a shard and append it to the reference's two files."""
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
        for position, row in enumerate(rows):
            truth = self._truth_of(row)
            self._add_selection(selection_entry(predictions, position, truth))
            anchor_k, similarity_k = batch["anchor_qk"][position], batch["similarity_qk"][position]
            found = anchor_k != NO_ANCHOR
            anchors = [self._bank.ids[anchor] for anchor in anchor_k[found]]
            self._add_similarity(
                similarity_entry(
                    predictions.question_ids[position], anchors, similarity_k[found].tolist()
                )
            )

    def copy_in(self, file: Path) -> None:
        """Copy a file of the run beside the predictions."""
        shutil.copy(file, self._folder / file.name)

    def write_manifest(self, config: AnchorConfig) -> None:
        """Write what is needed to route the predictions, and the manifest."""
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
        """Return (correct, completion tokens, USD) of every model, if known."""
        if self._truth is None or self._outcomes is None:
            return None
        columns = (
            self._truth.correct_qm[row],
            self._outcomes.completion_tokens_am[row],
            self._truth.cost_usd_qm[row],
        )
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def _list_file(
        self, stack: ExitStack, name: str, opening: str, closing: str
    ) -> Callable[[object], None]:
        """Open one JSON list; the stack closes it and puts it in place."""
        draft = stack.enter_context(atomic_file(self._output / name))
        return stack.enter_context(stream_json_array(draft, opening, closing))
