"""Join the answers of several logs by the text of their questions, and write tables of them."""

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.imports.record import Record
from scope.errors import FormatError, ScopeWarning, join_names
from scope.pool import ModelSpec
from scope.questions import LongPrompts, id_of_text
from scope.token_estimate import estimated_tokens


@dataclass(frozen=True, slots=True)
class JoinedLogs:
    """The answers of all logs by question and model, in the order in which they came.

    Attributes
    ----------
    models : tuple of str
    questions : mapping of str to list of Record
        Text -> all its answers.
    n_repeated : int
        Answers of a model to a question beyond its first.
    """

    models: tuple[str, ...]
    questions: Mapping[str, list[Record]]
    n_repeated: int


@dataclass(frozen=True, slots=True)
class TokenSources:
    """Where the completion tokens of the outcomes come from, as numbers of outcomes."""

    logged: int
    counted: int
    from_cost: int
    unknown: int


def join_records(records: Iterable[Record], long_prompts: LongPrompts) -> JoinedLogs:
    """Return the answers by question and model.

    Parameters
    ----------
    records : iterable of Record
    long_prompts : LongPrompts
        What is done with prompts above the limit.

    Raises
    ------
    FormatError
        If there is no answer, a question has two gold answers, or one model answered one task
        in two settings.
    QuestionError
        If a prompt is too long and refused.
    """
    questions: dict[str, list[Record]] = {}
    runs: dict[tuple[str, str], Record] = {}
    pairs = set[tuple[str, str]]()
    n = 0
    for record in records:
        prompt = long_prompts.limited(record.prompt.strip(), record.location)
        if prompt is None:
            continue
        _check_settings(record, runs.setdefault((record.model, record.source), record))
        answers = questions.setdefault(prompt, [])
        _check_gold(record, answers)
        answers.append(record)
        pairs.add((prompt, record.model))
        n += 1
    if not questions:
        raise FormatError("the logs have no graded answer; expected at least one")
    models = dict.fromkeys(record.model for rows in questions.values() for record in rows)
    return JoinedLogs(tuple(models), questions, n - len(pairs))


def write_tables(
    logs: JoinedLogs, prices: Mapping[str, ModelSpec], folder: Path
) -> tuple[Path, Path, TokenSources]:
    """Write the files of questions and outcomes that ``scope bank build`` reads.

    Repeated answers of a model to a question are one outcome, with their mean score. A missing
    number of prompt tokens is estimated from the text. A missing number of completion tokens is
    the one that makes tokens times price the logged cost; without a cost it is estimated from
    the answer, and without an answer unknown.

    Returns
    -------
    questions, outcomes : Path
        ``questions.jsonl`` and ``outcomes.parquet`` in `folder`.
    sources : TokenSources

    Warns
    -----
    ScopeWarning
        About models without any number of completion tokens, whose cost nothing can tell.
    """
    rows, outcomes, found = list[str](), list[dict[str, object]](), list[str]()
    for prompt, records in logs.questions.items():
        question_id = id_of_text(prompt)
        golds = (record.gold for record in records if record.gold is not None)
        row = {"id": question_id, "prompt": prompt, "gt": next(golds, None)}
        rows.append(json.dumps({**row, "category": records[0].category}))
        by_model: dict[str, list[Record]] = {}
        for record in records:
            by_model.setdefault(record.model, []).append(record)
        for model, answers in by_model.items():
            outcome, source = _outcome(prompt, answers, prices[model])
            outcomes.append({"question_id": question_id, "model": model, **outcome})
            found.append(source)
    known = {row["model"] for row in outcomes if row["completion_tokens"] is not None}
    if unknown := [model for model in logs.models if model not in known]:
        text = f"no log has tokens, cost or text of the answers of {join_names(unknown)}"
        warnings.warn(f"{text}; what they cost stays unknown", ScopeWarning, stacklevel=2)
    questions_file, outcomes_file = folder / "questions.jsonl", folder / "outcomes.parquet"
    questions_file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(outcomes, _SCHEMA), outcomes_file)
    names = ("logged", "counted", "from_cost", "unknown")
    return questions_file, outcomes_file, TokenSources(*(found.count(name) for name in names))


_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("model", pa.string()),
        ("correct", pa.float64()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
    ]
)


def _outcome(prompt: str, answers: list[Record], price: ModelSpec) -> tuple[dict[str, object], str]:
    """Return score and mean token counts of one model on one question, and their source."""
    counts = [_tokens(prompt, answer, price) for answer in answers]
    known = [completion for _, completion, _ in counts if completion is not None]
    return {
        "correct": float(np.mean([answer.score for answer in answers])),
        "prompt_tokens": round(np.mean([n_prompt for n_prompt, _, _ in counts])),
        "completion_tokens": round(np.mean(known)) if known else None,
    }, counts[0][2]


def _tokens(prompt: str, record: Record, price: ModelSpec) -> tuple[int, int | None, str]:
    """Return the tokens of prompt and answer, and where the second number comes from."""
    n_prompt = record.prompt_tokens
    if n_prompt is None:
        n_prompt = estimated_tokens(prompt.encode())
    if record.completion_tokens is not None:
        return n_prompt, record.completion_tokens, "logged"
    if record.cost_usd and price.usd_per_mtok_out > 0:
        rest_usd = record.cost_usd - n_prompt * price.usd_per_mtok_in / 1e6
        if rest_usd >= 0:
            return n_prompt, round(rest_usd * 1e6 / price.usd_per_mtok_out), "from_cost"
    if record.answer is not None:
        return n_prompt, estimated_tokens(record.answer.encode()), "counted"
    return n_prompt, None, "unknown"


def _check_settings(record: Record, first: Record) -> None:
    if record.settings != first.settings:
        raise FormatError(
            f"{record.location}: {record.model} has other settings, {record.settings or 'none'}, "
            f"than in {first.location}, {first.settings or 'none'}; import one of the two runs"
        )


def _check_gold(record: Record, answers: list[Record]) -> None:
    other = next((a for a in answers if record.gold is not None and a.gold is not None), None)
    if other is not None and other.gold != record.gold:
        raise FormatError(
            f"{record.location}: the gold answer is {record.gold!r:.40}, in {other.location} it is "
            f"{other.gold!r:.40}; expected one for the question {record.prompt!r:.60}"
        )
