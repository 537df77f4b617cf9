"""Shards of a run, each written atomically, so that a killed run loses unfinished shards only."""

import hashlib
import json
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scope.arrays import IntArray
from scope.config import StrictModel, parse
from scope.errors import FormatError, PredictionsError, ScopeError, join_names
from scope.storage.files import atomic_file, read_json, sha256, write_json

SHARD_QUESTIONS = 512
"""Approximate questions in a shard: seconds of work for an encoder, cheap to repeat."""

ROW_GROUP_SIZE = 64
"""Rows read at once from each shard when shards are merged."""

SETTINGS_FILE = "run.json"


class ShardRecord(StrictModel):
    """Record that marks a shard as finished."""

    rows: int
    failed: int
    """Rows with an error instead of numbers."""
    sha256: str
    config: str
    """Digest of the run's settings."""


def assign_shards(ids: Sequence[str]) -> IntArray:
    """Return the shard of every question: a hash of its id modulo the number of shards.

    The number of shards depends only on the number of questions.
    """
    n_shards = max(1, -(-len(ids) // SHARD_QUESTIONS))
    return np.array([zlib.crc32(id_.encode()) % n_shards for id_ in ids], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """A folder of shards and the settings of their run.

    A shard is a Parquet file with one row per question, sorted by ``question_id``, and a JSON
    record that is written after it. A shard without a matching record is unfinished. Column
    ``error`` has the reason why a row failed, and is empty for other rows.
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
        is_finished = self._table_path(shard).is_file() and record.config == self.config
        return record if is_finished else None

    def write(self, shard: int, table: pa.Table) -> None:
        """Write a shard, then its record."""
        ordered = table.sort_by("question_id")
        path = self._table_path(shard)
        with atomic_file(path) as draft:
            pq.write_table(ordered, draft, compression="zstd", row_group_size=ROW_GROUP_SIZE)
        record = ShardRecord(
            rows=table.num_rows,
            failed=pc.sum(pc.not_equal(table["error"], "")).as_py() or 0,
            sha256=sha256(path),
            config=self.config,
        )
        write_json(self._record_path(shard), record.model_dump(mode="json"))

    def is_complete(self, shard: int) -> bool:
        """Return whether a shard matches the hash in its record and has no failed row."""
        record = self.record(shard)
        if record is None or record.failed:
            return False
        return sha256(self._table_path(shard)) == record.sha256

    def remove_if_empty(self) -> None:
        """Remove the folder if the run has finished no shard; errors are ignored."""
        if not any(self.path.glob("shard-*.json")):
            shutil.rmtree(self.path, ignore_errors=True)

    def iter_merged(self, ids: Sequence[str], n_rows: int = SHARD_QUESTIONS) -> Iterator[pa.Table]:
        """Yield tables of all questions sorted by id, with bounded memory.

        Parameters
        ----------
        ids : sequence of str
            All questions of the run.
        n_rows : int
            Rows of each table; the last may have fewer.

        Raises
        ------
        PredictionsError
            If a shard is missing because its worker wrote it to another disk.
        """
        order = sorted(range(len(ids)), key=ids.__getitem__)
        shard_n = assign_shards(ids)[order]
        self._check_complete(np.unique(shard_n))
        readers = {
            shard: _ShardReader(self._table_path(int(shard))) for shard in np.unique(shard_n)
        }
        for start in range(0, len(order), n_rows):
            shards, counts = np.unique(shard_n[start : start + n_rows], return_counts=True)
            parts = [readers[shard].take(int(n)) for shard, n in zip(shards, counts, strict=True)]
            yield pa.concat_tables(parts).sort_by("question_id").combine_chunks()

    def _check_complete(self, shards: IntArray) -> None:
        if n_missing := sum(not self._table_path(int(shard)).is_file() for shard in shards):
            raise PredictionsError(
                f"{self.path} lacks {n_missing} shards that workers have finished; choose an "
                "output on a disk that all machines of the cluster share"
            )

    def _table_path(self, shard: int) -> Path:
        return self.path / f"shard-{shard:06d}.parquet"

    def _record_path(self, shard: int) -> Path:
        return self.path / f"shard-{shard:06d}.json"


class _ShardReader:
    """Reads the rows of one shard in order, a few at a time.

    The file is opened again for every row group: an open file keeps buffers, and there are as
    many readers as shards.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._group, self._offset = path, 0, 0
        self._rows: pa.Table | None = None

    def take(self, n_rows: int) -> pa.Table:
        """Return the next `n_rows` rows."""
        parts, n_left = [], n_rows
        while n_left:
            if self._rows is None or self._offset == self._rows.num_rows:
                with pq.ParquetFile(self._path, pre_buffer=False) as file:
                    self._rows = file.read_row_group(self._group, use_threads=False)
                self._group, self._offset = self._group + 1, 0
            part = self._rows.slice(self._offset, n_left)
            self._offset, n_left = self._offset + part.num_rows, n_left - part.num_rows
            parts.append(part)
        return pa.concat_tables(parts)


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
