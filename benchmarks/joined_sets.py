"""What one bank of several sets, whose models differ, costs and gains: a bank with gaps.

The five sets are joined: a model has no outcome on the questions of a set that it is not in. The
data are in $SCOPE_DATA (`benchmarks.banks`). Fit and forecast run in processes of their own.
``python -m benchmarks.joined_sets bfcl swebench`` joins two of them.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.banks import data_folder, fitted_bank, questions
from benchmarks.clock import best, peak_gib, seconds
from pipelines.bank.files import save_bank_now
from scope.bank import Bank, load_bank
from scope.evaluation import difference_r2
from scope.outcomes import Outcomes
from scope.predictor import AnchorPredictor, choose_forecast, fit_bank
from scope.predictor.cross_validation import log_loss

SETS = ("mmlupro", "zeroeval", "alpaca", "bfcl", "swebench")
BATCH = 512
N_ALONE = 64
"""Questions that are also predicted one by one."""


def main(data: Path, names: Sequence[str]) -> None:
    """Print time and memory, then the quality on each set against a bank of that set alone."""
    with tempfile.TemporaryDirectory() as folder:
        print("| anchors | models | known | fit, s | choice, s | peak, GiB | chosen |")
        print(f"|---|---|---|---|---|---|---|\n{part('fit', folder, names)}", flush=True)
        print("\n| forecast, ms | memory, GiB | unlike alone | NaN |")
        print(f"|---|---|---|---|\n{part('predict', folder, names)}\n")
        both = load_bank(Path(folder) / "bank")
    print("| set | forecast | questions | log loss | worse by | R² of differences |")
    print("|---|---|---|---|---|---|")
    for name in names:
        alone, held_out = fitted_bank(data, name), questions(data, name, "val")
        process = quality(alone, replace(both, choice=None), held_out)
        print(f"| {name} | process | {process} |", flush=True)
        print(f"| | chosen | {quality(choose_forecast(alone), both, held_out)} |", flush=True)


def part(name: str, folder: str, names: Sequence[str]) -> str:
    """Run one measurement in a process of its own and return its row."""
    command = [sys.executable, "-m", "benchmarks.joined_sets", name, folder, *names]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def fit(bank: Bank, folder: Path) -> None:
    """Print seconds and peak memory of a fit; keep the bank."""
    fit_s, fitted = seconds(lambda: fit_bank(bank))
    choice_s, chosen = seconds(lambda: choose_forecast(fitted))
    save_bank_now(chosen, folder / "bank", ("joined",), command="python")
    known = 1 - np.isnan(bank.outcomes.correct_am).mean()
    print(f"| {len(bank.ids):,} | {len(bank.models)} | {100 * known:.0f} % | {fit_s:.0f} ", end="")
    print(f"| {choice_s:.0f} | {peak_gib():.1f} | {chosen.choice and chosen.choice.chosen} |")


def predict(held_out: Bank, folder: Path) -> None:
    """Print milliseconds a question, and how many forecasts of a question alone are others."""
    rows_q = np.random.default_rng(0).permutation(len(held_out.ids))[:BATCH]
    embedding_qd, features_qf = held_out.embedding_ad[rows_q], held_out.features_af[rows_q]
    predictor = AnchorPredictor(load_bank(folder / "bank"))
    took_s, (batch, _) = best(lambda: predictor.predict(embedding_qd, features_qf))
    memory_gib, unlike = peak_gib(), 0
    for row in (slice(q, q + 1) for q in range(N_ALONE)):
        alone, _ = predictor.predict(embedding_qd[row], features_qf[row])
        same = batch.select_questions(np.arange(len(rows_q)) == row.start)
        unlike += not np.array_equal(alone.p_correct_qm, same.p_correct_qm, equal_nan=True)
        unlike += not np.array_equal(alone.cost_usd_qm, same.cost_usd_qm, equal_nan=True)
    unknown = np.isnan(batch.p_correct_qm).sum() + np.isnan(batch.cost_usd_qm).sum()
    print(f"| {1_000 * took_s / len(rows_q):.2f} | {memory_gib:.1f} | {unlike} | {unknown} |")


def joined(data: Path, names: Sequence[str], split: str) -> Bank:
    """Return one bank of all anchors and models; the first set's price of a model holds."""
    banks = [questions(data, name, split) for name in names]
    models = {model.id: model for bank in reversed(banks) for model in bank.models}
    grids = [bank.outcomes.reindex(tuple(models), len(bank.ids)) for bank in banks]
    columns = ("correct_am", "prompt_tokens_am", "completion_tokens_am")
    outcomes = (np.concatenate([getattr(grid, name) for grid in grids]) for name in columns)
    return replace(
        banks[0],
        ids=tuple(f"{n}/{a}" for n, bank in zip(names, banks, strict=True) for a in bank.ids),
        categories=tuple(category for bank in banks for category in bank.categories),
        gold_answers=tuple(answer for bank in banks for answer in bank.gold_answers),
        embedding_ad=np.concatenate([bank.embedding_ad for bank in banks]),
        features_af=np.concatenate([bank.features_af for bank in banks]),
        models=tuple(models.values()),
        outcomes=Outcomes(tuple(models), *outcomes),
        reference=None,
        forecaster=None,
    )


def quality(alone: Bank, both: Bank, held_out: Bank) -> str:
    """Return log loss and R² of differences of two banks, on the models of the first."""
    correct_qm = held_out.select_models(alone.model_ids).outcomes.correct_am
    known_q, loss_q, explained = ~np.isnan(correct_qm).any(axis=1), [], []
    for bank in (alone, both.select_models(alone.model_ids)):
        estimates, _ = AnchorPredictor(bank).predict(held_out.embedding_ad, held_out.features_af)
        p_qm = estimates.p_correct_qm[known_q]
        loss_q.append(log_loss(p_qm, correct_qm[known_q]).mean(axis=1))
        explained.append(difference_r2(p_qm, correct_qm[known_q], np.ones((1, len(p_qm))))[0])
    worse_q, (old, new) = loss_q[1] - loss_q[0], (loss.mean() for loss in loss_q)
    error = worse_q.std() / np.sqrt(len(worse_q))
    row = f"{len(worse_q):,} | {old:.4f} → {new:.4f} | {worse_q.mean():+.4f} ± {error:.4f}"
    return row + " | {:.4f} → {:.4f}".format(*explained)


if __name__ == "__main__" and (folder := data_folder()):
    if sys.argv[1:2] == ["fit"]:
        fit(joined(folder, sys.argv[3:], "train"), Path(sys.argv[2]))
    elif sys.argv[1:2] == ["predict"]:
        predict(joined(folder, sys.argv[3:], "val"), Path(sys.argv[2]))
    else:
        main(folder, sys.argv[1:] or SETS)
