"""Read and write the folder of a bank."""

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from scope.arms import ArmColumns, reprice
from scope.bank import (
    Bank,
    BankManifest,
    LineageInput,
    LineageStep,
    bank_version,
    is_bank,
    load_bank,
    read_manifest,
    save_bank,
)
from scope.errors import BankError
from scope.prices import load_prices
from scope.storage import sha256

InputKind = Literal["questions", "outcomes", "samples", "decisions", "logs"]


def check_new(output: Path) -> None:
    """Raise `BankError` if `output` exists; to be called before the work, not after it."""
    if output.exists():
        raise BankError(f"{output} exists; choose another folder or remove it first")


def save_bank_now(
    bank: Bank,
    output: Path,
    sources: tuple[str, ...],
    *,
    command: str,
    parent: Path | None = None,
    inputs: Iterable[tuple[InputKind, Path]] = (),
) -> BankManifest:
    """Write `bank` into a new folder, with the current time and its lineage in the manifest.

    Parameters
    ----------
    bank : Bank
    output : Path
        Must not exist.
    sources : tuple of str
        Origins of the questions and outcomes.
    command : str
        That writes the bank, as users type it, without arguments.
    parent : Path, optional
        The bank that was changed; its lineage comes first.
    inputs : iterable of kind and Path
        What else was read. Only the names of the files are kept, not their folders.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    step = LineageStep(
        command=command,
        scope_router=version("scope-router"),
        time=now,
        inputs=tuple(
            LineageInput(kind=kind, name=path.name, digest=_digest(path)) for kind, path in inputs
        ),
        parent=bank_version(parent) if parent else None,
    )
    earlier = read_manifest(parent).lineage if parent else ()
    return save_bank(bank, output, created_at=now, sources=sources, lineage=(*earlier, step))


def _digest(path: Path) -> str | None:
    if is_bank(path):
        return bank_version(path)
    return sha256(path) if path.is_file() else None


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
