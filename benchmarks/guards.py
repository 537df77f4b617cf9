"""Held-out log loss of banks of 30 to 7,000 anchors: not fitted, fitted, and fitted with a choice.

Anchors are drawn from the training split, log loss is measured on the validation split of five
sets. ``python -m benchmarks.guards SET N_DRAWS`` prints one row for each size.
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.banks import data_folder, questions
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, load_bank
from scope.arrays import FloatArray
from scope.bank.bank import Bank
from scope.predictions import MIN_P
from scope.predictor.cross_validation import choose_forecast
from scope.predictor.predictor import AnchorPredictor
from scope.predictor.reference_population import fit_bank

SIZES = (30, 60, 120, 250, 500, 1_000, 2_000, 4_000, 7_000)
SETS = ("mmlupro", "zeroeval", "alpaca", "bfcl", "swebench")


def main() -> None:
    """Print the rows of the set that the first argument names."""
    data = data_folder()
    if data is None:
        return
    names = sys.argv[1:2] or SETS
    n_draws = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    print("| set | anchors | draws | neighbours | fitted minus | chosen minus | chosen |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        train, held_out = _splits(data, name)
        for size in sorted({min(size, len(train.ids)) for size in SIZES}):
            draws = 1 if size == len(train.ids) or size >= 2_000 else n_draws
            _print_row(name, train, held_out, size, draws)


def _splits(data: Path, name: str) -> tuple[Bank, Bank]:
    """Return anchors and held-out questions; the embedded ones of MMLU-Pro."""
    if name == "mmlupro":
        bank, held_out = load_bank(EMBEDDED_BANK), load_bank(EMBEDDED_QUESTIONS)
        return bank.select_anchors(np.arange(len(bank.ids))), held_out
    return questions(data, name, "train"), questions(data, name, "val")


def _print_row(name: str, train: Bank, held_out: Bank, size: int, draws: int) -> None:
    loss_dcq, chosen = [], list[str]()
    for seed in range(draws):
        rows = np.random.default_rng(seed).permutation(len(train.ids))[:size]
        bank = train.select_anchors(np.sort(rows))
        fitted = fit_bank(bank)
        guarded = choose_forecast(fitted)
        chosen.append(guarded.choice.chosen if guarded.choice else "process")
        loss_dcq.append([_losses(each, held_out) for each in (bank, fitted, guarded)])
    loss_cq = np.nanmean(np.array(loss_dcq), axis=0)
    counts = ", ".join(f"{c} {chosen.count(c)}" for c in sorted(set(chosen)))
    cells = [f"{loss_cq[0].mean():.4f}", *(_interval(loss_cq[c] - loss_cq[0]) for c in (1, 2))]
    print(f"| {name} | {size:,} | {draws} | {' | '.join(cells)} | {counts} |", flush=True)


def _losses(bank: Bank, held_out: Bank) -> FloatArray:
    """Return the mean log loss over the models, of each question."""
    held_out = held_out.select_models(bank.model_ids)
    estimates, _ = AnchorPredictor(bank).predict(held_out.embedding_ad, held_out.features_af)
    p_qm, correct_qm = estimates.p_correct_qm.clip(MIN_P, 1 - MIN_P), held_out.outcomes.correct_am
    loss_qm = -(correct_qm * np.log(p_qm) + (1 - correct_qm) * np.log1p(-p_qm))
    mean_q: FloatArray = np.nanmean(loss_qm, axis=1)
    return mean_q


def _interval(difference_q: FloatArray) -> str:
    """Return the mean and the 95 % bootstrap interval over questions."""
    rng = np.random.default_rng(0)
    rows_rq = rng.integers(len(difference_q), size=(1_000, len(difference_q)))
    low, high = np.quantile(difference_q[rows_rq].mean(axis=1), (0.025, 0.975))
    return f"{difference_q.mean():+.4f} ({low:+.4f} to {high:+.4f})"


if __name__ == "__main__":
    main()
