"""The entries of price files: our own form, LiteLLM's catalogue and OpenRouter's model list."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Entry = tuple[object, Mapping[str, Any] | None]
"""Name of a model and the fields of its `ModelSpec`; None where the entry is no object."""

LITELLM_CAPABILITY = "supports_"
"""Prefix of the flags that LiteLLM's catalogue uses for capabilities."""

PRICE_FIELDS = (
    "usd_per_mtok_in",
    "usd_per_mtok_out",
    "usd_per_mtok_cached_in",
    "usd_per_mtok_cache_write",
    "usd_per_mtok_reasoning",
)
"""Prices that a model and each of its tiers have, in the order of the names below."""

OUR_NAMES = ("input", "output", "cached_input", "cache_write", "reasoning")
LITELLM_NAMES = (
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "output_cost_per_reasoning_token",
)
OPENROUTER_NAMES = (
    "prompt",
    "completion",
    "input_cache_read",
    "input_cache_write",
    "internal_reasoning",
)
OPENROUTER_CAPABILITIES = {
    "tools": "function_calling",
    "structured_outputs": "response_schema",
    "response_format": "json_mode",
    "reasoning": "reasoning",
}
"""Parameter that a model supports -> capability, as LiteLLM's catalogue names it."""

_LIMIT = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


def read_entries(data: object) -> list[Entry] | None:
    """Return the entries of a price file; None if it has none of the known forms."""
    if isinstance(data, Mapping) and isinstance(data.get("data"), list):
        data = data["data"]
    if isinstance(data, list):
        rows = [(_name(row), row) for row in data]
    elif isinstance(data, Mapping):
        rows = list(data.items())
    else:
        return None
    objects = [row for _, row in rows if isinstance(row, Mapping)]
    if rows and not objects:
        return None
    if any(isinstance(row.get("pricing"), Mapping) for row in objects):
        return [(name, _openrouter(name, row)) for name, row in rows]
    if any(_is_litellm(row) for row in objects):
        return list(_litellm_entries(rows))
    return [(name, _ours(name, row)) for name, row in rows]


def _name(row: object) -> object:
    if not isinstance(row, Mapping):
        return None
    return row.get("model", row.get("id"))


def _ours(name: object, row: object) -> Mapping[str, Any] | None:
    if not isinstance(row, Mapping):
        return None
    spec = {"id": name, **_prices(row, OUR_NAMES)}
    spec["usd_per_mtok_repeated_in"] = row.get("repeated_input")
    if "tiers" in row:
        tiers = row["tiers"]
        spec["tiers"] = [_tier(tier) for tier in tiers] if isinstance(tiers, list) else tiers
    return spec


def _tier(tier: object) -> object:
    if not isinstance(tier, Mapping):
        return tier
    return {"above_prompt_tokens": tier.get("above"), **_prices(tier, OUR_NAMES)}


def _is_litellm(row: Mapping[str, Any]) -> bool:
    return "input_cost_per_token" in row or "tiered_pricing" in row


def _litellm_entries(rows: list[tuple[object, Any]]) -> Iterator[Entry]:
    """Yield the entries with token prices: not those of images or audio, nor the sample."""
    for name, row in rows:
        if not isinstance(row, Mapping):
            yield name, None
        elif name != "sample_spec":
            ranges = [part for part in row.get("tiered_pricing") or () if isinstance(part, Mapping)]
            first = {**ranges[0], **row} if ranges else row
            if {"input_cost_per_token", "output_cost_per_token"} <= first.keys():
                yield name, _litellm(name, first, ranges[1:])


def _litellm(
    name: object, row: Mapping[str, Any], ranges: list[Mapping[str, Any]]
) -> dict[str, Any]:
    prices = _prices(row, LITELLM_NAMES, per_token=True)
    flags = {
        key.removeprefix(LITELLM_CAPABILITY): value
        for key, value in sorted(row.items())
        if key.startswith(LITELLM_CAPABILITY)
    }
    limits = {match[1]: int(match[1]) for key in row if (match := _LIMIT.fullmatch(key))}
    tiers = [
        {
            "above_prompt_tokens": 1000 * limit,
            **prices,
            **_known(_litellm_above(row, f"_above_{digits}k_tokens")),
        }
        for digits, limit in sorted(limits.items(), key=lambda item: item[1])
    ]
    tiers += [
        {
            "above_prompt_tokens": _start(part),
            **_prices(part, LITELLM_NAMES, per_token=True),
        }
        for part in ranges
    ]
    return {
        "id": name,
        **prices,
        "tiers": tiers,
        "context_window": _int_or_none(row.get("max_input_tokens", row.get("max_tokens"))),
        "capabilities": [name for name, value in flags.items() if value is True],
        "lacks": [name for name, value in flags.items() if value is False],
    }


def _litellm_above(row: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    """Return the prices of a tier, which are fields of the model with a suffix."""
    return _prices(row, tuple(name + suffix for name in LITELLM_NAMES), per_token=True)


def _start(part: Mapping[str, Any]) -> object:
    """Return the lower end of the range of a tier; None, which is rejected, if it has none."""
    ends = part.get("range")
    return _int_or_none(ends[0]) if isinstance(ends, list) and ends else None


def _openrouter(name: object, row: object) -> Mapping[str, Any] | None:
    pricing = row.get("pricing") if isinstance(row, Mapping) else None
    if not isinstance(row, Mapping) or not isinstance(pricing, Mapping):
        return None
    prices = _openrouter_prices(pricing)
    overrides = pricing.get("overrides")
    tiers = {
        tier["min_prompt_tokens"] - 1: {**prices, **_known(_openrouter_prices(tier))}
        for tier in (overrides if isinstance(overrides, list) else ())
        if isinstance(tier, Mapping) and (_int_or_none(tier.get("min_prompt_tokens")) or 0) > 1
    }
    return {
        "id": name,
        **prices,
        "tiers": [{"above_prompt_tokens": limit, **tiers[limit]} for limit in sorted(tiers)],
        "context_window": _int_or_none(row.get("context_length")),
        "capabilities": _openrouter_capabilities(row),
    }


def _openrouter_prices(pricing: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: _number(pricing.get(name)) for name in OPENROUTER_NAMES}
    # Of what costs nothing extra the list says "0"; reasoning is then billed as completion.
    for name in OPENROUTER_NAMES[2:]:
        numbers[name] = numbers[name] or None
    return _prices(numbers, OPENROUTER_NAMES, per_token=True)


def _openrouter_capabilities(row: Mapping[str, Any]) -> list[str]:
    supported = row.get("supported_parameters")
    architecture = row.get("architecture")
    modalities = architecture.get("input_modalities") if isinstance(architecture, Mapping) else None
    found = [
        capability
        for parameter, capability in OPENROUTER_CAPABILITIES.items()
        if isinstance(supported, list) and parameter in supported
    ]
    if isinstance(modalities, list) and "image" in modalities:
        found.append("vision")
    return sorted(found)


def _prices(
    row: Mapping[str, Any], names: tuple[str, ...], *, per_token: bool = False
) -> dict[str, Any]:
    scale = _per_million if per_token else lambda usd: usd
    return {field: scale(row.get(name)) for field, name in zip(PRICE_FIELDS, names, strict=True)}


def _known(prices: Mapping[str, Any]) -> dict[str, Any]:
    return {name: usd for name, usd in prices.items() if usd is not None}


def _per_million(usd_per_token: object) -> object:
    """Scale a number; any other value is returned as it is, and `parse` rejects it."""
    if isinstance(usd_per_token, int | float) and not isinstance(usd_per_token, bool):
        return round(usd_per_token * 1e6, 9)
    return usd_per_token


def _number(text: object) -> object:
    """Return the number that a text stands for; any other value is returned as it is."""
    try:
        return float(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _int_or_none(tokens: object) -> int | None:
    """Return a count; in the catalogue it may also be text or a fraction."""
    return int(tokens) if isinstance(tokens, int | float) and 1 <= tokens < 2**53 else None
