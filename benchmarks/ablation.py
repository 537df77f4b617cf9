"""What each part of the learned predictor is worth, every anchor foretold without itself.

Nothing here looks at the validation questions: these are the numbers the parts were chosen by.
Costs are those of the whole predictor throughout; ± is half a 95 % interval.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.banks import NAMES, data_folder, learned_bank
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
from scope.forecast.gaussian_process import GaussianProcess, KernelEigen
from scope.forecast.kernel import Kernel, kernel_features
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
"""Features that the bank had before: enough to tell the tokens of a prompt."""


def main() -> None:
    """Print one Markdown table for each data set at hand."""
    data = data_folder()
    banks = {title: learned_bank(data, name) for name, title in NAMES.items()} if data else {}
    for title, bank in (banks or {"The embedded bank": load_bank(EMBEDDED_BANK)}).items():
        print(f"### {title}, {len(bank.ids):,} anchors\n")
        print("| forecast | mean AUC | log loss | ECE | share of the way, % |")
        print("|---|---|---|---|---|")
        everyone = np.arange(len(bank.ids))
        ours, _ = AnchorPredictor(bank).predict(bank.embedding_ad, bank.features_af, everyone)
        for name, p_am in forecasts(bank, ours.p_correct_qm):
            print(f"| {name} | {row(bank, p_am, ours.cost_usd_qm)} |", flush=True)
        print()


def forecasts(bank: Bank, ours_am: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    """Yield what less and less of the predictor says of each anchor."""
    everyone = np.arange(len(bank.ids))
    for n_neighbours in (100, 400):
        config = AnchorConfig(n_neighbours=n_neighbours, use_forecaster=False)
        votes, _ = AnchorPredictor(bank, config).predict(
            bank.embedding_ad, bank.features_af, everyone
        )
        yield f"votes of {n_neighbours} neighbours", votes.p_correct_qm
    assert bank.forecaster is not None
    form_af = bank.forecaster.form.transform(bank.features_af)
    few_af = form_af[:, [FEATURES.index(name) for name in LENGTHS]]
    nothing_ac = np.ones((len(form_af), 1), dtype=np.float32)
    meaning = np.zeros((len(form_af), 1), dtype=np.float32)
    yield "process on meaning alone", process(bank, meaning, nothing_ac)
    yield f"… and {len(LENGTHS)} text features", process(bank, few_af, nothing_ac)
    yield f"… and {form_af.shape[1]} text features", process(bank, form_af, nothing_ac)
    yield "… and the guessed category", process(bank, form_af, bank.forecaster.posterior_nc)
    yield "all of it, blended and stretched", ours_am


def process(bank: Bank, form_af: Float32Array, posterior_ac: Float32Array) -> FloatArray:
    """Return what a process on these traits says of each anchor left out."""
    kernel = Kernel(bank.embedding_ad, kernel_features(form_af, posterior_ac))
    fitted = GaussianProcess.fit(
        KernelEigen.from_similarity(kernel.gram_matrix()), bank.outcomes.correct_am
    )
    return fitted.loo_am.clip(MIN_P, 1 - MIN_P)


def row(bank: Bank, p_am: FloatArray, cost_usd_am: FloatArray) -> str:
    """Return the cells of one line."""
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
    mean_auc = Interval.from_replicates(np.mean([one.auc_r for one in scores], axis=0))
    record = ResampledOutcomes.from_outcomes(truth.correct_qm, truth.cost_usd_qm, weight_ra)
    contenders = {
        "ours": ("", LambdaSweep(p_am, cost_usd_am)),
        "mix": ("", RandomMixtures()),
        "oracle": ("", Oracle()),
    }
    ranking = Leaderboard(record, contenders, ours="ours", mix="mix", oracle="oracle")
    share = ranking.standings()[0].oracle_gap_closed
    cells = [(mean_auc, 1, 3), (pooled.log_loss, 1, 3), (pooled.ece, 1, 3), (share, 100, 1)]
    return " | ".join(
        f"{scale * one.value:.{d}f} ± {scale * (one.high - one.low) / 2:.{d}f}"
        for one, scale, d in cells
    )


if __name__ == "__main__":
    main()
