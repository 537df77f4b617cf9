"""Unchecked rows of question files, folders and data sets, as streams."""

import csv
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from scope.errors import FormatError, QuestionError, join_names, one_line
from scope.json_text import parse_json, parse_json_line
from scope.text_files import GZIP, open_bytes, open_text, read_text

BATCH_ROWS = 1_024
"""Rows of a Parquet file in memory at a time."""

MAX_FIELD_CHARS = 1 << 30
"""Longest field of a CSV file; Python's own limit is shorter than a prompt may be."""


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

    JSON is read as a whole; JSON lines, CSV and Parquet are streamed.

    Raises
    ------
    QuestionError
        If a file cannot be read, or its content does not match its suffix.
    """
    for file in _files(path) if path.is_dir() else [path]:
        kind = _kind(file)
        if kind not in _READERS:
            raise QuestionError(
                f"{file} is not a question file; expected {', '.join(_READERS)}, or one of the "
                f"first four with {GZIP} after it"
            )
        try:
            for location, row in _READERS[kind](file):
                yield SourceRow(str(file), location, row)
        except FormatError as error:
            raise QuestionError(str(error)) from error
        except UnicodeDecodeError as error:
            raise QuestionError(_not_text(file, error)) from error
        except OSError as error:
            raise QuestionError(f"{file} cannot be read: {error}") from error


def _files(folder: Path) -> list[Path]:
    """Return the files of `folder` whose names do not start with a dot or an underscore."""
    files = sorted(file for file in folder.iterdir() if file.name[0] not in "._")
    if not files:
        raise QuestionError(f"{folder} is empty; expected files of {', '.join(_READERS)}")
    return files


def _kind(file: Path) -> str:
    """Return the suffix that names the format: of ``questions.jsonl.gz`` it is ``.jsonl``."""
    suffix = file.suffix.lower()
    if suffix != GZIP:
        return suffix
    inner = Path(file.stem).suffix.lower()
    return suffix if inner == ".parquet" else inner  # Parquet is compressed by itself


def _not_text(path: Path, error: UnicodeDecodeError) -> str:
    """Return the message about the first line that is not in the encoding of its file."""
    if error.encoding != "utf-8":
        return f"{path} is not text in {error.encoding}, which its first bytes announce"
    with open_bytes(path) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                found = f"byte 0x{line[error.start]:02x} at position {error.start + 1}"
                return f"{path}: line {number} has {found}; expected text in UTF-8"
    return f"{path} is not text in UTF-8"


def _json_rows(path: Path) -> Iterator[tuple[str, object]]:
    text = read_text(path)
    if not text.strip():
        return
    rows = parse_json(text, str(path))
    if not isinstance(rows, list):
        raise QuestionError(f"{path} is a {type(rows).__name__}; expected a list of questions")
    yield from ((f"question {number}", row) for number, row in enumerate(rows, start=1))


def _jsonl_rows(path: Path) -> Iterator[tuple[str, object]]:
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"line {number}", parse_json_line(line, f"{path}: line {number}")


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the rows of a file whose first line names the fields; an empty field is unknown."""
    csv.field_size_limit(MAX_FIELD_CHARS)
    with open_text(path, newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            names = reader.fieldnames or ()
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise QuestionError(f"{path}: line 1 names the field {twice!r} twice")
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    raise QuestionError(f"{path}: row {number} has not as many fields as the first")
                yield f"row {number}", {name: text or None for name, text in row.items()}
        except csv.Error as error:
            line = reader.line_num + 1
            raise QuestionError(f"{path}: line {line} is not CSV: {error}") from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise QuestionError(f"{path} has the column {twice!r} twice")
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise QuestionError(f"{path} is not Parquet: {one_line(error)}") from error


_READERS = {
    ".json": _json_rows,
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
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
