"""Read price files: the reference format and LiteLLM's catalogue."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scope.config import parse
from scope.errors import ConfigError, UnknownPriceError
from scope.pool import ModelSpec
from scope.text_files import read_text

Prices = Mapping[str, ModelSpec]

LITELLM_CAPABILITY = "supports_"
"""Prefix of the flags that LiteLLM's catalogue uses for capabilities."""


def load_prices(path: Path) -> dict[str, ModelSpec]:
    """Read a price file.

    Three formats are recognised by their keys:

    * ``{model: {"input": usd, "output": usd}}``, USD per million tokens, the
      reference's ``pricing.json``; ``cached_input`` may be added, the price of a prompt that
      parallel samples repeat;
    * ``[{"model": id, "input": usd, "output": usd}]``, the same as a list;
    * LiteLLM's ``model_prices_and_context_window.json``, USD per token, with
      context window and capabilities. Entries without both token prices
      (images, audio) are skipped.

    Returns
    -------
    dict of str to ModelSpec
        In the file's order.

    Raises
    ------
    ConfigError
        If it is unreadable, has another format, or holds a price that is not a
        number of at least 0.
    """
    try:
        data = json.loads(read_text(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"price file {path} cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"price file {path} is not JSON: line {error.lineno}: {error.msg}"
        ) from error
    entries = list(_entries(data, path))
    specs = [parse(ModelSpec, spec, f"{path}: price of {spec['id']!r}") for spec in entries]
    prices = {spec.id: spec for spec in specs}
    if not prices:
        raise ConfigError(f"price file {path} prices no model")
    if len(prices) < len(specs):
        raise ConfigError(f"price file {path} prices the same model twice")
    return prices


def select_specs(prices: Prices, models: Iterable[str], source: str) -> tuple[ModelSpec, ...]:
    """Return the specs of `models`, in their order.

    Raises
    ------
    UnknownPriceError
        For the first model without a price; `source` names the price file in the message.
    """
    specs = []
    for model in models:
        if model not in prices:
            raise UnknownPriceError(model, source)
        specs.append(prices[model])
    return tuple(specs)


def _entries(data: object, path: Path) -> Iterable[dict[str, Any]]:
    """Yield the fields of each `ModelSpec` in the file."""
    if isinstance(data, list):
        rows = [(row.get("model"), row) for row in data if isinstance(row, dict)]
        if len(rows) < len(data):
            raise _unknown_format_error(path)
    elif isinstance(data, dict):
        rows = list(data.items())
    else:
        raise _unknown_format_error(path)
    litellm = any(isinstance(row, dict) and "input_cost_per_token" in row for _, row in rows)
    for model, row in rows:
        if not isinstance(row, dict):
            raise _unknown_format_error(path)
        if not litellm:
            yield {
                "id": model,
                "usd_per_mtok_in": row.get("input"),
                "usd_per_mtok_out": row.get("output"),
                "usd_per_mtok_cached_in": row.get("cached_input"),
            }
        elif (
            model != "sample_spec"
            and {"input_cost_per_token", "output_cost_per_token"} <= row.keys()
        ):
            yield _from_litellm(model, row)


def _from_litellm(model: object, row: Mapping[str, Any]) -> dict[str, Any]:
    flags = {
        key.removeprefix(LITELLM_CAPABILITY): value
        for key, value in sorted(row.items())
        if key.startswith(LITELLM_CAPABILITY)
    }
    return {
        "id": model,
        "usd_per_mtok_in": _per_million(row["input_cost_per_token"]),
        "usd_per_mtok_out": _per_million(row["output_cost_per_token"]),
        "context_window": _int_or_none(row.get("max_input_tokens", row.get("max_tokens"))),
        "capabilities": [name for name, value in flags.items() if value is True],
        "lacks": [name for name, value in flags.items() if value is False],
    }


def _per_million(usd_per_token: object) -> object:
    """Scale a number; any other value is returned as it is, and `parse` rejects it."""
    if isinstance(usd_per_token, int | float):
        return round(usd_per_token * 1e6, 9)
    return usd_per_token


def _int_or_none(tokens: object) -> int | None:
    """Return a count; in the catalogue it may also be text or a fraction."""
    return int(tokens) if isinstance(tokens, int | float) and tokens >= 1 else None


def _unknown_format_error(path: Path) -> ConfigError:
    return ConfigError(
        f"price file {path} has an unknown format; expected "
        '{"model": {"input": usd, "output": usd}} per million tokens, a list of '
        '{"model", "input", "output"}, or LiteLLM\'s model_prices_and_context_window.json'
    )
