"""Read price files; an odd entry is left out, and is an error only where it is asked for."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

from scope.config import parse
from scope.errors import (
    ConfigError,
    FormatError,
    ScopeError,
    ScopeWarning,
    UnknownPriceError,
    join_names,
    one_line,
)
from scope.json_text import parse_json
from scope.pool import ModelSpec
from scope.prices.formats import Entry, read_entries
from scope.text_files import read_text

Prices = Mapping[str, ModelSpec]


class PriceFile(dict[str, ModelSpec]):
    """The models of a price file, in its order, and what is wrong with those left out.

    Parameters
    ----------
    specs : mapping of str to ModelSpec
    odd : mapping of str to str
        Model -> one sentence about its entry.
    """

    def __init__(self, specs: Mapping[str, ModelSpec], odd: Mapping[str, str]) -> None:
        super().__init__(specs)
        self.odd = odd

    def check(self, model: str) -> None:
        """Raise `ConfigError` if the entry of a model was left out."""
        if model in self.odd:
            raise ConfigError(self.odd[model])


def load_prices(path: Path) -> PriceFile:
    """Read a price file.

    Four forms are recognised by their keys:

    * ``{model: {"input": usd, "output": usd}}``, USD per million tokens, the reference's
      ``pricing.json``; ``cached_input``, ``cache_write``, ``reasoning``, ``repeated_input`` and
      ``tiers`` may be added, see `ModelSpec`;
    * ``[{"model": id, "input": usd, "output": usd}]``, the same as a list;
    * LiteLLM's ``model_prices_and_context_window.json``, USD per token, with context window and
      capabilities. Entries without both token prices (images, audio) are left out;
    * OpenRouter's list of models, ``{"data": [{"id": id, "pricing": {"prompt": "usd", …}}]}``.

    Raises
    ------
    ConfigError
        If it is unreadable, has another form, or prices no model.

    Warns
    -----
    ScopeWarning
        About the entries that are left out: a price that is no number of at least 0, or a model
        that is priced twice.
    """
    entries = read_entries(_read(path))
    if entries is None:
        raise ConfigError(
            f"price file {path} has an unknown form; expected "
            '{"model": {"input": usd, "output": usd}} per million tokens, a list of '
            '{"model", "input", "output"}, LiteLLM\'s model_prices_and_context_window.json, or '
            'OpenRouter\'s {"data": [{"id", "pricing"}]}'
        )
    prices = _parse_entries(entries, path)
    if not prices:
        reasons = "".join(f"; {reason}" for reason in list(prices.odd.values())[:3])
        raise ConfigError(f"price file {path} prices no model{reasons}")
    if prices.odd:
        first = next(iter(prices.odd.values())).removeprefix(f"{path}: ")
        warnings.warn(
            f"{path}: left out {join_names(map(repr, prices.odd))}; {first}",
            ScopeWarning,
            stacklevel=2,
        )
    return prices


def select_specs(prices: Prices, models: Iterable[str], source: str) -> tuple[ModelSpec, ...]:
    """Return the specs of `models`, in their order.

    Raises
    ------
    UnknownPriceError
        For the first model without a price; `source` names the price file in the message.
    ConfigError
        For one whose entry in the file was left out.
    """
    specs = []
    for model in models:
        if model not in prices:
            raise unknown_price_error(prices, model, source)
        specs.append(prices[model])
    return tuple(specs)


def unknown_price_error(prices: Prices, model: str, source: str) -> ScopeError:
    """Return the error of a model without a price: its odd entry, or the names next to it."""
    if isinstance(prices, PriceFile) and model in prices.odd:
        return ConfigError(prices.odd[model])
    return UnknownPriceError(model, source, tuple(prices))


def _read(path: Path) -> object:
    # A catalogue of thousands is not refused for one number or one name in it.
    source = f"price file {path}"
    try:
        return parse_json(read_text(path), source, allow_nan=True, unique_keys=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} cannot be read: {error}") from error
    except FormatError as error:
        raise ConfigError(str(error)) from error


def _parse_entries(entries: list[Entry], path: Path) -> PriceFile:
    specs: dict[str, ModelSpec] = {}
    odd: dict[str, str] = {}
    for number, (name, fields) in enumerate(entries, start=1):
        model = name if isinstance(name, str) and name else f"entry {number}"
        source = f"{path}: price of {model!r}"
        if fields is None:
            odd[model] = f"{source} is no object with prices"
            continue
        try:
            spec = parse(ModelSpec, fields, source)
        except ConfigError as error:
            odd[model] = one_line(error)
            continue
        if specs.setdefault(spec.id, spec) != spec:
            odd[model] = f"{path}: prices the same model twice: {model!r}"
    return PriceFile({model: spec for model, spec in specs.items() if model not in odd}, odd)
