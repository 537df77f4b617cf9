"""A set of questions as values, read and checked from wherever it lies."""

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
"""Longest prompt accepted; the models routed to hold about as much."""

ID_FIELDS = ("question_id", "id")
PROMPT_FIELDS = ("prompt", "question")
GOLD_FIELDS = ("gt", "gold")
MODEL_FIELD = "model_name"
"""Where a row has it, it is that of a (question, model): its question may come again."""

Row = Mapping[str, Any]


class Question(NamedTuple):
    """One question; gold answer and grader are None where nobody told them."""

    id: str
    prompt: str
    category: str
    gold: str | None
    grader: str | None = None


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions in file order; a gold answer or grader is None where nobody told it."""

    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    categories: tuple[str, ...]
    gold_answers: tuple[str | None, ...]
    graders: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def sample(self, n: int) -> "Questions":
        """Return `n` of them, drawn by a hash of their ids, in the same order."""
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
    """Read all questions of `source` as `each_question` finds them.

    Raises
    ------
    QuestionError
        Also if there is none.
    """
    questions = tuple(islice(iter_questions(source, split=split), limit))
    if not questions:
        wanted = "" if split is None else f" of split {split!r}"
        raise QuestionError(f"{source} holds no question{wanted}; expected at least one")
    return Questions(*zip(*questions, strict=True))


def iter_questions(source: Path | HubDataset, *, split: str | None = None) -> Iterator[Question]:
    """Yield the questions of a file, a folder of files, or a data set, one at a time.

    Parameters
    ----------
    source : Path or HubDataset
        ``.json``, ``.jsonl`` or ``.parquet``: rows of ``id`` (or ``question_id``), ``prompt``
        (or ``question``) and, where known, ``category``, ``gt`` (or ``gold``) and ``grader``.
        Rows with a ``model_name`` may repeat a question; it is yielded once.
    split : str, optional
        Keep only rows whose ``split`` is this.

    Raises
    ------
    QuestionError
        If something is unreadable, lacks a prompt, repeats an id, or holds a prompt that
        is not text or longer than `MAX_PROMPT_CHARS`. The message names file and row.
    """
    seen: dict[str, tuple[SourceRow, bytes]] = {}
    for found in source.rows() if isinstance(source, HubDataset) else iter_rows(source):
        if not isinstance(found.row, Mapping):
            raise QuestionError(f"{found} is a {type(found.row).__name__}; expected an object")
        if split is not None and found.row.get("split") != split:
            continue
        question = _parse_question(found.row, str(found))
        digest = hashlib.sha256(question.prompt.encode()).digest()
        if question.id in seen:
            _check_duplicate(question.id, found, digest, *seen[question.id])
            continue
        seen[question.id] = found._replace(row=None), digest
        yield question


def _parse_question(row: Row, place: str) -> Question:
    """Return the question of one row."""
    question_id = _field(row, ID_FIELDS, place)
    if not isinstance(question_id, str | int) or isinstance(question_id, bool):
        raise QuestionError(f"{place}: id is {question_id!r}; expected text or a whole number")
    prompt = _checked_prompt(_field(row, PROMPT_FIELDS, place), f"{place} ({question_id})")
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
        _check_surrogates(text or "", name, f"{place} ({question_id!a})")
    return question


def _check_surrogates(text: str, name: str, place: str) -> None:
    """JSON can spell half of a surrogate pair; no file can hold one."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QuestionError(
            f"{place}: {name} holds {text[error.start]!a} at character {error.start + 1}; "
            "expected text that UTF-8 can hold"
        ) from error


def _checked_prompt(prompt: object, place: str) -> str:
    if not isinstance(prompt, str):
        raise QuestionError(
            f"{place}: prompt is a {type(prompt).__name__}, {prompt!r:.40}; expected text"
        )
    if not prompt.strip():
        raise QuestionError(f"{place}: prompt is empty; expected text")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise QuestionError(
            f"{place}: prompt has {len(prompt):,} characters; "
            f"at most {MAX_PROMPT_CHARS:,} are allowed"
        )
    return prompt


def _field(row: Row, names: Sequence[str], place: str) -> object:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise QuestionError(f"{place} has no {names[0]!r}; its fields are {', '.join(row) or 'none'}")


def _check_duplicate(
    question_id: str, again: SourceRow, digest: bytes, first: SourceRow, first_digest: bytes
) -> None:
    """Raise unless both are rows of one question, each of another model."""
    of_a_model = again.row.get(MODEL_FIELD) is not None
    if of_a_model and digest == first_digest:
        return
    where = first.location if first.source == again.source else str(first)
    reason = "with another prompt; an id has one" if of_a_model else "; ids must be unique"
    raise QuestionError(
        f"{again} repeats id {question_id!r} of {where}{' ' if of_a_model else ''}{reason}"
    )
