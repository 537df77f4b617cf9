"""Prices that the package genai-prices knows; nothing is fetched."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from scope.errors import ConfigError, join_names
from scope.pool import ModelSpec, PriceTier

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

_FIELDS = {
    "usd_per_mtok_in": "input_mtok",
    "usd_per_mtok_out": "output_mtok",
    "usd_per_mtok_cached_in": "cache_read_mtok",
    "usd_per_mtok_cache_write": "cache_write_mtok",
}
"""Price -> what the package calls it."""


def catalogue_price(model: str, base_url: str, at: datetime | None = None) -> ModelSpec | None:
    """Return today's list price of a model at its provider; None if the package knows none.

    The address tells the provider: a model of the same name on a server of one's own has none.
    The data are those of the installed release; some prices change by date or time of day.

    Parameters
    ----------
    model : str
        Name at the provider.
    base_url : str
    at : datetime, optional
        Default: now.
    """
    if _is_own_server(base_url):
        return None
    # A tenth of a second and 1.6 MB of data, which no server of one's own needs.
    from genai_prices import Usage, calc_price

    try:
        price = calc_price(
            Usage(),
            model,
            provider_api_url=base_url,
            genai_request_timestamp=at or datetime.now(UTC),
        ).model_price
        return ModelSpec(id=model, **_fields(price, None), tiers=tuple(_tiers(price)))
    except (LookupError, ValidationError):  # an image model has no price of tokens
        return None


def list_prices(models: Iterable[str], at: datetime | None = None) -> dict[str, ModelSpec]:
    """Return today's list prices of models by their names alone, in their order.

    A name may begin with its provider, as ``openai/gpt-4o``. Without one the price is that of the
    maker of the model, else OpenRouter's.

    Raises
    ------
    ConfigError
        If no price is known of some; it names them.
    """
    found = {model: _price_by_name(model, at or datetime.now(UTC)) for model in models}
    if unknown := [model for model, price in found.items() if price is None]:
        raise ConfigError(
            f"no list price is known of {join_names(unknown)}; give a price file with --prices"
        )
    return {model: price for model, price in found.items() if price is not None}


def _price_by_name(model: str, at: datetime) -> ModelSpec | None:
    from genai_prices import Usage, calc_price

    provider, _, rest = model.partition("/")
    guesses = [(rest, provider.lower()), (model, None), (model.lower(), "openrouter")]
    guesses.append((model.rpartition("/")[2], None))
    for name, provider_id in guesses:
        try:
            price = calc_price(
                Usage(), name, provider_id=provider_id, genai_request_timestamp=at
            ).model_price
            return ModelSpec(id=model, **_fields(price, None), tiers=tuple(_tiers(price)))
        except (LookupError, ValidationError):
            continue
    return None


def fill_in(price: ModelSpec, known: ModelSpec | None) -> ModelSpec:
    """Return the prices of a pool; what it does not state is in proportion to list prices.

    Cached tokens that cost a tenth of the list price cost a tenth of the pool's price.

    Parameters
    ----------
    price : ModelSpec
        Of one call.
    known : ModelSpec or None
        From `catalogue_price`.
    """
    if known is None or not known.usd_per_mtok_in or not known.usd_per_mtok_out:
        return price
    scale_in = price.usd_per_mtok_in / known.usd_per_mtok_in
    scale_out = price.usd_per_mtok_out / known.usd_per_mtok_out
    scaled = _scaled(known, scale_in, scale_out)
    update: dict[str, Any] = {
        name: scaled[name]
        for name in ("usd_per_mtok_cached_in", "usd_per_mtok_cache_write")
        if getattr(price, name) is None
    }
    if not price.tiers:
        update["tiers"] = tuple(
            tier.model_copy(update=_scaled(tier, scale_in, scale_out)) for tier in known.tiers
        )
    return price.model_copy(update=update)


def _is_own_server(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return "." not in host
    return True


def _fields(price: "ModelPrice", above: int | None) -> dict[str, Any]:
    """Return the prices of a call; `above` is the limit of a tier."""
    found = {}
    for field, name in _FIELDS.items():
        value = getattr(price, name, None)
        if value is not None:
            found[field] = float(_of_tier(value, above))
    return found


def _of_tier(value: Any, above: int | None) -> Any:  # noqa: ANN401 (Decimal, or prices by length)
    tiers = getattr(value, "tiers", None)
    if tiers is None:
        return value
    started = [tier.price for tier in tiers if above is not None and tier.start <= above]
    return started[-1] if started else value.base


def _tiers(price: "ModelPrice") -> Iterator[PriceTier]:
    values = [getattr(price, name, None) for name in _FIELDS.values()]
    limits = {tier.start for value in values for tier in getattr(value, "tiers", ())}
    for limit in sorted(limits):
        yield PriceTier(above_prompt_tokens=limit, **_fields(price, limit))


def _scaled(
    known: ModelSpec | PriceTier, scale_in: float, scale_out: float
) -> dict[str, float | None]:
    scales = dict.fromkeys(_FIELDS, scale_in) | {"usd_per_mtok_out": scale_out}
    prices = {name: getattr(known, name) for name in _FIELDS}
    return {
        name: None if usd is None else round(usd * scales[name], 9) for name, usd in prices.items()
    }
