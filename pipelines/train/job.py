"""A training job as a folder: rows of token ids, settings, checkpoints, and the best weights."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from scope.arrays import FloatArray
from scope.config import StrictModel, parse
from scope.errors import ConfigError
from scope.learned import BaseEncoder, Loss
from scope.storage import atomic_file, check_settings_match, check_writable, read_json, write_json

SETTINGS = "job.json"
BEST = "best.safetensors"
RESULT = "result.json"
Part = Literal["train", "validation"]
Job = TypeVar("Job", bound=StrictModel)


class TrainSettings(StrictModel):
    """How a network is trained."""

    epochs: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=3e-5, gt=0)
    batch_size: int = Field(default=32, ge=1)
    """Texts or pairs of one step, all workers together."""
    seed: int = 0
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_share: float = Field(default=0.05, ge=0, le=1)
    patience: int = Field(default=2, ge=1)
    """Epochs without a lower validation loss after which training stops."""
    n_workers: int = Field(default=1, ge=1)
    gpus_per_worker: float = Field(default=0.0, ge=0)


class TrainJob(StrictModel):
    """Everything that the trained weights depend on, besides the rows."""

    encoder: BaseEncoder
    settings: TrainSettings
    loss: Loss | Literal["pairs"]
    """A loss of a router, or the pairwise logistic loss of a reward model."""
    n_logits: int = Field(ge=1)
    pad_id: int
    source_position: int
    digest: str
    """SHA-256 of the rows."""


class TrainResult(StrictModel):
    """What a finished training reports."""

    validation_loss: float
    """The lowest one, whose weights are kept."""
    epochs: float
    """Epochs until training stopped."""
    steps: int
    still_fell: bool = False
    """Whether the last epoch had the lowest validation loss: more training may help."""


class WorkingFolder(Generic[Job]):
    """The working folder of one training: settings, rows, and what the loop leaves there.

    Parameters
    ----------
    path : Path
    job_type : type
        Class of the settings.
    """

    def __init__(self, path: Path, job_type: type[Job]) -> None:
        self.path, self._job_type = path, job_type

    def open(self, job: Job, parts: dict[Part, pa.Table]) -> None:
        """Create the folder with its rows, or check that it holds the same job.

        Raises
        ------
        ConfigError
            If it holds another job.
        """
        check_writable(self.path)
        settings = job.model_dump(mode="json")
        if (self.path / SETTINGS).exists():
            check_settings_match(read_json(self.path / SETTINGS), settings, str(self.path))
            return
        for part, table in parts.items():
            with atomic_file(self.path / f"{part}.parquet") as draft:
                pq.write_table(table, draft)
        write_json(self.path / SETTINGS, settings)

    def job(self) -> Job:
        """Read the settings."""
        return parse(self._job_type, read_json(self.path / SETTINGS), str(self.path / SETTINGS))

    def rows(self, part: Part) -> list[dict[str, Any]]:
        """Read the rows of a part."""
        rows: list[dict[str, Any]] = pq.read_table(self.path / f"{part}.parquet").to_pylist()
        return rows

    def n_rows(self, part: Part) -> int:
        """Return the number of rows of a part."""
        return int(pq.read_metadata(self.path / f"{part}.parquet").num_rows)


class JobFolder(WorkingFolder[TrainJob]):
    """The working folder of a router or a reward model."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, TrainJob)

    @property
    def result(self) -> TrainResult | None:
        """The result; None if training has not finished."""
        path = self.path / RESULT
        return parse(TrainResult, read_json(path), str(path)) if path.exists() else None

    def finish(self, result: TrainResult) -> None:
        """Write the result: the job is done."""
        write_json(self.path / RESULT, result.model_dump(mode="json"))


def router_rows(ids: Sequence[Sequence[int]], label_qm: FloatArray) -> pa.Table:
    """Return a table of token ids and labels; a text without ids is left out."""
    kept = [n for n, row in enumerate(ids) if len(row)]
    return pa.table(
        {
            "input_ids": pa.array([ids[n] for n in kept], pa.list_(pa.int32())),
            "labels": pa.array(label_qm[kept].astype(np.float32).tolist(), pa.list_(pa.float32())),
        }
    )


def pair_rows(chosen: Sequence[Sequence[int]], rejected: Sequence[Sequence[int]]) -> pa.Table:
    """Return a table of token ids of chosen and rejected responses."""
    kept = [n for n in range(len(chosen)) if len(chosen[n]) and len(rejected[n])]
    return pa.table(
        {
            "chosen": pa.array([chosen[n] for n in kept], pa.list_(pa.int32())),
            "rejected": pa.array([rejected[n] for n in kept], pa.list_(pa.int32())),
        }
    )


def check_output(output: Path, *, fresh: bool) -> None:
    """Raise `ConfigError` if `output` exists and is not to be replaced."""
    if output.exists() and not fresh:
        raise ConfigError(f"{output} exists; choose another folder or pass --fresh to replace it")


def working_folder(output: Path, *, fresh: bool) -> Path:
    """Return the folder of checkpoints beside `output`, absolute; empty if `fresh`."""
    # Workers have another working directory: the path must be absolute.
    unfinished = output.resolve().with_name(f".{output.name}.unfinished")
    if fresh:
        shutil.rmtree(unfinished, ignore_errors=True)
    return unfinished


def digest_of(tables: dict[Part, pa.Table]) -> str:
    """Return the SHA-256 of the rows of a job."""
    content = {part: table.to_pydict() for part, table in tables.items()}
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
