"""What a known category of a question is worth, on the sets of the folder $SCOPE_DATA.

``python -m benchmarks.known_facts SET…`` fits the training questions of each set and predicts the
validation questions twice, with the category guessed and known. Banks are kept under
results/banks.
"""

import sys

from benchmarks.banks import data_folder, fitted_bank, questions
from scope.evaluation import EvaluationSet, Interval, metric_replicates
from scope.report import predict_test_set

SETS = ("mmlupro", "zeroeval", "alpaca", "bfcl", "swebench")
METRICS = ("oracle_gap_closed", "auc", "log_loss")


def main() -> None:
    """Print a row for each set and metric."""
    data = data_folder()
    if data is None:
        return
    print("| set | learned categories | metric | guessed | known | known − guessed |")
    print("|---|---|---|---|---|---|")
    for name in sys.argv[1:] or SETS:
        bank, labelled = fitted_bank(data, name), questions(data, name, "val")
        test_set = EvaluationSet.from_banks(bank, labelled)
        guessed, known = (
            metric_replicates(predict_test_set(bank, test_set, known_fact=is_known), test_set, 0)
            for is_known in (False, bool(bank.fact_values))
        )
        for metric in METRICS:
            difference = Interval.from_replicates(known[metric] - guessed[metric])
            cells = [f"{replicates[metric][0]:.4f}" for replicates in (guessed, known)]
            row = (name, str(len(bank.fact_values)), metric, *cells, f"{difference:+.4f}")
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
