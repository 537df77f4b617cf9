"""How much the best of a sweep flatters: settings chosen where they are judged, and on other folds.

``python -m benchmarks.best_of_sweep SET...`` prints one row for each set, the share of the oracle
gap that is closed and the accuracy without a budget, on the validation split of the data in
$SCOPE_DATA (`benchmarks.banks`); all five sets without arguments.
"""

import sys

import numpy as np

from benchmarks.banks import data_folder, fitted_bank, questions
from benchmarks.leaderboard import text
from scope.arrays import FloatArray, IntArray
from scope.bank import Bank
from scope.evaluation import (
    EvaluationSet,
    Interval,
    LambdaSweep,
    Oracle,
    RandomMixtures,
    ResampledOutcomes,
    bootstrap_weights,
    hash_folds,
    log_budgets,
)
from scope.report import predict_test_set

SETS = ("mmlupro", "zeroeval", "alpaca", "bfcl", "swebench")
FOLDS = (2, 5, 10)
N_DRAWS = 30
SEED = 0


def main() -> None:
    """Print the rows of the sets that the arguments name."""
    data = data_folder()
    if data is None:
        return
    columns = ["set", "questions", "on themselves", *(f"{n} folds" for n in FOLDS), "± folds"]
    columns += ["mean of draws", "accuracy on themselves", f"{FOLDS[-1]} folds"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name in sys.argv[1:] or SETS:
        bank = fitted_bank(data, name)
        print_row(name, EvaluationSet.from_banks(bank, questions(data, name, "val")), bank)


def print_row(name: str, test_set: EvaluationSet, bank: Bank) -> None:
    """Judge the sweep of a bank, with every way to choose its settings."""
    kept_q, ids = test_set.complete_q, test_set.complete_ids
    estimates = predict_test_set(bank, test_set).estimates.select_questions(kept_q)
    sweep = LambdaSweep(estimates.p_correct_qm, estimates.cost_usd_qm)
    correct_qm, usd_qm = test_set.truth.correct_qm[kept_q], test_set.truth.cost_usd_qm[kept_q]
    weight_rq = bootstrap_weights(len(ids), SEED)

    def judge(fold_q: IntArray | None, n: int = len(weight_rq)) -> tuple[FloatArray, FloatArray]:
        """Return share and accuracy without a budget in the first resamples."""
        outcomes = ResampledOutcomes.from_outcomes(correct_qm, usd_qm, weight_rq[:n], fold_q)
        budgets = log_budgets(outcomes.mean_usd_rm)
        area_r, mixture_r, oracle_r = (
            strategy.evaluate_at(outcomes, budgets).area_r()
            for strategy in (sweep, RandomMixtures(), Oracle())
        )
        no_limit = np.full((n, 1), usd_qm.max() + 1)
        accuracy_r = sweep.evaluate_at(outcomes, no_limit).accuracy_rb[:, 0]
        return (area_r - mixture_r) / (oracle_r - mixture_r), accuracy_r

    ways = [judge(None), *(judge(hash_folds(ids, n)) for n in FOLDS)]
    draws = [
        100 * judge(hash_folds([f"{draw} {name}" for name in ids], FOLDS[-1]), 1)[0][0]
        for draw in range(N_DRAWS)
    ]
    cells = [name, f"{len(ids):,}"]
    cells += [text(Interval.from_replicates(share_r), 100, 1) for share_r, _ in ways]
    cells += [f"{np.std(draws):.1f}", f"{np.mean(draws):.1f}"]
    cells += [f"{100 * accuracy_r[0]:.1f}" for _, accuracy_r in (ways[0], ways[-1])]
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
