"""The bill of one call, from the usage that its provider reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from scope.pool import NO_SPECIAL_TOKENS, ModelSpec, SpecialTokens

MAX_TOKENS = 1 << 24
"""No call has more tokens: a larger count is a mistake of the upstream.

Up to here a float of 32 bits is exact.
"""

MAX_USD = 1e6
"""No call costs more; a larger amount is a mistake of the upstream."""

USD_PER_TICK = 1e-10
"""Unit of xAI's ``cost_in_usd_ticks``."""


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """The tokens of one call, and its price if the provider names it.

    Attributes
    ----------
    prompt_tokens, completion_tokens : int or None
        All that are billed, the special ones included; None if not reported.
    special : SpecialTokens
    cost_usd : float or None
        What the provider charges by its own account.
    """

    prompt_tokens: int | None
    completion_tokens: int | None
    special: SpecialTokens = NO_SPECIAL_TOKENS
    cost_usd: float | None = None

    @classmethod
    def from_json(cls, usage: object) -> Self:
        """Read the ``usage`` of an answer, in any of the forms that providers write.

        OpenAI's (chat completions and responses), Anthropic's, DeepSeek's and Moonshot's. A value
        that is no count of tokens is unknown.

        Examples
        --------
        >>> details = {"cached_tokens": 80}
        >>> usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": details}
        >>> TokenUsage.from_json(usage).special.cached
        80
        """
        fields = usage if isinstance(usage, Mapping) else {}
        prompt = _first(fields, "prompt_tokens", "input_tokens")
        read, written = _cache_tokens(fields)
        if prompt is not None and _cache_is_extra(fields, prompt, read + written):
            prompt += read + written
        completion, reasoning = _completion_tokens(fields, prompt)
        special = SpecialTokens(read, written, min(reasoning, completion or 0))
        return cls(prompt, completion, special, _reported_usd(fields))


def bill_usd(price: ModelSpec | None, usage: TokenUsage) -> float | None:
    """Return what a call costs, USD: the provider's own account, else its tokens at `price`.

    None if the provider names no cost, and price or token counts are unknown.
    """
    if usage.cost_usd is not None:
        return usage.cost_usd
    if price is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    prompt, completion = np.array(usage.prompt_tokens), np.array(usage.completion_tokens)
    return float(price.cost_usd(prompt, completion, usage.special))


def token_count(value: object) -> int | None:
    """Return a token count, None (unknown) for any value that is not one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MAX_TOKENS else None


def _first(fields: Mapping[str, Any], *names: str) -> int | None:
    """Return the first of several fields that is a token count."""
    counts = (token_count(fields.get(name)) for name in names)
    return next((count for count in counts if count is not None), None)


def _details(fields: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    found = (fields.get(name) for name in names)
    return next((details for details in found if isinstance(details, Mapping)), {})


def _cache_tokens(fields: Mapping[str, Any]) -> tuple[int, int]:
    """Return the prompt tokens that were read from the cache, and those written to it."""
    details = _details(fields, "prompt_tokens_details", "input_tokens_details")
    read = _first(details, "cached_tokens") or _first(
        fields, "cache_read_input_tokens", "prompt_cache_hit_tokens", "cached_tokens"
    )
    written = _first(details, "cache_write_tokens", "cache_creation_tokens") or _first(
        fields, "cache_creation_input_tokens"
    )
    return read or 0, written or 0


def _cache_is_extra(fields: Mapping[str, Any], prompt: int, cache_tokens: int) -> bool:
    """Return whether the tokens of the cache are counted beside the prompt, as Anthropic does."""
    if cache_tokens > prompt:
        return True
    total = _first(fields, "total_tokens")
    completion = _first(fields, "completion_tokens", "output_tokens")
    if total is not None and completion is not None and cache_tokens:
        return total == prompt + completion + cache_tokens
    anthropic = "input_tokens" in fields and "prompt_tokens" not in fields
    return anthropic and "input_tokens_details" not in fields


def _completion_tokens(fields: Mapping[str, Any], prompt: int | None) -> tuple[int | None, int]:
    """Return the completion tokens that are billed, and how many of them are reasoning.

    xAI and Google count the reasoning beside the completion; only the total shows it.
    """
    completion = _first(fields, "completion_tokens", "output_tokens")
    details = _details(fields, "completion_tokens_details", "output_tokens_details")
    reasoning = _first(details, "reasoning_tokens")
    total = _first(fields, "total_tokens")
    if completion is None or prompt is None or total is None:
        return completion, reasoning or 0
    extra = total - prompt - completion
    if extra > 0 and reasoning in (None, extra):
        return completion + extra, extra
    return completion, reasoning or 0


def _reported_usd(fields: Mapping[str, Any]) -> float | None:
    """Return what the provider says that it charges, USD; None if it says nothing.

    ``cost`` is OpenRouter's, where a key of the user's own pays the provider besides, or an object
    with the total, as Perplexity's; ``estimated_cost`` is DeepInfra's, the ticks are xAI's.
    """
    cost = fields.get("cost")
    if isinstance(cost, Mapping):
        cost = cost.get("total_cost")
    usd = _usd(cost)
    if usd is not None and fields.get("is_byok") is True:
        upstream = _usd(_details(fields, "cost_details").get("upstream_inference_cost"))
        return None if upstream is None else usd + upstream
    if usd is None:
        usd = _usd(fields.get("estimated_cost"))
    ticks = _usd(fields.get("cost_in_usd_ticks"), unit_usd=USD_PER_TICK)
    return ticks if usd is None else usd


def _usd(value: object, unit_usd: float = 1.0) -> float | None:
    """Return an amount of money in USD; None for any value that is not one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value * unit_usd if 0 <= value < MAX_USD / unit_usd else None
