"""Out-of-distribution questions: fitted on MMLU-Pro, evaluated on ZeroEval, common models."""

from dataclasses import replace

import numpy as np

from benchmarks.banks import data_folder, fitted_bank, questions
from benchmarks.leaderboard import SEED, text
from scope.arrays import FloatArray
from scope.bank.bank import Bank
from scope.config import AnchorConfig
from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.forecast_quality import forecast_qualities
from scope.evaluation.test_set import EvaluationSet
from scope.predictions import Predictions
from scope.report.evaluation import predict_test_set


def main() -> None:
    """Print one row of a Markdown table for each forecast of ZeroEval."""
    data = data_folder()
    if data is None:
        return
    in_bank, out_bank = fitted_bank(data, "zeroeval"), fitted_bank(data, "mmlupro")
    both = tuple(model for model in out_bank.model_ids if model in in_bank.model_ids)
    in_bank, out_bank = in_bank.select_models(both), out_bank.select_models(both)
    labelled = questions(data, "zeroeval", "val")
    test_set = EvaluationSet.from_banks(in_bank, labelled)
    predictions = {
        "fitted on ZeroEval": predict_test_set(in_bank, test_set),
        "fitted on MMLU-Pro": predict_test_set(out_bank, test_set),
        "kNN alone": predict_test_set(out_bank, test_set, AnchorConfig(use_forecaster=False)),
        "forecaster alone": predict_test_set(_without_ood(out_bank), test_set),
    }
    p_correct = {name: item.estimates.p_correct_qm for name, item in predictions.items()}
    mean_m = np.nanmean(out_bank.outcomes.correct_am, axis=0)
    p_correct["each model's mean on MMLU-Pro"] = np.tile(mean_m, (len(test_set.ids), 1))
    _print(p_correct, predictions, test_set, both)
    own = predict_test_set(
        out_bank, EvaluationSet.from_banks(out_bank, questions(data, "mmlupro", "val"))
    )
    print(
        f"\nout of distribution: {_share_ood(predictions['fitted on MMLU-Pro'])} of ZeroEval, "
        f"{_share_ood(own)} of the validation questions of MMLU-Pro"
    )


def _without_ood(bank: Bank) -> Bank:
    """Return the bank with every question in distribution."""
    assert bank.forecaster is not None
    return replace(bank, forecaster=replace(bank.forecaster, in_distribution_threshold=1e-12))


def _print(
    p_correct: dict[str, FloatArray],
    predictions: dict[str, Predictions],
    test_set: EvaluationSet,
    models: tuple[str, ...],
) -> None:
    weight_rq = bootstrap_weights(len(test_set.ids), SEED)
    tokens_qm = predictions["fitted on ZeroEval"].estimates.completion_tokens_qm
    print("| forecast of ZeroEval | mean AUC | log loss | ECE | mean width of the 90 % interval |")
    print("|---|---|---|---|---|")
    for quality in forecast_qualities(p_correct, models, test_set, tokens_qm, weight_rq):
        cells = [text(quality.mean_auc, 1, 3), text(quality.pooled.log_loss, 1, 3)]
        cells.append(text(quality.pooled.ece, 1, 3))
        print(f"| {quality.name} | {' | '.join(cells)} | {_width(predictions.get(quality.name))} |")


def _width(predictions: Predictions | None) -> str:
    if predictions is None:
        return "–"
    estimates = predictions.estimates
    return f"{float(np.mean(estimates.p_correct.high_qm - estimates.p_correct.low_qm)):.2f}"


def _share_ood(predictions: Predictions) -> str:
    return f"{float(np.mean(predictions.estimates.in_distribution_qm[:, 0] < 1)):.1%}"


if __name__ == "__main__":
    main()
