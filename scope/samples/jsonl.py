"""The JSON lines of HybridLLM and BEST-Route: one prompt a line, one object a model."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scope.errors import FormatError
from scope.json_text import parse_json_line
from scope.samples.cells import Cell, SamplesBuilder
from scope.samples.samples import Samples
from scope.storage import atomic_file
from scope.text_files import open_text

RESPONSES, PROMPT_TOKENS, TOKENS = "responses", "token_num_prompt", "token_num_responses"
FAILED = "n_failed"
"""Calls that failed; our own field, absent if none did."""

SCORES = "_scores"
"""``armoRM_scores`` are the scores of ``armoRM``."""

CANDIDATE = re.compile(r"(?P<model>.+)_(?P<selector>[^_]+)_bo(?P<n>\d+)")
"""Name of a candidate: best of n by a selector."""


def read_jsonl(path: Path) -> Samples:
    """Read prompts, and whatever each line says of responses, scores and token counts.

    Raises
    ------
    FormatError
        If a line is wrong; the message names file and line.
    """
    builder = SamplesBuilder()
    for location, row in iter_objects(path):
        question_id, prompt = _text(row, "id", location), _prompt(row, location)
        candidates = row.get("candidates")
        cells = _models(row, location) if candidates is None else _candidates(candidates, location)
        builder.add(question_id, prompt, cells, location)
    return builder.build()


def iter_splits(path: Path) -> Iterator[tuple[str, str | None, str]]:
    """Yield the id of each line, its ``split`` or None, and file and line."""
    for location, row in iter_objects(path):
        split = None if row.get("split") is None else _text(row, "split", location)
        yield _text(row, "id", location), split, location


def iter_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield file and line, and the object there."""
    try:
        with open_text(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield f"{path}: line {number}", _object(line, f"{path}: line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from error


def _object(line: str, location: str) -> dict[str, Any]:
    # The published files write NaN for a score that is unknown.
    row = parse_json_line(line, location, allow_nan=True)
    if "\\u" in line:  # only an escape can be half of a pair
        _check_utf8(row, location)
    if not isinstance(row, dict):
        raise FormatError(f"{location} is a {type(row).__name__}; expected an object")
    return row


def _check_utf8(row: object, location: str) -> None:
    """Raise `FormatError` for a lone surrogate, which JSON can encode and UTF-8 cannot."""
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FormatError(
            f"{location} has {text[error.start]!a}; expected text that UTF-8 can encode"
        ) from error


def _text(row: Mapping[str, Any], name: str, location: str) -> str:
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        found = "no value" if name not in row else f"{value!r:.40}"
        raise FormatError(f"{location}: {name} has {found}; expected text")
    return value


def _prompt(row: Mapping[str, Any], location: str) -> str:
    """Return ``prompt``, or ``input`` of a line with candidates."""
    name = "input" if "candidates" in row and "prompt" not in row else "prompt"
    return _text(row, name, location)


def _models(row: Mapping[str, Any], location: str) -> dict[str, Cell]:
    return {
        name: _cell(value, f"{location}: model {name!r}")
        for name, value in row.items()
        if isinstance(value, dict) and _is_model(value)
    }


def _is_model(value: Mapping[str, Any]) -> bool:
    known = (RESPONSES, PROMPT_TOKENS, TOKENS, FAILED)
    return any(key in known or key.endswith(SCORES) for key in value)


def _cell(value: Mapping[str, Any], location: str) -> Cell:
    scores = {
        key.removesuffix(SCORES): _numbers(values, f"{location}: {key}")
        for key, values in value.items()
        if key.endswith(SCORES)
    }
    return Cell(
        responses=_texts(value.get(RESPONSES), f"{location}: {RESPONSES}"),
        scores=scores,
        prompt_tokens=_number(value.get(PROMPT_TOKENS), f"{location}: {PROMPT_TOKENS}"),
        completion_tokens=_numbers(value.get(TOKENS, []), f"{location}: {TOKENS}"),
        n_failed=int(_number(value.get(FAILED, 0), f"{location}: {FAILED}") or 0),
    )


def _candidates(candidates: object, location: str) -> dict[str, Cell]:
    """Return the candidates by arm; scores and counts may be one number each."""
    if not isinstance(candidates, list):
        raise FormatError(f"{location}: candidates is {candidates!r:.40}; expected a list")
    cells: dict[str, Cell] = {}
    for number, value in enumerate(candidates, start=1):
        where = f"{location}: candidate {number}"
        if not isinstance(value, dict) or not isinstance(value.get("scores"), dict):
            raise FormatError(f"{where} is {value!r:.40}; expected an object with scores")
        arm = _arm(_text(value, "model", where))
        if arm in cells:
            raise FormatError(f"{where} repeats model {value['model']!r}; a model has one")
        texts = value.get("text")
        cell = {**value["scores"], **value}
        # The published files leave the texts empty.
        cell[RESPONSES] = texts if texts and (isinstance(texts, str) or any(texts)) else None
        cells[arm] = _cell(cell, where)
    return cells


def _arm(candidate: str) -> str:
    """Return the name of an arm: ``m_ourRM_bo5`` is ``m@5``, ``m_ourRM_bo1`` is ``m``."""
    match = CANDIDATE.fullmatch(candidate)
    if match is None:
        return candidate
    return match["model"] if int(match["n"]) == 1 else f"{match['model']}@{int(match['n'])}"


def _texts(value: object, location: str) -> list[str] | None:
    if value is None:
        return None
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise FormatError(f"{location} is {value!r:.40}; expected a list of texts")
    return texts


def _numbers(value: object, location: str) -> list[float | None]:
    values = value if isinstance(value, list) else [value]
    return [_number(item, location) for item in values]


def _number(value: object, location: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isinf(value):
        raise FormatError(f"{location} has {value!r:.40}; expected a number or null")
    return float(value)


def write_jsonl(path: Path, samples: Samples) -> None:
    """Write one line a prompt, with all that is known of each model's samples."""
    if taken := {"id", "prompt", "candidates"} & set(samples.models):
        raise FormatError(f"a model is called {min(taken)!r}, which is a field of {path}")
    known_qmo = samples.known_qmo()
    with atomic_file(path) as draft, draft.open("w", encoding="utf-8") as file:
        for q, (question_id, prompt) in enumerate(zip(samples.ids, samples.prompts, strict=True)):
            row: dict[str, Any] = {"id": question_id, "prompt": prompt}
            for m, model in enumerate(samples.models):
                n = int(known_qmo[q, m].nonzero()[0].max(initial=-1)) + 1
                if value := _model_value(samples, q, m, n):
                    row[model] = value
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def _model_value(samples: Samples, q: int, m: int, n: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    if samples.responses_qm is not None and n:
        value[RESPONSES] = list(samples.responses_qm[q][m])
    for scorer, score_qmo in samples.scores.items():
        if not all(map(math.isnan, score_qmo[q, m, :n])):
            value[scorer + SCORES] = [plain_number(score) for score in score_qmo[q, m, :n]]
    if (prompt_tokens := plain_number(samples.prompt_tokens_qm[q, m])) is not None:
        value[PROMPT_TOKENS] = prompt_tokens
    tokens = [plain_number(number) for number in samples.completion_tokens_qmo[q, m, :n]]
    if any(number is not None for number in tokens):
        value[TOKENS] = tokens
    if n_failed := int(samples.failed_qm[q, m]):
        value[FAILED] = n_failed
    return value


def plain_number(value: float) -> float | int | None:
    """Return a number as JSON has it: whole ones without a point, NaN as None."""
    if math.isnan(value):
        return None
    return int(value) if float(value).is_integer() else float(value)
