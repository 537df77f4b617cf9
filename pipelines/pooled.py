"""A bank as a user asks for it: cut to a pool, at other prices."""

from pathlib import Path

from scope.bank import Bank
from scope.bank_store import load_bank
from scope.prices import load_prices, select_specs


def load_bank_for_pool(path: Path, pool: tuple[str, ...] | None, prices: Path | None) -> Bank:
    """Load the bank, cut to the pool, at the prices given."""
    bank = load_bank(path)
    if pool is not None:
        bank = bank.select_models(pool)
    if prices is not None:
        bank = bank.with_prices(select_specs(load_prices(prices), bank.model_ids, str(prices)))
    return bank
