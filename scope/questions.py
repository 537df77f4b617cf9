"""A set of questions as values, and the files it may come from."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scope.errors import QuestionError

MAX_PROMPT_CHARS = 65_536
"""Longest prompt accepted; the models routed to hold about as much."""

ID_FIELDS = ("question_id", "id")
PROMPT_FIELDS = ("prompt", "question")
GOLD_FIELDS = ("gt", "gold")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions in file order; a gold answer or grader is None where nobody told it."""

    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    categories: tuple[str, ...]
    golds: tuple[str | None, ...]
    graders: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def sample(self, n: int) -> "Questions":
        """Return `n` of them, drawn by a hash of their ids, in the same order."""
        kept = hashed_sample(self.ids, n)
        return Questions(
            tuple(self.ids[q] for q in kept),
            tuple(self.prompts[q] for q in kept),
            tuple(self.categories[q] for q in kept),
            tuple(self.golds[q] for q in kept),
            tuple(self.graders[q] for q in kept),
        )


def hashed_sample(ids: Sequence[str], n: int) -> list[int]:
    """Return rising places of `n` ids drawn by their hash.

    The same ids give the same sample in any order and on any machine, and none
    is favoured by its place in a file.
    """
    order = sorted(range(len(ids)), key=lambda q: hashlib.sha256(ids[q].encode()).digest())
    return sorted(order[:n])


def read_questions(path: Path, *, split: str | None = None, limit: int | None = None) -> Questions:
    """Read a question file: ``.json``, ``.jsonl`` or ``.parquet``.

    Parameters
    ----------
    path : Path
        Rows of ``id`` (or ``question_id``), ``prompt`` (or ``question``) and,
        where known, ``category``, ``gt`` (or ``gold``) and ``grader``.
    split : str, optional
        Keep only rows whose ``split`` is this.
    limit : int, optional
        Keep only the first rows.

    Raises
    ------
    QuestionError
        If the file is unreadable, empty, lacks a prompt, repeats an id, or holds
        a prompt that is not text or longer than `MAX_PROMPT_CHARS`. The message
        names the row.
    """
    numbered = [
        (place, row) for place, row in _rows(path) if split is None or row.get("split") == split
    ][:limit]
    if not numbered:
        wanted = "" if split is None else f" of split {split!r}"
        raise QuestionError(f"{path} holds no question{wanted}; expected at least one")
    checked = [_checked(row, f"{path}: {place}") for place, row in numbered]
    ids, prompts, categories, golds, graders = zip(*checked, strict=True)
    _refuse_repeats(ids, [place for place, _ in numbered], path)
    return Questions(ids, prompts, categories, golds, graders)


def _rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield every row with the words that name its place."""
    readers = {".json": _json_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    if path.suffix not in readers:
        raise QuestionError(f"{path} is not a question file; expected {', '.join(readers)}")
    try:
        yield from readers[path.suffix](path)
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionError(f"{path} cannot be read: {error}") from error


def _json_rows(path: Path) -> Iterator[tuple[str, Row]]:
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


def _jsonl_rows(path: Path) -> Iterator[tuple[str, Row]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield f"line {number}", json.loads(line)
            except json.JSONDecodeError as error:
                raise QuestionError(f"{path}: line {number} is not JSON: {error.msg}") from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise QuestionError(f"{path} is not Parquet: {error}") from error
    yield from ((f"row {number}", row) for number, row in enumerate(table.to_pylist(), start=1))


def _checked(row: object, place: str) -> tuple[str, str, str, str | None, str | None]:
    """Return (id, prompt, category, gold, grader) of one row."""
    if not isinstance(row, Mapping):
        raise QuestionError(f"{place} is a {type(row).__name__}; expected an object")
    question_id = _field(row, ID_FIELDS, place)
    if not isinstance(question_id, str | int) or isinstance(question_id, bool):
        raise QuestionError(f"{place}: id is {question_id!r}; expected text or a whole number")
    prompt = _field(row, PROMPT_FIELDS, place)
    if not isinstance(prompt, str):
        raise QuestionError(
            f"{place} ({question_id}): prompt is a {type(prompt).__name__}, {prompt!r:.40}; "
            "expected text"
        )
    if not prompt.strip():
        raise QuestionError(f"{place} ({question_id}): prompt is empty; expected text")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise QuestionError(
            f"{place} ({question_id}): prompt has {len(prompt):,} characters; "
            f"at most {MAX_PROMPT_CHARS:,} are allowed"
        )
    gold = next((row[name] for name in GOLD_FIELDS if row.get(name) is not None), None)
    category, grader = row.get("category"), row.get("grader")
    return (
        str(question_id),
        prompt,
        "" if category is None else str(category),
        None if gold is None else str(gold),
        None if grader is None else str(grader),
    )


def _field(row: Row, names: Sequence[str], place: str) -> object:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise QuestionError(f"{place} has no {names[0]!r}; its fields are {', '.join(row) or 'none'}")


def _refuse_repeats(ids: Sequence[str], places: Sequence[str], path: Path) -> None:
    seen: dict[str, str] = {}
    for question_id, place in zip(ids, places, strict=True):
        if question_id in seen:
            raise QuestionError(
                f"{path}: {place} repeats id {question_id!r} of {seen[question_id]}; "
                "ids must be unique"
            )
        seen[question_id] = place
