"""Questions unlike the anchors: learned on MMLU-Pro, asked ZeroEval, on the models both have."""

from dataclasses import replace

import numpy as np

from benchmarks.banks import data_folder, learned_bank, questions
from benchmarks.leaderboard import SEED, text
from scope.arrays import FloatArray
from scope.bank.bank import Bank
from scope.config import AnchorConfig
from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.evaluation import predict_test_set
from scope.evaluation.forecast_quality import forecast_qualities
from scope.evaluation.test_set import EvaluationSet
from scope.predictions import Predictions


def main() -> None:
    """Print one line of a Markdown table for each way to foretell ZeroEval."""
    data = data_folder()
    if data is None:
        return
    near, far = learned_bank(data, "zeroeval"), learned_bank(data, "mmlupro")
    both = tuple(model for model in far.model_ids if model in near.model_ids)
    near, far = near.select_models(both), far.select_models(both)
    labelled = questions(data, "zeroeval", "val")
    exam = EvaluationSet.from_banks(near, labelled)
    told = {
        "learned on ZeroEval": predict_test_set(near, exam),
        "learned on MMLU-Pro": predict_test_set(far, exam),
        "votes alone": predict_test_set(far, exam, AnchorConfig(use_forecaster=False)),
        "forecaster alone": predict_test_set(_trusting(far), exam),
    }
    p_correct = {name: one.estimates.p_correct_qm for name, one in told.items()}
    mean_m = np.nanmean(far.outcomes.correct_am, axis=0)
    p_correct["each model's mean on MMLU-Pro"] = np.tile(mean_m, (len(exam.ids), 1))
    _print(p_correct, told, exam, both)
    own = predict_test_set(far, EvaluationSet.from_banks(far, questions(data, "mmlupro", "val")))
    print(
        f"\nflagged: {_flagged(told['learned on MMLU-Pro'])} of ZeroEval, "
        f"{_flagged(own)} of the validation questions of MMLU-Pro"
    )


def _trusting(bank: Bank) -> Bank:
    """Return the bank that takes every question for a familiar one."""
    assert bank.forecaster is not None
    return replace(bank, forecaster=replace(bank.forecaster, familiar=1e-12))


def _print(
    p_correct: dict[str, FloatArray],
    told: dict[str, Predictions],
    exam: EvaluationSet,
    models: tuple[str, ...],
) -> None:
    weight_rq = bootstrap_weights(len(exam.ids), SEED)
    tokens_qm = told["learned on ZeroEval"].estimates.completion_tokens_qm
    print("| forecast of ZeroEval | mean AUC | log loss | ECE | mean width of the 90 % interval |")
    print("|---|---|---|---|---|")
    for one in forecast_qualities(p_correct, models, exam, tokens_qm, weight_rq):
        cells = [text(one.mean_auc, 1, 3), text(one.pooled.log_loss, 1, 3)]
        cells.append(text(one.pooled.ece, 1, 3))
        print(f"| {one.name} | {' | '.join(cells)} | {_width(told.get(one.name))} |")


def _width(predictions: Predictions | None) -> str:
    if predictions is None:
        return "–"
    estimates = predictions.estimates
    return f"{float(np.mean(estimates.p_correct.high_qm - estimates.p_correct.low_qm)):.2f}"


def _flagged(predictions: Predictions) -> str:
    return f"{float(np.mean(predictions.estimates.in_distribution_qm[:, 0] < 1)):.1%}"


if __name__ == "__main__":
    main()
