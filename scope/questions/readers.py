"""Rows of questions as files and folders hold them, unchecked, one at a time."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from scope.errors import QuestionError, join_names, one_line

BATCH_ROWS = 1_024
"""Rows of a Parquet file in memory at a time."""


class SourceRow(NamedTuple):
    """A row, and the words that name where it was found."""

    source: str
    """The file or data set."""
    location: str
    """The line or row of it."""
    row: Any

    def __str__(self) -> str:
        return f"{self.source}: {self.location}"


def iter_rows(path: Path) -> Iterator[SourceRow]:
    """Yield every row of a file, or of the files of a folder in the order of their names.

    Only JSON is read whole; JSON lines and Parquet are streamed.

    Raises
    ------
    QuestionError
        If a file cannot be read, or is not what its name ends in.
    """
    for file in _files(path) if path.is_dir() else [path]:
        if file.suffix not in _READERS:
            raise QuestionError(f"{file} is not a question file; expected {', '.join(_READERS)}")
        try:
            for place, row in _READERS[file.suffix](file):
                yield SourceRow(str(file), place, row)
        except (OSError, UnicodeDecodeError) as error:
            raise QuestionError(f"{file} cannot be read: {error}") from error


def _files(folder: Path) -> list[Path]:
    """Return what `folder` shows; hidden files are somebody else's."""
    files = sorted(file for file in folder.iterdir() if file.name[0] not in "._")
    if not files:
        raise QuestionError(f"{folder} is empty; expected files of {', '.join(_READERS)}")
    return files


def _json_rows(path: Path) -> Iterator[tuple[str, object]]:
    text = path.read_text(encoding="utf-8")
    if not text.strip():
        return
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise QuestionError(f"{path}: line {error.lineno} is not JSON: {error.msg}") from error
    if not isinstance(rows, list):
        raise QuestionError(f"{path} holds a {type(rows).__name__}; expected a list of questions")
    yield from ((f"question {number}", row) for number, row in enumerate(rows, start=1))


def _jsonl_rows(path: Path) -> Iterator[tuple[str, object]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield f"line {number}", json.loads(line)
            except json.JSONDecodeError as error:
                raise QuestionError(f"{path}: line {number} is not JSON: {error.msg}") from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
    except pa.ArrowInvalid as error:
        raise QuestionError(f"{path} is not Parquet: {error}") from error


_READERS = {".json": _json_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}


PUBLISHED_DATASETS = {"id": "Cooolder/SCOPE-60K-final", "ood": "Cooolder/SCOPE-60K-OOD-final"}
"""The data sets of the published method, with splits ``anchor`` and ``test``."""


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A data set that the hub, or a folder laid out like one, holds."""

    name: str
    """``id``, ``ood``, ``owner/name`` or a folder."""
    split: str | None = None
    """May be None where there is only one."""

    def __str__(self) -> str:
        return f"data set {self.name}" + ("" if self.split is None else f", split {self.split}")

    def rows(self) -> Iterator[SourceRow]:
        """Yield every row, streamed: no copy of the data set is made.

        Raises
        ------
        QuestionError
            If there is no such data set or split, or it cannot be reached.
        """
        if Path(self.name).is_file():
            raise QuestionError(
                f"{self.name} is a file; expected id, ood, owner/name or a folder as data set"
            )
        try:
            for number, row in enumerate(self._stream(), start=1):
                yield SourceRow(str(self), f"row {number}", row)
        except QuestionError:
            raise
        except Exception as error:  # the library's own, its HTTP client's, its file readers'
            raise QuestionError(f"{self} cannot be read: {one_line(error)}") from error

    def _stream(self) -> Iterator[object]:
        from datasets import disable_progress_bars, load_dataset

        disable_progress_bars()
        # Its retries are no news: if the last one fails, the error says so.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        splits = load_dataset(PUBLISHED_DATASETS.get(self.name, self.name), streaming=True)
        names = list(splits)
        if self.split is None and len(names) == 1:
            return iter(splits[names[0]])
        if self.split not in names:
            asked = "no split was named" if self.split is None else f"no split {self.split!r}"
            raise QuestionError(
                f"data set {self.name}: {asked}; it has {join_names(sorted(names))}"
            )
        return iter(splits[self.split])
