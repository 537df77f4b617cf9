"""A folder of predictions: Parquet shards and all that is needed to route them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from scope.calibration import Calibration, fit_dial
from scope.config import AnchorConfig, Strict, parse
from scope.dial import Dial
from scope.embedder import EmbedderSpec
from scope.errors import ConfigError, FormatError, PredictionsError
from scope.files import read_json, sha256, write_json
from scope.metrics import Truth
from scope.outcomes import Outcomes, read_outcomes_table
from scope.pool import ModelSpec, cost_usd, positions
from scope.predictions import Predictions

FOLDER = "predictions"
MANIFEST = "manifest.json"
OUTCOMES = "outcomes.parquet"
CALIBRATION = "calibration.npz"


class PredictionsManifest(Strict):
    """What the predictions were made of."""

    schema_version: Literal[1] = 1
    n_questions: int = Field(ge=1)
    bank_version: str
    embedder: EmbedderSpec
    anchors: AnchorConfig
    models: tuple[ModelSpec, ...]
    """With the prices that the predicted costs were computed with."""
    files: dict[str, str]
    """SHA-256 of every other file."""


@dataclass(frozen=True, slots=True)
class PredictedSet:
    """Predictions with their prices, the population of their dial and, if known, the truth."""

    predictions: Predictions
    models: tuple[ModelSpec, ...]
    calibration: Calibration | None
    outcomes: Outcomes | None

    def of_pool(self, wanted: tuple[str, ...]) -> "PredictedSet":
        """Return the part of a pool: its models only, in its order."""
        columns = positions(wanted, self.predictions.models, "the predictions")
        return PredictedSet(
            self.predictions.of_pool(wanted),
            tuple(self.models[column] for column in columns),
            self.calibration and self.calibration.columns(columns),
            self.outcomes and self.outcomes.columns(columns),
        )

    def with_prices(self, models: tuple[ModelSpec, ...]) -> "PredictedSet":
        """Return the same predictions at other prices; `models` are in their order."""
        estimates = self.predictions.estimates
        costs = {
            f"cost_usd{end}_qm": cost_usd(
                models,
                estimates.prompt_tokens_qm,
                getattr(estimates, f"completion_tokens{end}_qm"),
            )
            for end in ("", "_low", "_high")
        }
        priced = replace(self.predictions, estimates=replace(estimates, **costs))
        return replace(self, predictions=priced, models=models)

    def dial(self) -> Dial:
        """Fit the dial of exactly these models at these prices.

        Raises
        ------
        ConfigError
            If the bank behind the predictions was never calibrated.
        """
        return fit_dial(self.calibration, self.models)

    def truth(self) -> Truth | None:
        """Return what really happened, at these prices; None if nobody knows."""
        return None if self.outcomes is None else Truth.of(self.outcomes, self.models)


def write_shard(folder: Path, number: int, table: pa.Table) -> None:
    """Write one table as the shard of this number; shards are read in their order."""
    pq.write_table(table, folder / f"part-{number:05d}.parquet", compression="zstd")


def seal(folder: Path, manifest: PredictionsManifest) -> None:
    """Write the manifest with the hashes of all files in `folder`."""
    files = {file.name: sha256(file) for file in sorted(folder.iterdir())}
    sealed = manifest.model_copy(update={"files": files})
    write_json(folder / MANIFEST, sealed.model_dump(mode="json"))


def load_predictions(path: Path) -> PredictedSet:
    """Read a folder of predictions, or the output folder that holds one.

    Raises
    ------
    PredictionsError
        If it is none, or a file is missing, altered or of another form.
    """
    folder = path / FOLDER if (path / FOLDER).is_dir() else path
    if not (folder / MANIFEST).is_file():
        raise PredictionsError(f"{path} holds no predictions: there is no {folder / MANIFEST}")
    try:
        manifest = parse(PredictionsManifest, read_json(folder / MANIFEST), str(folder / MANIFEST))
    except (FormatError, ConfigError) as error:
        raise PredictionsError(str(error)) from error
    for name, expected in manifest.files.items():
        if not (folder / name).is_file() or sha256(folder / name) != expected:
            raise PredictionsError(f"{folder / name} is missing or was altered; predict again")
    shards = [name for name in sorted(manifest.files) if name.startswith("part-")]
    table = pa.concat_tables([pq.read_table(folder / name) for name in shards])
    predictions = Predictions.from_table(table, str(folder))
    outcomes = None
    if OUTCOMES in manifest.files:
        rows = read_outcomes_table(folder / OUTCOMES)
        outcomes = Outcomes.from_table(
            rows, predictions.question_ids, predictions.models, str(folder / OUTCOMES)
        )
    calibration = None
    if CALIBRATION in manifest.files:
        calibration = Calibration.load(folder / CALIBRATION, manifest.anchors)
    return PredictedSet(predictions, manifest.models, calibration, outcomes)
