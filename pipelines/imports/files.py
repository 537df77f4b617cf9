"""Find and read the files of evaluation logs; damage is one sentence."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scope.errors import FormatError, QuestionError
from scope.json_text import parse_json
from scope.questions import iter_rows, row_prompt
from scope.text_files import read_text


def log_files(paths: Sequence[Path], *patterns: str) -> list[Path]:
    """Return the files that are named, and those below named folders that match a pattern.

    Raises
    ------
    FormatError
        If a path does not exist, a folder has no such file, or a file is named twice.
    """
    files = list[Path]()
    for path in paths:
        if path.is_dir():
            found = sorted({file for pattern in patterns for file in path.rglob(pattern)})
            if not found:
                raise FormatError(f"{path} has no file of the name {' or '.join(patterns)}")
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise FormatError(f"{path} does not exist; expected a file or a folder")
    seen = set[Path]()
    for file in files:
        if file.resolve() in seen:
            raise FormatError(f"{file} is named twice; expected each file once")
        seen.add(file.resolve())
    return files


def read_json(path: Path) -> Any:  # noqa: ANN401 (JSON)
    """Return the value of a JSON file; NaN is allowed, as evaluation programs write it.

    Raises
    ------
    FormatError
        If it cannot be read, or is not JSON: cut in half, for example.
    """
    try:
        return parse_json(read_text(path), str(path), allow_nan=True)
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from error


def log_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield location and row of JSON lines, CSV or Parquet; raises `FormatError`."""
    empty = True
    try:
        for row in iter_rows(path):
            if not isinstance(row.row, Mapping):
                kind = type(row.row).__name__
                raise FormatError(f"{row} is a {kind}; expected an object")
            empty = False
            yield str(row), row.row
    except QuestionError as error:
        raise FormatError(str(error)) from error
    if empty:
        raise FormatError(f"{path} has no rows; expected at least one")


def chat_text(messages: object, location: str) -> str:
    """Return the text on which the endpoint would decide for a list of messages.

    Raises
    ------
    FormatError
        If it is no list of messages, or has no text of the user.
    """
    try:
        return row_prompt({"messages": messages}, (), location)
    except QuestionError as error:
        raise FormatError(str(error)) from error
