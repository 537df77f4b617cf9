"""Shards of a run, each written atomically, so that a killed run loses unfinished shards only."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scope.arrays import IntArray
from scope.config import StrictModel, parse
from scope.errors import FormatError, PredictionsError, ScopeError, join_names
from scope.storage.files import atomic_file, read_json, sha256, write_json

SHARD_QUESTIONS = 512
"""Questions in a shard: seconds of work for an encoder, cheap to repeat."""

SETTINGS_FILE = "run.json"


class ShardRecord(StrictModel):
    """Record that marks a shard as finished."""

    failed: int
    """Questions with an error instead of numbers."""
    sha256: dict[str, str]
    """Hash of each table of the shard, by name."""
    config: str
    """Digest of the run's settings."""
    summary: dict[str, Any]
    """What the run wants to know of the shard without reading its tables."""


def split_into_shards(ids: Sequence[str]) -> list[IntArray]:
    """Return the indices of the questions of every shard, in the order of their ids.

    Each shard has `SHARD_QUESTIONS` questions, the last one the rest. One after the other, the
    shards are all questions sorted by id, so they need no merging.
    """
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
    return np.split(order, range(SHARD_QUESTIONS, len(order), SHARD_QUESTIONS))


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """A folder of shards and the settings of their run.

    A shard is one or more Parquet tables, in the order of its questions, and a JSON record that
    is written after them. A shard without a matching record is unfinished.
    """

    path: Path
    config: str

    @classmethod
    def open(cls, path: Path, settings: Mapping[str, Any], *, fresh: bool) -> "ShardFolder":
        """Open the folder of a run, or create it; finished shards of the same settings are kept.

        Parameters
        ----------
        path : Path
        settings : mapping
            Everything that determines the content of the shards.
        fresh : bool
            Delete an existing folder first.

        Raises
        ------
        PredictionsError
            If the folder has other settings and `fresh` is not set; the message names those
            that differ.
        """
        if fresh:
            shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            check_settings_match(read_settings(path), settings, str(path))
        else:
            write_json(path / SETTINGS_FILE, settings)
        return cls(path, settings_digest(settings))

    def record(self, shard: int) -> ShardRecord | None:
        """Return the record of a shard; None if it is unfinished or of other settings."""
        path = self._record_path(shard)
        try:
            record = parse(ShardRecord, read_json(path), str(path))
        except ScopeError:
            return None
        has_tables = all(self.table_path(shard, name).is_file() for name in record.sha256)
        return record if has_tables and record.config == self.config else None

    def write(
        self,
        shard: int,
        tables: Mapping[str, pa.Table],
        *,
        n_failed: int = 0,
        summary: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the tables of a shard by their names, then its record.

        Parameters
        ----------
        shard : int
        tables : mapping of str to Table
            By names that the file names take.
        n_failed : int
            Questions with an error; the next run computes the shard again.
        summary : mapping, optional
            JSON that is kept in the record.
        """
        for name, table in tables.items():
            with atomic_file(self.table_path(shard, name)) as draft:
                pq.write_table(table, draft, compression="zstd")
        record = ShardRecord(
            failed=n_failed,
            sha256={name: sha256(self.table_path(shard, name)) for name in tables},
            config=self.config,
            summary=dict(summary or {}),
        )
        write_json(self._record_path(shard), record.model_dump(mode="json"))

    def is_complete(self, shard: int) -> bool:
        """Return whether a shard matches the hashes in its record and has no failed question."""
        record = self.record(shard)
        if record is None or record.failed:
            return False
        return all(
            sha256(self.table_path(shard, name)) == expected
            for name, expected in record.sha256.items()
        )

    def remove_if_empty(self) -> None:
        """Remove the folder if the run has finished no shard; errors are ignored."""
        if not any(self.path.glob("shard-*.json")):
            shutil.rmtree(self.path, ignore_errors=True)

    def finished_records(self, n_shards: int) -> list[ShardRecord]:
        """Return the records of all shards, in order.

        Raises
        ------
        PredictionsError
            If a shard is missing because its worker wrote it to another disk.
        """
        records = [self.record(shard) for shard in range(n_shards)]
        found = [record for record in records if record is not None]
        if n_missing := n_shards - len(found):
            raise PredictionsError(
                f"{self.path} lacks {n_missing} shards that workers have finished; choose an "
                "output on a disk that all machines of the cluster share"
            )
        return found

    def table_path(self, shard: int, name: str) -> Path:
        """Return the file of a table of a shard."""
        return self.path / f"shard-{shard:06d}.{name}.parquet"

    def _record_path(self, shard: int) -> Path:
        return self.path / f"shard-{shard:06d}.json"


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of settings, independent of the order of their keys."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def check_settings_match(found: Mapping[str, Any], wanted: Mapping[str, Any], where: str) -> None:
    """Raise `PredictionsError` with the names of the settings in which two runs differ."""
    keys = sorted(found.keys() | wanted.keys())
    if changed := [key for key in keys if found.get(key) != wanted.get(key)]:
        raise PredictionsError(
            f"{where} already exists, with different {join_names(changed)}; "
            "choose another output or pass --fresh to start over"
        )


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings of the run in folder `path`.

    Raises
    ------
    PredictionsError
        If they cannot be read.
    """
    try:
        settings = read_json(path / SETTINGS_FILE)
    except FormatError as error:
        raise PredictionsError(f"{error}; remove {path} or pass --fresh") from error
    return settings if isinstance(settings, dict) else {}
