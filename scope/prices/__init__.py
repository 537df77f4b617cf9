"""What calls cost: price files, and the bill of a call from what the provider reports."""

from scope.prices.bill import MAX_TOKENS, TokenUsage, bill_usd, token_count
from scope.prices.catalogue import catalogue_price, fill_in, list_prices
from scope.prices.files import (
    PriceFile,
    Prices,
    load_prices,
    select_specs,
    unknown_price_error,
)

__all__ = [
    "MAX_TOKENS",
    "PriceFile",
    "Prices",
    "TokenUsage",
    "bill_usd",
    "catalogue_price",
    "fill_in",
    "list_prices",
    "load_prices",
    "select_specs",
    "token_count",
    "unknown_price_error",
]
