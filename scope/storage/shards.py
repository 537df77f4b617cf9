"""Finished parts of a run, each put in place whole, so that a killed run loses only the rest."""

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
"""Questions of a shard, about: seconds of work for an encoder, little enough to lose."""

ROW_GROUP_SIZE = 64
"""Rows read at once from each shard when all are merged."""

SETTINGS_FILE = "run.json"


class ShardRecord(StrictModel):
    """What says that a shard is finished."""

    rows: int
    failed: int
    """Rows that hold an error instead of numbers."""
    sha256: str
    config: str
    """Digest of the run's settings."""


def assign_shards(ids: Sequence[str]) -> IntArray:
    """Return the shard of every question: by a hash of its id, whatever the others are called.

    The number of shards follows from that of the questions alone.
    """
    n_shards = max(1, -(-len(ids) // SHARD_QUESTIONS))
    return np.array([zlib.crc32(name.encode()) % n_shards for name in ids], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """A folder of shards and the settings they were made with.

    A shard is a Parquet file of one row a question, sorted by ``question_id``, and a record
    beside it, written after it. Without a record that fits there is no shard. Column
    ``error`` says why a row failed, and is empty where none did.
    """

    path: Path
    config: str

    @classmethod
    def open(cls, path: Path, settings: Mapping[str, Any], *, fresh: bool) -> "ShardFolder":
        """Return the folder of a run with these settings, with what it has finished before.

        Raises
        ------
        PredictionsError
            If it holds shards of other settings and `fresh` is not set; names them.
        """
        if fresh:
            shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            check_settings_match(read_settings(path), settings, str(path))
        else:
            write_json(path / SETTINGS_FILE, settings)
        return cls(path, settings_digest(settings))

    def record(self, shard: int) -> ShardRecord | None:
        """Return the record of a finished shard; None if it is not, or not of these settings."""
        try:
            record = parse(ShardRecord, read_json(self._record(shard)), str(self._record(shard)))
        except ScopeError:
            return None
        whole = self._table(shard).is_file() and record.config == self.config
        return record if whole else None

    def write(self, shard: int, table: pa.Table) -> None:
        """Put a shard in place, then its record."""
        ordered = table.sort_by("question_id")
        with atomic_file(self._table(shard)) as draft:
            pq.write_table(ordered, draft, compression="zstd", row_group_size=ROW_GROUP_SIZE)
        record = ShardRecord(
            rows=table.num_rows,
            failed=pc.sum(pc.not_equal(table["error"], "")).as_py() or 0,
            sha256=sha256(self._table(shard)),
            config=self.config,
        )
        write_json(self._record(shard), record.model_dump(mode="json"))

    def is_complete(self, shard: int) -> bool:
        """Say whether a shard has the bytes its record names, and no row of it failed."""
        record = self.record(shard)
        if record is None or record.failed:
            return False
        return sha256(self._table(shard)) == record.sha256

    def remove_if_empty(self) -> None:
        """Remove the folder of a run that finished no shard, if that can be done."""
        if not any(self.path.glob("shard-*.json")):
            shutil.rmtree(self.path, ignore_errors=True)

    def iter_merged(self, ids: Sequence[str], n_rows: int = SHARD_QUESTIONS) -> Iterator[pa.Table]:
        """Yield all questions sorted by id, a few at a time; a little of each shard in memory.

        Raises
        ------
        PredictionsError
            If a shard is not there: its worker has written it to another disk.
        """
        order = sorted(range(len(ids)), key=ids.__getitem__)
        shard_n = assign_shards(ids)[order]
        self._check_complete(np.unique(shard_n))
        readers = {shard: _ShardReader(self._table(int(shard))) for shard in np.unique(shard_n)}
        for start in range(0, len(order), n_rows):
            wanted, counts = np.unique(shard_n[start : start + n_rows], return_counts=True)
            parts = [readers[shard].take(int(n)) for shard, n in zip(wanted, counts, strict=True)]
            yield pa.concat_tables(parts).sort_by("question_id").combine_chunks()

    def _check_complete(self, shards: IntArray) -> None:
        if absent := sum(not self._table(int(shard)).is_file() for shard in shards):
            raise PredictionsError(
                f"{self.path} lacks {absent} shards that workers have finished; choose an output "
                "on a disk that all machines of the cluster share"
            )

    def _table(self, shard: int) -> Path:
        return self.path / f"shard-{shard:06d}.parquet"

    def _record(self, shard: int) -> Path:
        return self.path / f"shard-{shard:06d}.json"


class _ShardReader:
    """Rows of one shard in their order, a few at a time.

    The file is opened anew for every group of rows: an open one keeps buffers, and there
    are as many readers as shards.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._group, self._at = path, 0, 0
        self._rest: pa.Table | None = None

    def take(self, n_rows: int) -> pa.Table:
        """Return the next rows."""
        parts, wanted = [], n_rows
        while wanted:
            if self._rest is None or self._at == self._rest.num_rows:
                with pq.ParquetFile(self._path, pre_buffer=False) as file:
                    self._rest, self._at = file.read_row_group(self._group, use_threads=False), 0
                self._group += 1
            part = self._rest.slice(self._at, wanted)
            self._at, wanted = self._at + part.num_rows, wanted - part.num_rows
            parts.append(part)
        return pa.concat_tables(parts)


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of settings, whatever the order of their keys."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def check_settings_match(found: Mapping[str, Any], wanted: Mapping[str, Any], where: str) -> None:
    """Raise `PredictionsError` naming every setting in which two runs differ."""
    keys = sorted(found.keys() | wanted.keys())
    if changed := [key for key in keys if found.get(key) != wanted.get(key)]:
        raise PredictionsError(
            f"{where} is there already, with different {join_names(changed)}; "
            "choose another output or pass --fresh to start over"
        )


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings that a run left in its folder.

    Raises
    ------
    PredictionsError
        If there are none.
    """
    try:
        settings = read_json(path / SETTINGS_FILE)
    except FormatError as error:
        raise PredictionsError(f"{error}; remove {path} or pass --fresh") from error
    return settings if isinstance(settings, dict) else {}
