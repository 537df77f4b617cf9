"""Read the results of promptfoo: ``promptfoo eval --output results.json``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.imports.files import chat_text, log_files, read_json
from pipelines.imports.record import (
    Record,
    field_of,
    list_of,
    optional_text,
    part_of,
    score_of,
    text_of,
    tokens_of,
    usd_of,
)
from scope.errors import FormatError

VERSIONS = (3, 4)
API_KINDS = frozenset({"chat", "completion", "messages", "responses"})
"""Second part of a provider's name that is no part of its model's."""

FAILED_CALL = 2
"""``failureReason`` of a call without an answer; 1 is an answer that failed an assertion."""


def read_promptfoo(paths: Sequence[Path], metric: str | None) -> Iterator[Record]:
    """Yield the graded answers; calls that failed have none.

    The score is that of all assertions together, or with `metric` a named score. A cached answer
    has no token counts.

    Raises
    ------
    FormatError
        If a file is not a result of version 3 or 4.
    """
    for path in log_files(paths, "*.json"):
        results = field_of(read_json(path), "results", str(path))
        version = field_of(results, "version", f"{path}: results")
        if version not in VERSIONS:
            raise FormatError(f"{path} has the version {version!r:.20}; expected 3 or 4")
        rows = list_of(results, "results", f"{path}: results")
        for number, row in enumerate(rows, start=1):
            location = f"{path}: result {number}"
            if not isinstance(row, Mapping):
                raise FormatError(f"{location} is a {type(row).__name__}; expected an object")
            if _has_answer(row):
                yield _record(row, metric, location)


def _has_answer(row: Mapping[str, Any]) -> bool:
    """Tell a graded answer from a failed call; releases near 0.100 write no ``failureReason``."""
    has_output = part_of(row, "response").get("output") is not None
    return has_output and row.get("failureReason") != FAILED_CALL


def _record(row: Mapping[str, Any], metric: str | None, location: str) -> Record:
    provider, response = field_of(row, "provider", location), part_of(row, "response")
    scores = row if metric is None else field_of(row, "namedScores", location)
    name = "score" if metric is None else metric
    usage = part_of(response, "tokenUsage")
    return Record(
        location=location,
        prompt=_prompt(field_of(row, "prompt", location), location),
        model=model_name(text_of(provider, "id", location)),
        score=score_of(field_of(scores, name, location), name, location),
        answer=optional_text(response.get("output")),
        prompt_tokens=tokens_of(usage.get("prompt") or None, "prompt", location),
        completion_tokens=tokens_of(usage.get("completion") or None, "completion", location),
        cost_usd=usd_of(row.get("cost") or None, "cost", location),
        settings=optional_text(provider.get("label")) or "",
    )


def model_name(provider: str) -> str:
    """Return the model of a provider.

    Examples
    --------
    >>> model_name("openai:chat:gpt-4o-mini"), model_name("openrouter:qwen/qwen3-8b:free")
    ('gpt-4o-mini', 'qwen/qwen3-8b:free')
    """
    if provider.startswith(("file:", "http:", "https:", "exec:", "python:")):
        return provider
    _, _, rest = provider.partition(":")
    kind, _, model = rest.partition(":")
    return (model if kind in API_KINDS and model else rest) or provider


def _prompt(prompt: object, location: str) -> str:
    """Return the text of a prompt, which may be a list of messages as JSON."""
    text = text_of(prompt, "raw", f"{location}: prompt")
    try:
        messages = json.loads(text)
    except ValueError:
        return text
    is_chat = isinstance(messages, list) and all(isinstance(m, Mapping) for m in messages)
    return chat_text(messages, location) if is_chat and messages else text
