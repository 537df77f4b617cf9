"""Unchecked rows of question files, folders and data sets, as streams."""

import csv
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from scope.errors import QuestionError, join_names, one_line
from scope.text_files import open_text, read_text

BATCH_ROWS = 1_024
"""Rows of a Parquet file in memory at a time."""


class SourceRow(NamedTuple):
    """A row and its location, for messages."""

    source: str
    """File or data set."""
    location: str
    """Line or row in the source."""
    row: Any

    def __str__(self) -> str:
        return f"{self.source}: {self.location}"


def iter_rows(path: Path) -> Iterator[SourceRow]:
    """Yield the rows of a file, or of all files of a folder in the order of their names.

    JSON is read as a whole; JSON lines and Parquet are streamed.

    Raises
    ------
    QuestionError
        If a file cannot be read, or its content does not match its suffix.
    """
    for file in _files(path) if path.is_dir() else [path]:
        if file.suffix not in _READERS:
            raise QuestionError(f"{file} is not a question file; expected {', '.join(_READERS)}")
        try:
            for location, row in _READERS[file.suffix](file):
                yield SourceRow(str(file), location, row)
        except (OSError, UnicodeDecodeError) as error:
            raise QuestionError(f"{file} cannot be read: {error}") from error


def _files(folder: Path) -> list[Path]:
    """Return the files of `folder` whose names do not start with a dot or an underscore."""
    files = sorted(file for file in folder.iterdir() if file.name[0] not in "._")
    if not files:
        raise QuestionError(f"{folder} is empty; expected files of {', '.join(_READERS)}")
    return files


def _json_rows(path: Path) -> Iterator[tuple[str, object]]:
    text = read_text(path)
    if not text.strip():
        return
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise QuestionError(f"{path}: line {error.lineno} is not JSON: {error.msg}") from error
    if not isinstance(rows, list):
        raise QuestionError(f"{path} is a {type(rows).__name__}; expected a list of questions")
    yield from ((f"question {number}", row) for number, row in enumerate(rows, start=1))


def _jsonl_rows(path: Path) -> Iterator[tuple[str, object]]:
    with open_text(path) as lines:
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


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the rows of a file whose first line names the fields; an empty field is unknown."""
    with open_text(path, newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    raise QuestionError(f"{path}: row {number} has not as many fields as the first")
                yield f"row {number}", {name: text or None for name, text in row.items()}
        except csv.Error as error:
            line = reader.line_num + 1
            raise QuestionError(f"{path}: line {line} is not CSV: {error}") from error


_READERS = {
    ".json": _json_rows,
    ".jsonl": _jsonl_rows,
    ".parquet": _parquet_rows,
    ".csv": _csv_rows,
}


PUBLISHED_DATASETS = {"id": "Cooolder/SCOPE-60K-final", "ood": "Cooolder/SCOPE-60K-OOD-final"}
"""Data sets of the published method, with splits ``anchor`` and ``test``."""


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A data set on the Hugging Face hub, or a folder with the same layout."""

    name: str
    """``id``, ``ood``, ``owner/name`` or a folder."""
    split: str | None = None
    """May be None if the data set has only one."""

    def __str__(self) -> str:
        return f"data set {self.name}" + ("" if self.split is None else f", split {self.split}")

    def rows(self) -> Iterator[SourceRow]:
        """Yield every row; the data set is streamed, not downloaded as a whole.

        Raises
        ------
        QuestionError
            If the data set or split does not exist, or cannot be reached.
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
        except Exception as error:  # of `datasets`, its HTTP client or its file readers
            raise QuestionError(f"{self} cannot be read: {one_line(error)}") from error

    def _stream(self) -> Iterator[object]:
        from datasets import disable_progress_bars, load_dataset

        disable_progress_bars()
        # Hide warnings about retries; if the last retry fails, the error is reported.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        splits = load_dataset(PUBLISHED_DATASETS.get(self.name, self.name), streaming=True)
        names = list(splits)
        if self.split is None and len(names) == 1:
            return iter(splits[names[0]])
        if self.split not in names:
            problem = "no split was named" if self.split is None else f"no split {self.split!r}"
            raise QuestionError(
                f"data set {self.name}: {problem}; it has {join_names(sorted(names))}"
            )
        return iter(splits[self.split])
