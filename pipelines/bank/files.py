"""Read and write the folder of a bank."""

from datetime import UTC, datetime
from pathlib import Path

from scope.bank import Bank, BankManifest, load_bank, save_bank
from scope.errors import BankError
from scope.prices import load_prices, select_specs


def check_new(output: Path) -> None:
    """Raise `BankError` if `output` exists; to be called before the work, not after it."""
    if output.exists():
        raise BankError(f"{output} exists; choose another folder or remove it first")


def save_bank_now(bank: Bank, output: Path, sources: tuple[str, ...]) -> BankManifest:
    """Write `bank` into a new folder, with the current time in its manifest."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return save_bank(bank, output, created_at=now, sources=sources)


def load_bank_for_pool(path: Path, pool: tuple[str, ...] | None, prices: Path | None) -> Bank:
    """Load a bank, restricted to the models of `pool`, with the prices in `prices`."""
    bank = load_bank(path)
    if pool is not None:
        bank = bank.select_models(pool)
    if prices is not None:
        bank = bank.with_prices(select_specs(load_prices(prices), bank.model_ids, str(prices)))
    return bank
