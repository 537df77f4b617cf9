"""Quality of the decisions on held-out questions: the tables of docs/quality.md.

Everything is fitted on the training split and reported on the validation split, as `scope eval`
does; intervals are 95 %, over 1,000 resamples of the questions.
"""

from benchmarks.banks import NAMES, data_folder, fitted_bank, questions
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, load_bank
from scope.bank.bank import Bank
from scope.evaluation.bootstrap import Interval
from scope.evaluation.test_set import EvaluationSet
from scope.report.evaluation import Evaluation, evaluate, predict_test_set

SEED = 0


def main() -> None:
    """Print two Markdown tables for each data set at hand."""
    print_tables("The embedded bank", load_bank(EMBEDDED_BANK), load_bank(EMBEDDED_QUESTIONS))
    if data := data_folder():
        for name, title in NAMES.items():
            print_tables(title, fitted_bank(data, name), questions(data, name, "val"))


def print_tables(title: str, bank: Bank, labelled: Bank) -> None:
    """Print the leaderboard of the strategies and the quality of the forecasts."""
    test_set = EvaluationSet.from_banks(bank, labelled)
    evaluation = evaluate(bank, test_set, predict_test_set(bank, test_set), seed=SEED)
    print(
        f"### {title}: {evaluation.n_anchors:,} anchors, {evaluation.n_questions:,} questions, "
        f"{len(evaluation.models)} models\n"
    )
    print_areas(evaluation)
    print_forecasts(evaluation)


def print_areas(evaluation: Evaluation) -> None:
    """Print area, difference to ours and oracle gap closed."""
    print("| strategy | area, % | scope minus it | oracle gap closed, % |\n|---|---|---|---|")
    for row in evaluation.leaderboard:
        cells = [
            text(row.area, 100, 1),
            text(row.difference, 100, 1, sign=True),
            text(row.oracle_gap_closed, 100, 1),
        ]
        print(f"| {row.name} | {' | '.join(cells)} |")
    print()


def print_forecasts(evaluation: Evaluation) -> None:
    """Print AUC, log loss and calibration error."""
    print("| forecast | mean AUC | scope minus it | log loss | scope minus it | ECE |")
    print("|---|---|---|---|---|---|")
    for quality in evaluation.quality:
        cells = [
            text(quality.mean_auc, 1, 3),
            text(quality.auc_difference, 1, 3, sign=True),
            text(quality.pooled.log_loss, 1, 3),
            text(quality.log_loss_difference, 1, 3, sign=True),
            text(quality.pooled.ece, 1, 3),
        ]
        print(f"| {quality.name} | {' | '.join(cells)} |")
    print()


def text(value: Interval, scale: float, digits: int, *, sign: bool = False) -> str:
    """Return a number with its interval; a dash if it is undefined or the difference to itself."""
    if value.low != value.low or value.low == value.high == 0:
        return "–"
    form = f"{'+' if sign else ''}.{digits}f"
    number, low, high = (format(scale * x, form) for x in (value.value, value.low, value.high))
    return f"{number} ({low} to {high})"


if __name__ == "__main__":
    main()
