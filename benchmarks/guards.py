"""Held-out log loss of banks of 30 to 7,000 anchors: not fitted, every forecast, the chosen one.

Anchors are drawn from the training split, the log loss is measured on the validation split of five
sets. ``python -m benchmarks.guards SET...`` prints one row for each size. The probabilities of each
draw are kept under results/guards, so that a run that was stopped goes on, and a new rule of choice
needs no new fit.
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.banks import data_folder, questions
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, load_bank
from scope.arrays import FloatArray
from scope.bank import CANDIDATES, Bank, ForecastChoice
from scope.predictions import MIN_P
from scope.predictor import AnchorPredictor, fit_bank
from scope.predictor.cross_validation import cross_validate, predict_anchors, score_candidates

SIZES = (30, 60, 120, 250, 500, 1_000, 2_000, 3_000, 5_000, 7_000)
SETS = ("swebench", "alpaca", "bfcl", "zeroeval", "mmlupro")
N_DRAWS = 3
"""Draws of anchors for a size below `ONE_DRAW`, and 1 from there and of all anchors."""
ONE_DRAW = 2_000
CACHE = Path("results/guards")
HEADER = ("set", "anchors", "draws", *CANDIDATES, "not fitted", "chosen − it", "worst", "chosen")


def main() -> None:
    """Print the rows of the sets that the arguments name, of all without arguments."""
    data = data_folder()
    if data is None:
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    for name in sys.argv[1:] or SETS:
        train, held_out = _splits(data, name)
        for size in sorted({min(size, len(train.ids)) for size in SIZES}):
            draws = 1 if size == len(train.ids) or size >= ONE_DRAW else N_DRAWS
            _print_row(name, train, held_out, size, draws)


def _splits(data: Path, name: str) -> tuple[Bank, Bank]:
    """Return anchors and held-out questions; the embedded ones of MMLU-Pro."""
    if name == "mmlupro":
        bank, held_out = load_bank(EMBEDDED_BANK), load_bank(EMBEDDED_QUESTIONS)
        return bank.select_anchors(np.arange(len(bank.ids))), held_out
    return questions(data, name, "train"), questions(data, name, "val")


def _print_row(name: str, train: Bank, held_out: Bank, size: int, draws: int) -> None:
    """Print the mean over the draws, with an interval over questions."""
    held_out = held_out.select_models(train.model_ids)
    loss_dcq, chosen = [], list[int]()
    for seed in range(draws):
        rows_n = np.sort(np.random.default_rng(seed).permutation(len(train.ids))[:size])
        bank = train.select_anchors(rows_n)
        fold_cnm, p_cqm, method = _probabilities(bank, held_out, CACHE / f"{name}-{size}-{seed}")
        scores = score_candidates(fold_cnm, bank.outcomes.correct_am)
        choice = ForecastChoice.from_scores(scores, method, size)
        chosen.append(CANDIDATES.index(choice.chosen))
        loss_dcq.append(_losses(p_cqm, held_out.outcomes.correct_am))
    loss = np.array(loss_dcq)
    regret_dq = loss[np.arange(draws), chosen] - loss[:, -1]
    means = [f"{value:.4f}" for value in loss.mean(axis=(0, 2))]
    counts = ", ".join(f"{CANDIDATES[c]} {chosen.count(c)}" for c in sorted(set(chosen)))
    cells = [name, f"{size:,}", str(draws), *means, _interval(regret_dq.mean(axis=0))]
    print(f"| {' | '.join(cells)} | {regret_dq.mean(axis=1).max():+.4f} | {counts} |", flush=True)


def _probabilities(bank: Bank, held_out: Bank, path: Path) -> tuple[FloatArray, FloatArray, str]:
    """Return the cross-validated and the held-out probabilities of every candidate.

    The last of the held-out ones are those of the bank before its fit.
    """
    stored = path.with_suffix(".npz")
    if not stored.exists():
        fitted = fit_bank(bank)
        fold_cnm, method = cross_validate(fitted)
        question_q = np.arange(len(held_out.ids))
        p_cqm = predict_anchors(fitted, held_out, question_q, np.full_like(question_q, -1))
        unfitted, _ = AnchorPredictor(bank).predict(held_out.embedding_ad, held_out.features_af)
        p_cqm = np.concatenate([p_cqm, unfitted.p_correct_qm[None]])
        np.savez(stored, fold_cnm=fold_cnm, p_cqm=p_cqm, method=method)
    with np.load(stored) as arrays:
        return arrays["fold_cnm"], arrays["p_cqm"], str(arrays["method"])


def _losses(p_cqm: FloatArray, correct_qm: FloatArray) -> FloatArray:
    """Return the mean log loss over the models, of each candidate and question."""
    p_cqm = p_cqm.clip(MIN_P, 1 - MIN_P)
    loss_cqm = -(correct_qm * np.log(p_cqm) + (1 - correct_qm) * np.log1p(-p_cqm))
    mean_cq: FloatArray = np.nanmean(loss_cqm, axis=2)
    return mean_cq


def _interval(difference_q: FloatArray) -> str:
    """Return the mean and the 95 % bootstrap interval over questions."""
    rng = np.random.default_rng(0)
    rows_rq = rng.integers(len(difference_q), size=(1_000, len(difference_q)))
    low, high = np.quantile(difference_q[rows_rq].mean(axis=1), (0.025, 0.975))
    return f"{difference_q.mean():+.4f} ({low:+.4f} to {high:+.4f})"


if __name__ == "__main__":
    main()
