"""Read and check question sets from files, folders and data sets."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from scope.columns import CATEGORY
from scope.errors import QuestionError
from scope.questions.prompts import (
    REFUSE,
    LongPrompts,
    Row,
    check_utf8,
    row_prompt,
    row_text,
    unwrapped,
)
from scope.questions.readers import HubDataset, SourceRow, iter_rows
from scope.sampling import hash_sample

ID_FIELDS = ("question_id", "id")
PROMPT_FIELDS = ("prompt", "question")
GOLD_FIELDS = ("gt", "gold")
REFERENCE_FIELDS = ("reference",)
MODEL_FIELD = "model_name"
"""A row with this field belongs to a (question, model), so its question may repeat."""


def id_of_text(text: str) -> str:
    """Return the id of a question that has none: 16 hexadecimal digits of a hash of its text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Question(NamedTuple):
    """One question; gold answer, grader and reference answer are None if the source has none."""

    id: str
    prompt: str
    category: str
    gold: str | None
    grader: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions in file order; gold answer, grader and reference may be None, see `Question`."""

    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    categories: tuple[str, ...]
    gold_answers: tuple[str | None, ...]
    graders: tuple[str | None, ...]
    references: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def sample(self, n: int) -> "Questions":
        """Return `n` questions, drawn by a hash of their ids, in the same order."""
        return self.select(hash_sample(self.ids, n))

    def select(self, rows: Iterable[int]) -> "Questions":
        """Return the questions of these rows, in the order of the rows."""
        rows = tuple(rows)
        return Questions(
            tuple(self.ids[q] for q in rows),
            tuple(self.prompts[q] for q in rows),
            tuple(self.categories[q] for q in rows),
            tuple(self.gold_answers[q] for q in rows),
            tuple(self.graders[q] for q in rows),
            tuple(self.references[q] for q in rows),
        )


def read_questions(
    source: Path | HubDataset,
    *,
    split: str | None = None,
    limit: int | None = None,
    on_too_long: str = REFUSE,
    fact: str = CATEGORY,
) -> Questions:
    """Read questions as `iter_questions` does, at most the first `limit`.

    Prompts above the limit are refused, or with `on_too_long` ``cut`` or ``skip`` cut or left
    out, which a `LongPromptWarning` says. `fact` is the field that holds their categories.

    Raises
    ------
    QuestionError
        As in `iter_questions`, and if there is no question.
    """
    long_prompts = LongPrompts(on_too_long)
    rows = iter_questions(source, split=split, long_prompts=long_prompts, fact=fact)
    questions = tuple(islice(rows, limit))
    long_prompts.warn(source)
    if not questions:
        of_split = "" if split is None else f" of split {split!r}"
        raise QuestionError(f"{source} has no question{of_split}; expected at least one")
    return Questions(*zip(*questions, strict=True))


def iter_questions(
    source: Path | HubDataset,
    *,
    split: str | None = None,
    long_prompts: LongPrompts | None = None,
    fact: str = CATEGORY,
) -> Iterator[Question]:
    """Yield the questions of a file, a folder of files, or a data set.

    Parameters
    ----------
    source : Path or HubDataset
        ``.json``, ``.jsonl`` (or ``.ndjson``), ``.csv`` or ``.parquet``: rows with ``id`` (or
        ``question_id``), ``prompt`` (or ``question``, or the ``messages`` of a chat) and, if
        known, ``category``, ``gt`` (or ``gold``), ``grader`` and ``reference``; or the lines
        of an OpenAI batch file. Rows with a ``model_name`` may repeat a question; it is yielded
        once.
    split : str, optional
        Keep only rows whose ``split`` has this value.
    long_prompts : LongPrompts, optional
        What is done with prompts above the limit; None: they are refused.
    fact : str
        Field in place of ``category``.

    Raises
    ------
    QuestionError
        If a file is unreadable, or a row has no prompt, a prompt that is not text or too long,
        or a repeated id. The message names file and row.
    """
    long_prompts = long_prompts or LongPrompts()
    seen: dict[str, tuple[SourceRow, bytes]] = {}
    for source_row in source.rows() if isinstance(source, HubDataset) else iter_rows(source):
        location = str(source_row)
        row = unwrapped(source_row.row, location)
        if split is not None and row.get("split") != split:
            continue
        question = _parse_question(row, location, long_prompts, fact)
        if question is None:
            continue
        digest = hashlib.sha256(question.prompt.encode()).digest()
        if question.id in seen:
            _check_duplicate(question.id, source_row, digest, *seen[question.id])
            continue
        seen[question.id] = source_row._replace(row=None), digest
        yield question


def _parse_question(
    row: Row, location: str, long_prompts: LongPrompts, fact: str
) -> Question | None:
    """Return the question of one row; None if it is too long and left out."""
    question_id = _field(row, ID_FIELDS, location)
    if not isinstance(question_id, str | int) or isinstance(question_id, bool):
        raise QuestionError(f"{location}: id is {question_id!r}; expected text or an integer")
    where = f"{location} ({ascii(str(question_id))[1:-1]:.40})"
    prompt = long_prompts.limited(row_prompt(row, PROMPT_FIELDS, where), where)
    if prompt is None:
        return None
    check_utf8(str(question_id), "id", where)
    return Question(
        str(question_id),
        prompt,
        row_text(row, (fact,), where) or "",
        row_text(row, GOLD_FIELDS, where),
        row_text(row, ("grader",), where),
        row_text(row, REFERENCE_FIELDS, where),
    )


def _field(row: Row, names: Sequence[str], location: str) -> object:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    fields = ", ".join(row) or "none"
    raise QuestionError(f"{location} has no {names[0]!r}; its fields are {fields}")


def _check_duplicate(
    question_id: str, repeat: SourceRow, digest: bytes, first: SourceRow, first_digest: bytes
) -> None:
    """Raise unless both rows have the same question and `repeat` has a model."""
    has_model = repeat.row.get(MODEL_FIELD) is not None
    if has_model and digest == first_digest:
        return
    location = first.location if first.source == repeat.source else str(first)
    reason = " with another prompt; an id has one" if has_model else "; ids must be unique"
    raise QuestionError(f"{repeat} repeats id {question_id!r} of {location}{reason}")
