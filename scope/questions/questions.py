"""Read and check question sets from files, folders and data sets."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from scope.errors import QuestionError
from scope.questions.readers import HubDataset, SourceRow, iter_rows
from scope.sampling import hash_sample

MAX_PROMPT_CHARS = 65_536
"""Longest prompt that is accepted; about the context length of the routed models."""

ID_FIELDS = ("question_id", "id")
PROMPT_FIELDS = ("prompt", "question")
GOLD_FIELDS = ("gt", "gold")
MODEL_FIELD = "model_name"
"""A row with this field belongs to a (question, model), so its question may repeat."""

Row = Mapping[str, Any]


class Question(NamedTuple):
    """One question; gold answer and grader are None if the source has none."""

    id: str
    prompt: str
    category: str
    gold: str | None
    grader: str | None = None


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions in file order; a gold answer or grader is None if the source has none."""

    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    categories: tuple[str, ...]
    gold_answers: tuple[str | None, ...]
    graders: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def sample(self, n: int) -> "Questions":
        """Return `n` questions, drawn by a hash of their ids, in the same order."""
        kept = hash_sample(self.ids, n)
        return Questions(
            tuple(self.ids[q] for q in kept),
            tuple(self.prompts[q] for q in kept),
            tuple(self.categories[q] for q in kept),
            tuple(self.gold_answers[q] for q in kept),
            tuple(self.graders[q] for q in kept),
        )


def read_questions(
    source: Path | HubDataset, *, split: str | None = None, limit: int | None = None
) -> Questions:
    """Read questions as `iter_questions` does, at most the first `limit`.

    Raises
    ------
    QuestionError
        As in `iter_questions`, and if there is no question.
    """
    questions = tuple(islice(iter_questions(source, split=split), limit))
    if not questions:
        of_split = "" if split is None else f" of split {split!r}"
        raise QuestionError(f"{source} has no question{of_split}; expected at least one")
    return Questions(*zip(*questions, strict=True))


def iter_questions(source: Path | HubDataset, *, split: str | None = None) -> Iterator[Question]:
    """Yield the questions of a file, a folder of files, or a data set.

    Parameters
    ----------
    source : Path or HubDataset
        ``.json``, ``.jsonl``, ``.parquet`` or ``.csv``: rows with ``id`` (or ``question_id``),
        ``prompt`` (or ``question``) and, if known, ``category``, ``gt`` (or ``gold``) and
        ``grader``.
        Rows with a ``model_name`` may repeat a question; it is yielded once.
    split : str, optional
        Keep only rows whose ``split`` has this value.

    Raises
    ------
    QuestionError
        If a file is unreadable, or a row has no prompt, a prompt that is not text or longer than
        `MAX_PROMPT_CHARS`, or a repeated id. The message names file and row.
    """
    seen: dict[str, tuple[SourceRow, bytes]] = {}
    for source_row in source.rows() if isinstance(source, HubDataset) else iter_rows(source):
        row, location = source_row.row, str(source_row)
        if not isinstance(row, Mapping):
            raise QuestionError(f"{location} is a {type(row).__name__}; expected an object")
        if split is not None and row.get("split") != split:
            continue
        question = _parse_question(row, location)
        digest = hashlib.sha256(question.prompt.encode()).digest()
        if question.id in seen:
            _check_duplicate(question.id, source_row, digest, *seen[question.id])
            continue
        seen[question.id] = source_row._replace(row=None), digest
        yield question


def _parse_question(row: Row, location: str) -> Question:
    """Return the question of one row."""
    question_id = _field(row, ID_FIELDS, location)
    if not isinstance(question_id, str | int) or isinstance(question_id, bool):
        raise QuestionError(f"{location}: id is {question_id!r}; expected text or an integer")
    prompt = _check_prompt(_field(row, PROMPT_FIELDS, location), f"{location} ({question_id})")
    gold = next((row[name] for name in GOLD_FIELDS if row.get(name) is not None), None)
    category, grader = row.get("category"), row.get("grader")
    question = Question(
        str(question_id),
        prompt,
        "" if category is None else str(category),
        None if gold is None else str(gold),
        None if grader is None else str(grader),
    )
    for name, text in question._asdict().items():
        _check_surrogates(text or "", name, f"{location} ({question_id!a})")
    return question


def _check_surrogates(text: str, name: str, location: str) -> None:
    """Reject a lone surrogate, which JSON can encode and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QuestionError(
            f"{location}: {name} has {text[error.start]!a} at character {error.start + 1}; "
            "expected text that UTF-8 can encode"
        ) from error


def _check_prompt(prompt: object, location: str) -> str:
    if not isinstance(prompt, str):
        raise QuestionError(
            f"{location}: prompt is a {type(prompt).__name__}, {prompt!r:.40}; expected text"
        )
    if not prompt.strip():
        raise QuestionError(f"{location}: prompt is empty; expected text")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise QuestionError(
            f"{location}: prompt has {len(prompt):,} characters; "
            f"at most {MAX_PROMPT_CHARS:,} are allowed"
        )
    return prompt


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
