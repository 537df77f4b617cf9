"""How good the decisions are on questions nobody learned from: the tables of docs/quality.md.

Everything is fitted on the training split and reported on the validation split, as `scope eval`
does; intervals are 95 %, over 1,000 resamples of the questions.
"""

from benchmarks.banks import NAMES, data_folder, learned_bank, questions
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, load_bank
from scope.bank.bank import Bank
from scope.evaluation.bootstrap import Interval
from scope.evaluation.evaluation import Evaluation, evaluate, predict_test_set
from scope.evaluation.test_set import EvaluationSet

SEED = 0


def main() -> None:
    """Print two Markdown tables for each data set at hand."""
    examine("The embedded bank", load_bank(EMBEDDED_BANK), load_bank(EMBEDDED_QUESTIONS))
    if data := data_folder():
        for name, title in NAMES.items():
            examine(title, learned_bank(data, name), questions(data, name, "val"))


def examine(title: str, bank: Bank, labelled: Bank) -> None:
    """Print where everybody stands, and how far their forecasts can be trusted."""
    exam = EvaluationSet.from_banks(bank, labelled)
    evaluation = evaluate(bank, exam, predict_test_set(bank, exam), seed=SEED)
    print(
        f"### {title}: {evaluation.n_anchors:,} anchors, {evaluation.n_questions:,} questions, "
        f"{len(evaluation.models)} models\n"
    )
    print_areas(evaluation)
    print_forecasts(evaluation)


def print_areas(evaluation: Evaluation) -> None:
    """Print area, difference and share of the way to the oracle."""
    print("| way to choose | area, % | scope minus it | share of the way, % |\n|---|---|---|---|")
    for one in evaluation.leaderboard:
        cells = [
            text(one.area, 100, 1),
            text(one.difference, 100, 1, sign=True),
            text(one.oracle_gap_closed, 100, 1),
        ]
        print(f"| {one.name} | {' | '.join(cells)} |")
    print()


def print_forecasts(evaluation: Evaluation) -> None:
    """Print AUC, log loss, Brier score and calibration error."""
    print("| forecast | mean AUC | scope minus it | log loss | scope minus it | ECE |")
    print("|---|---|---|---|---|---|")
    for one in evaluation.quality:
        cells = [
            text(one.mean_auc, 1, 3),
            text(one.auc_difference, 1, 3, sign=True),
            text(one.pooled.log_loss, 1, 3),
            text(one.log_loss_difference, 1, 3, sign=True),
            text(one.pooled.ece, 1, 3),
        ]
        print(f"| {one.name} | {' | '.join(cells)} |")
    print()


def text(value: Interval, scale: float, digits: int, *, sign: bool = False) -> str:
    """Return a number with its interval; a dash for what a way does not have."""
    if value.low != value.low or value.low == value.high == 0:
        return "–"
    form = f"{'+' if sign else ''}.{digits}f"
    number, low, high = (format(scale * x, form) for x in (value.value, value.low, value.high))
    return f"{number} ({low} to {high})"


if __name__ == "__main__":
    main()
