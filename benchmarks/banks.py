"""Banks of the full data, which are too large to ship, built once from the files in $SCOPE_DATA.

The folder holds, for ``mmlupro`` and ``zeroeval``, ``*_questions.parquet``, ``*_outcomes.parquet``
and ``*_prices.json`` in the columns that docs/formats.md describes, and the outcomes of further
models in ``mmlupro_new_models_outcomes.parquet``. Banks are kept under results/banks.
"""

import os
from pathlib import Path

from pipelines.bank.build import BankInputs, build_bank
from pipelines.bank.files import save_bank_now
from scope.bank.bank import Bank
from scope.bank.store import load_bank
from scope.predictor.reference_population import fit_bank

NAMES = {"mmlupro": "MMLU-Pro", "zeroeval": "ZeroEval"}
CACHE = Path("results/banks")


def data_folder() -> Path | None:
    """Return the folder of the data; print a line and return None if there is none."""
    folder = Path(os.environ.get("SCOPE_DATA", ""))
    if not (folder / "mmlupro_questions.parquet").is_file():
        print("SCOPE_DATA is not a folder with the full data: skipped\n")
        return None
    return folder


def fitted_bank(data: Path, name: str) -> Bank:
    """Return the training split as a fitted bank."""
    path = CACHE / f"{name}-fitted"
    if not path.exists():
        save_bank_now(fit_bank(questions(data, name, "train")), path, (name,), command="python")
    return load_bank(path)


def questions(data: Path, name: str, split: str) -> Bank:
    """Return a split of the data with its outcomes, embedded."""
    path = CACHE / f"{name}-{split}"
    if not path.exists():
        inputs = BankInputs(
            data / f"{name}_questions.parquet",
            data / f"{name}_outcomes.parquet",
            data / f"{name}_prices.json",
            split=split,
            keep_prompts=False,
        )
        build_bank(inputs, path)
    return load_bank(path)
