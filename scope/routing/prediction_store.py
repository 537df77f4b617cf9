"""A folder of predictions: Parquet shards, reference population, outcomes and a manifest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from scope.arms import ArmColumns
from scope.arrays import FloatArray
from scope.bank import ReferencePopulation, RoutingGain
from scope.config import AnchorConfig, StrictModel, parse
from scope.embedding import EmbedderSpec, is_none
from scope.errors import ConfigError, FormatError, PredictionsError, one_line
from scope.outcomes import Outcomes, read_outcomes_batches
from scope.policy import BillRatio
from scope.pool import ModelSpec
from scope.predictions import COLUMNS, Predictions
from scope.reasoner import ReasonerSpec
from scope.routing.prediction_set import PredictionSet, outcomes_of
from scope.storage import read_json, sha256, write_json

FOLDER = "predictions"
MANIFEST = "manifest.json"
OUTCOMES = "outcomes.parquet"
REFERENCE = "reference.npz"
PART, NEIGHBOURS = "part", "neighbours"
"""Tables of a shard: a row a question and model, and a row a question with its nearest anchors."""
P_YES = "p_yes"
"""Column of the reasoner's own probabilities; absent without a reasoner, null where it did not
answer."""


class PredictionsManifest(StrictModel):
    """Description of stored predictions, with the hashes of the files."""

    schema_version: Literal[1] = 1
    n_questions: int = Field(ge=1)
    bank_version: str
    """Of the bank, or of the learned router, that predicted."""
    embedder: EmbedderSpec | None = None
    """None where a learned router read the texts."""
    anchors: AnchorConfig
    models: tuple[ModelSpec, ...]
    """With the prices of the predicted costs."""
    routing_gain: RoutingGain | None = None
    """Whether routing pays on the bank; None where its fit has not found out."""
    bill_ratio: BillRatio | None = Field(default=None, exclude_if=is_none)
    """That of the reference population; None where it has none."""
    reasoner: ReasonerSpec | None = None
    """The reasoner that was queried; None if none was."""
    files: dict[str, str]
    """SHA-256 of every file except the manifest."""

    def shards(self, name: str) -> list[str]:
        """Return the files of table `name` of every shard, in order."""
        return sorted(file for file in self.files if file.startswith(f"{name}-"))


def shard_file(name: str, number: int) -> str:
    """Return the file name of table `name` of a shard; shards are read in order of `number`."""
    return f"{name}-{number:05d}.parquet"


def write_shard(folder: Path, number: int, table: pa.Table) -> None:
    """Write all models of some questions as shard `number`."""
    pq.write_table(table, folder / shard_file(PART, number), compression="zstd")


def write_manifest(folder: Path, manifest: PredictionsManifest) -> None:
    """Write the manifest with the hashes of all files in `folder`."""
    files = {file.name: sha256(file) for file in sorted(folder.iterdir())}
    sealed = manifest.model_copy(update={"files": files})
    write_json(folder / MANIFEST, sealed.model_dump(mode="json"))


@dataclass(frozen=True, slots=True)
class StoredPredictions:
    """Predictions on disk, read shard by shard, any number of times.

    The reference population and the outcomes, if known, are in memory: 12 bytes for each
    question and model.
    """

    path: Path
    manifest: PredictionsManifest
    models: tuple[ModelSpec, ...]
    reference: ReferencePopulation | None
    outcomes: Outcomes | None
    """In single precision, in the order of the shards."""
    has_means: bool = False
    """Whether all questions get the mean estimates of the models."""

    @classmethod
    def open(cls, path: Path) -> "StoredPredictions":
        """Check a folder of predictions, or the output folder that holds one.

        Raises
        ------
        PredictionsError
            If it is not one, or a file is missing, altered or in another format.
        """
        folder = path / FOLDER if (path / FOLDER).is_dir() else path
        manifest = _manifest(path, folder)
        reference = None
        if REFERENCE in manifest.files:
            reference = ReferencePopulation.load(
                folder / REFERENCE, manifest.anchors, manifest.bill_ratio
            )
        opened = cls(folder, manifest, manifest.models, reference, None)
        return replace(opened, outcomes=opened._known_outcomes())

    @property
    def model_ids(self) -> tuple[str, ...]:
        """Names of the models, in their order."""
        return tuple(model.id for model in self.models)

    @property
    def routing_gain(self) -> RoutingGain | None:
        """Whether routing pays on the bank; None where that is unknown."""
        return self.manifest.routing_gain

    def with_means(self) -> "StoredPredictions":
        """Return the same questions, each with the mean estimates of the models."""
        reference = self.reference and self.reference.without_bill_ratio()
        return replace(self, reference=reference, has_means=True)

    def select_models(self, wanted: tuple[str, ...]) -> "StoredPredictions":
        """Return the part of a pool, in its order; several samples of a model are derived."""
        arms = ArmColumns.resolve(wanted, self.models, "the predictions")
        return replace(
            self,
            models=arms.models,
            reference=self.reference and self.reference.select_arms(arms),
            outcomes=self.outcomes and outcomes_of(self.outcomes, arms),
        )

    def iter_shards(self, columns: Sequence[str] = COLUMNS) -> Iterator[PredictionSet]:
        """Yield the questions shard by shard.

        Parameters
        ----------
        columns : sequence of str
            Estimates to read; the others are NaN.

        Raises
        ------
        PredictionsError
            If a shard is not a grid of the models in the manifest.
        """
        first = 0
        arms = ArmColumns.resolve(self.model_ids, self.manifest.models, "the predictions")
        # The cost of several samples needs the tokens of one.
        for predictions in self._predictions(COLUMNS if arms.is_derived else columns):
            rows = slice(first, first + len(predictions.question_ids))
            outcomes = self.outcomes and self.outcomes.select_questions(rows)
            estimates = arms.estimates(predictions.estimates)
            selected = replace(predictions, models=self.model_ids, estimates=estimates)
            shard = PredictionSet(
                selected, self.models, self.reference, outcomes, self.routing_gain
            )
            yield shard.with_means() if self.has_means else shard
            first = rows.stop

    def p_yes(self) -> FloatArray:
        """Return the reasoner's own probabilities, in the order of the shards.

        Returns
        -------
        ndarray of shape (n_questions, n_models)
            Columns are the models of the manifest; NaN where it did not answer.

        Raises
        ------
        PredictionsError
            If the predictions are those of the anchors, or were made before these were kept.
        """
        parts = []
        for name in self.manifest.shards(PART):
            with pq.ParquetFile(self.path / name, pre_buffer=False) as file:
                table = file.read([P_YES], use_threads=False)
            if P_YES not in table.column_names:
                raise PredictionsError(
                    f"{self.path} has no column {P_YES}; predict again with --predictor scope"
                )
            parts.append(table[P_YES].to_numpy().astype(np.float64))
        p_yes_qm: FloatArray = np.concatenate(parts).reshape(-1, len(self.manifest.models))
        return p_yes_qm

    def iter_neighbours(self) -> Iterator[list[dict[str, Any]]]:
        """Yield ``question_id``, ``anchor_id`` and ``similarity`` of the questions by shard.

        Raises
        ------
        PredictionsError
            If a learned router predicted, or the predictions were made before these were kept.
        """
        names = self.manifest.shards(NEIGHBOURS)
        if not names:
            raise PredictionsError(
                f"{self.path} lacks the nearest anchors of its questions; predict again from a "
                "bank with --fresh"
            )
        for name in names:
            yield pq.read_table(self.path / name, use_threads=False).to_pylist()

    def load_all(self) -> PredictionSet:
        """Read all shards."""
        predictions = Predictions.concatenate([s.predictions for s in self.iter_shards()])
        outcomes = self.outcomes and self.outcomes.select_questions(slice(None))
        return PredictionSet(predictions, self.models, self.reference, outcomes, self.routing_gain)

    def _predictions(self, columns: Sequence[str]) -> Iterator[Predictions]:
        expected = tuple(model.id for model in self.manifest.models)
        for name in self.manifest.shards(PART):
            try:
                with pq.ParquetFile(self.path / name, pre_buffer=False) as file:
                    table = file.read(["question_id", "model", *columns], use_threads=False)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError) as error:
                raise PredictionsError(
                    f"{self.path / name} cannot be read: {one_line(error)}; predict again"
                ) from error
            predictions = Predictions.from_table(table, str(self.path / name), columns)
            if predictions.models != expected:
                raise PredictionsError(f"{self.path / name} is not of the models in {MANIFEST}")
            yield predictions

    def _known_outcomes(self) -> Outcomes | None:
        """Read the outcomes; None if unknown."""
        if OUTCOMES not in self.manifest.files:
            return None
        ids = [pa.array(p.question_ids, pa.string()) for p in self._predictions(())]
        path = self.path / OUTCOMES
        rows = read_outcomes_batches(path)
        return Outcomes.from_batches(
            rows, pa.concat_arrays(ids), self.model_ids, str(path), np.float32
        )


def load_predictions(path: Path) -> PredictionSet:
    """Read all of a folder of predictions, or of the output folder that holds one.

    Raises
    ------
    PredictionsError
        If it is not one, or a file is missing, altered or in another format.
    """
    return StoredPredictions.open(path).load_all()


def _manifest(path: Path, folder: Path) -> PredictionsManifest:
    """Read the manifest and compare every file with its hash."""
    if not (folder / MANIFEST).is_file():
        raise PredictionsError(f"{path} holds no predictions: there is no {folder / MANIFEST}")
    try:
        manifest = parse(PredictionsManifest, read_json(folder / MANIFEST), str(folder / MANIFEST))
    except (FormatError, ConfigError) as error:
        raise PredictionsError(str(error)) from error
    for name, expected in manifest.files.items():
        if not (folder / name).is_file() or sha256(folder / name) != expected:
            raise PredictionsError(f"{folder / name} is missing or was altered; predict again")
    if not manifest.shards(PART):
        raise PredictionsError(f"{folder} holds no prediction; predict again")
    return manifest
