"""What is publicly known of models by their names: context windows and capabilities."""

import json
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "model_catalogue.jsonl"
"""A model a line: name, context window, capabilities.

By ``python -m benchmarks.model_catalogue`` from the list of LiteLLM,
https://github.com/BerriAI/litellm (MIT, Copyright (c) 2023 Berri AI).
"""

CAPABILITIES = (
    "audio_input",
    "function_calling",
    "json_mode",
    "pdf_input",
    "response_schema",
    "video_input",
    "vision",
)
"""What a request may need of a model, by LiteLLM's names; no other name is ever looked for."""

_SUFFIX = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3}|latest|preview)$")


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What is believed of a model, without a promise.

    Attributes
    ----------
    window_tokens : int or None
        Context window; None if unknown.
    capabilities : frozenset of str
        What it can do, by LiteLLM's names; empty if unknown.
    lacks : frozenset of str
        Capabilities and parameters that it has refused.
    """

    window_tokens: int | None = None
    capabilities: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()


UNKNOWN = ModelLimits()


@lru_cache(1024)
def catalogued(model: str) -> ModelLimits:
    """Return what the catalogue knows of a model; nothing where it does not know the name.

    Where providers differ, the catalogue has the largest window and all capabilities of any of
    them: what is believed too well is found out by a call.

    Examples
    --------
    >>> catalogued("openai/gpt-4o-2024-05-13").window_tokens
    128000
    >>> catalogued("my-model").window_tokens is None
    True
    """
    name = plain_name(model)
    for known in (name, _SUFFIX.sub("", name)):
        if known in _models():
            window, *capabilities = _models()[known]
            return ModelLimits(window, frozenset(capabilities))
    return UNKNOWN


def plain_name(model: str) -> str:
    """Return the name of a model without its provider and variant.

    Examples
    --------
    >>> plain_name("meta-llama/Meta-Llama-3.1-8B-Instruct:free")
    'llama-3.1-8b-instruct'
    """
    name = model.lower().rpartition("/")[2].partition(":")[0].partition("@")[0]
    return name.removeprefix("meta-")


@cache
def _models() -> dict[str, list[Any]]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return {name: row for name, *row in map(json.loads, lines)}
