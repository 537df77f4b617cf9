"""Policy auto against always routing, on held-out questions of banks of several sizes.

Anchors are drawn from the training split of five sets. Both policies decide the validation split
at four alphas; each is compared with the best random mixture of single models of the same real
cost, chosen on the validation outcomes themselves, which favours the mixture.
``python -m benchmarks.auto_policy SET N_DRAWS`` prints one row for each size.
"""

import sys
from dataclasses import replace

import numpy as np

from benchmarks.banks import data_folder, questions
from scope.arrays import FloatArray
from scope.bank import Bank
from scope.predictor import AnchorPredictor, choose_forecast, fit_bank
from scope.report import AnchorForecasts, routing_gain
from scope.routing import GroundTruth, Objective, PredictionSet, mix_accuracy, route

SIZES = (60, 250, 1_000)
SETS = ("mmlupro", "zeroeval", "alpaca", "bfcl", "swebench")
ALPHAS = (0.2, 0.4, 0.6, 0.8)


def main() -> None:
    """Print the rows of the set that the first argument names."""
    data = data_folder()
    if data is None:
        return
    names = sys.argv[1:2] or SETS
    n_draws = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    print("| set | anchors | draws | pays in | always routing | auto |")
    print("|---|---|---|---|---|---|")
    for name in names:
        train, held_out = (questions(data, name, split) for split in ("train", "val"))
        for size in sorted({min(size, len(train.ids)) for size in SIZES}):
            pays, gain_dp = list[bool](), list[list[float]]()
            for seed in range(1 if size == len(train.ids) else n_draws):
                rows = np.random.default_rng(seed).permutation(len(train.ids))[:size]
                bank = choose_forecast(fit_bank(train.select_anchors(np.sort(rows))))
                anchors = AnchorForecasts.from_bank(bank)
                bank = replace(bank, routing_gain=anchors and routing_gain(anchors))
                pays.append(bank.routing_gain is not None and bank.routing_gain.pays)
                gain_dp.append([over_mix(bank, held_out, auto=auto) for auto in (False, True)])
            cells = [_cell(np.array(gain_dp)[:, p]) for p in range(2)]
            share = f"{sum(pays)} of {len(pays)}"
            print(
                f"| {name} | {size:,} | {len(pays)} | {share} | {' | '.join(cells)} |", flush=True
            )


def over_mix(bank: Bank, held_out: Bank, *, auto: bool) -> float:
    """Return the mean accuracy over `ALPHAS`, minus that of the mixture of the same cost."""
    held_out = held_out.select_models(bank.model_ids)
    truth = GroundTruth.from_outcomes(held_out.outcomes, bank.models)
    known_q = ~np.isnan(truth.correct_qm + truth.cost_usd_qm).any(axis=1)
    held_out = held_out.select_anchors(np.flatnonzero(known_q))
    estimates, _ = AnchorPredictor(bank).predict(held_out.embedding_ad, held_out.features_af)
    predicted = PredictionSet.from_bank(bank, estimates, held_out.ids)
    predicted = replace(predicted, outcomes=held_out.outcomes)
    truth = GroundTruth.from_outcomes(held_out.outcomes, bank.models)
    scores = [truth.score_model(m) for m in range(len(bank.models))]
    gains = []
    for alpha in ALPHAS:
        routing = route(predicted, Objective(alpha=alpha, auto=auto))
        realised = routing.summary(truth).realised
        assert realised is not None
        cheapest = min(score.usd_per_1k for score in scores)
        mixed = mix_accuracy(scores, max(realised.usd_per_1k, cheapest))
        gains.append(realised.accuracy - mixed)
    return float(np.mean(gains))


def _cell(gain_d: FloatArray) -> str:
    """Return the mean over the draws and the range of the draws, in points."""
    low, high = 100 * gain_d.min(), 100 * gain_d.max()
    return f"{100 * gain_d.mean():+.1f} ({low:+.1f} to {high:+.1f})"


if __name__ == "__main__":
    main()
