"""Read and write the folder of a bank."""

from datetime import UTC, datetime
from pathlib import Path

from scope.arms import ArmColumns, reprice
from scope.bank import Bank, BankManifest, load_bank, save_bank
from scope.errors import BankError
from scope.prices import load_prices


def check_new(output: Path) -> None:
    """Raise `BankError` if `output` exists; to be called before the work, not after it."""
    if output.exists():
        raise BankError(f"{output} exists; choose another folder or remove it first")


def save_bank_now(bank: Bank, output: Path, sources: tuple[str, ...]) -> BankManifest:
    """Write `bank` into a new folder, with the current time in its manifest."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return save_bank(bank, output, created_at=now, sources=sources)


def load_bank_for_pool(
    path: Path, pool: tuple[str, ...] | None, prices: Path | None
) -> tuple[Bank, ArmColumns]:
    """Load a bank, restricted to what the arms of `pool` need, with the prices in `prices`.

    Returns
    -------
    bank : Bank
        Of the arms that have outcomes of their own, and of one sample of those that are derived.
    arms : ArmColumns
        The pool, from the columns of that bank.
    """
    bank = load_bank(path)
    wanted = bank.model_ids if pool is None else pool
    arms = ArmColumns.resolve(wanted, bank.models, f"bank {path}")
    bank = bank.select_models(tuple(dict.fromkeys(bank.model_ids[m] for m in arms.columns)))
    if prices is not None:
        bank = bank.with_prices(reprice(bank.models, load_prices(prices), str(prices)))
    return bank, ArmColumns.resolve(wanted, bank.models, f"bank {path}")
