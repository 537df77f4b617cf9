"""Ablation of the forecaster, by leave-one-out predictions of the anchors.

The validation questions are not used: the parts were selected by these numbers. All rows have
the costs of the complete predictor; ± is half a 95 % interval.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.banks import NAMES, data_folder, fitted_bank
from benchmarks.leaderboard import SEED
from scope import EMBEDDED_BANK, load_bank
from scope.arrays import Float32Array, FloatArray
from scope.bank.bank import Bank
from scope.config import AnchorConfig
from scope.embedding.text_features import FEATURES
from scope.evaluation.bootstrap import Interval, bootstrap_weights
from scope.evaluation.leaderboard import Leaderboard
from scope.evaluation.reliability import ProbabilityMetrics, ProbabilityScores
from scope.evaluation.strategies import LambdaSweep, Oracle, RandomMixtures, ResampledOutcomes
from scope.evaluation.weighted import WeightedPairs
from scope.forecast.gaussian_process import GaussianProcess
from scope.forecast.kernel import Kernel, kernel_features
from scope.forecast.kernel_eigen import KernelEigen
from scope.predictions import MIN_P
from scope.predictor.predictor import AnchorPredictor
from scope.routing.metrics import GroundTruth

LENGTHS = (
    "n_chars",
    "n_words",
    "n_digits",
    "n_symbols",
    "n_lines",
    "n_non_ascii",
    "n_latex",
    "n_options",
)
"""The features that are enough to predict the tokens of a prompt."""


def main() -> None:
    """Print one Markdown table for each available data set."""
    data = data_folder()
    banks = {title: fitted_bank(data, name) for name, title in NAMES.items()} if data else {}
    for title, bank in (banks or {"The embedded bank": load_bank(EMBEDDED_BANK)}).items():
        print(f"### {title}, {len(bank.ids):,} anchors\n")
        print("| forecast | mean AUC | log loss | ECE | oracle gap closed, % |")
        print("|---|---|---|---|---|")
        all_anchors = np.arange(len(bank.ids))
        ours, _ = AnchorPredictor(bank).predict(bank.embedding_ad, bank.features_af, all_anchors)
        for name, p_am in forecasts(bank, ours.p_correct_qm):
            print(f"| {name} | {row(bank, p_am, ours.cost_usd_qm)} |", flush=True)
        print()


def forecasts(bank: Bank, ours_am: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    """Yield name and forecast of kNN, then of more and more parts of the forecaster."""
    all_anchors = np.arange(len(bank.ids))
    for n_neighbours in (100, 400):
        config = AnchorConfig(n_neighbours=n_neighbours, use_forecaster=False)
        knn, _ = AnchorPredictor(bank, config).predict(
            bank.embedding_ad, bank.features_af, all_anchors
        )
        yield f"kNN, {n_neighbours} neighbours", knn.p_correct_qm
    assert bank.forecaster is not None
    form_af = bank.forecaster.form.transform(bank.features_af)
    lengths_af = form_af[:, [FEATURES.index(name) for name in LENGTHS]]
    no_posterior_ac = np.ones((len(form_af), 1), dtype=np.float32)
    no_features = np.zeros((len(form_af), 1), dtype=np.float32)
    yield "Gaussian process on the embedding", process(bank, no_features, no_posterior_ac)
    yield f"… and {len(LENGTHS)} text features", process(bank, lengths_af, no_posterior_ac)
    yield f"… and {form_af.shape[1]} text features", process(bank, form_af, no_posterior_ac)
    yield "… and the category posterior", process(bank, form_af, bank.forecaster.posterior_nc)
    yield "all, blended and rescaled", ours_am


def process(bank: Bank, form_af: Float32Array, posterior_ac: Float32Array) -> FloatArray:
    """Return leave-one-out forecasts of a Gaussian process on these features."""
    feature_ai = kernel_features(form_af, posterior_ac)
    similarity_aa = Kernel(bank.embedding_ad, feature_ai).gram_matrix(bank.embedding_ad, feature_ai)
    eigen = KernelEigen.from_similarity(similarity_aa, np.arange(len(bank.ids)))
    fitted = GaussianProcess.fit(eigen, bank.outcomes.correct_am)
    return fitted.loo_am.clip(MIN_P, 1 - MIN_P)


def row(bank: Bank, p_am: FloatArray, cost_usd_am: FloatArray) -> str:
    """Return the cells of one row."""
    truth, weight_ra = (
        GroundTruth.from_outcomes(bank.outcomes, bank.models),
        bootstrap_weights(len(bank.ids), SEED),
    )
    scores = [
        ProbabilityScores.from_pairs(
            WeightedPairs.from_forecasts(p_am[:, [m]], truth.correct_qm[:, [m]], weight_ra)
        )
        for m in range(p_am.shape[1])
    ]
    pooled = ProbabilityMetrics.from_scores(
        ProbabilityScores.from_pairs(
            WeightedPairs.from_forecasts(p_am, truth.correct_qm, weight_ra)
        )
    )
    mean_auc = Interval.from_replicates(np.mean([score.auc_r for score in scores], axis=0))
    outcomes = ResampledOutcomes.from_outcomes(truth.correct_qm, truth.cost_usd_qm, weight_ra)
    strategies = {
        "ours": ("", LambdaSweep(p_am, cost_usd_am)),
        "mixture": ("", RandomMixtures()),
        "oracle": ("", Oracle()),
    }
    leaderboard = Leaderboard(outcomes, strategies, ours="ours", mixture="mixture", oracle="oracle")
    gap_closed = leaderboard.rows()[0].oracle_gap_closed
    cells = [(mean_auc, 1, 3), (pooled.log_loss, 1, 3), (pooled.ece, 1, 3), (gap_closed, 100, 1)]
    return " | ".join(
        f"{scale * x.value:.{d}f} ± {scale * (x.high - x.low) / 2:.{d}f}" for x, scale, d in cells
    )


if __name__ == "__main__":
    main()
