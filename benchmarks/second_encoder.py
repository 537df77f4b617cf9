"""What a second encoder gains on held-out questions: ``python -m benchmarks.second_encoder MODEL``.

MODEL is as in ``scope bank build --embedder``, such as ``models/smollm2-135m#18``. The data are in
$SCOPE_DATA (`benchmarks.banks`). A set whose banks are in results/banks already is not embedded.
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.banks import CACHE, NAMES, data_folder
from pipelines.bank import DEFAULT_ENCODER, NamedEncoder
from pipelines.bank.build import BankInputs, build_bank
from pipelines.bank.files import save_bank_now
from pipelines.bank.findings import with_findings
from pipelines.bank.second_encoder import with_second_encoder
from scope.arrays import FloatArray
from scope.bank import Bank, load_bank
from scope.evaluation import (
    EvaluationSet,
    LambdaSweep,
    RandomMixtures,
    ResampledOutcomes,
    bootstrap_weights,
    difference_r2,
)
from scope.predictions import Estimates
from scope.predictor import AnchorPredictor, fit_bank
from scope.predictor.cross_validation import log_loss


def main() -> None:
    """Print the gains on each set."""
    data = data_folder()
    if data is None:
        return
    for name, title in NAMES.items():
        bank = _fitted(data, name, sys.argv[1])
        print(f"{title}, {len(bank.ids):,} anchors: {bank.second_gain}")
        print(_held_out(bank, _questions(data, name, "val", sys.argv[1])), flush=True)


def _questions(data: Path, name: str, split: str, model: str) -> Bank:
    path = CACHE / f"{name}-second-{split}"
    if not path.exists():
        files = (data / f"{name}_{kind}" for kind in ("questions.parquet", "outcomes.parquet"))
        inputs = BankInputs(
            *files,
            data / f"{name}_prices.json",
            split=split,
            keep_prompts=False,
            encoders=(DEFAULT_ENCODER, NamedEncoder.parse(model)),
        )
        build_bank(inputs, path)
    return load_bank(path)


def _fitted(data: Path, name: str, model: str) -> Bank:
    path = CACHE / f"{name}-second-fitted"
    if not path.exists():
        first = with_findings(fit_bank(_questions(data, name, "train", model)))
        save_bank_now(with_second_encoder(first, keep=True), path, (name,), command="python")
    return load_bank(path)


def _held_out(bank: Bank, questions: Bank) -> str:
    """Return the gains on labelled questions, with intervals paired over them."""
    test_set, predictor = EvaluationSet.from_banks(bank, questions), AnchorPredictor(bank)
    rows_q = test_set.complete_q
    outcomes = ResampledOutcomes.from_outcomes(
        test_set.truth.correct_qm[rows_q],
        test_set.truth.cost_usd_qm[rows_q],
        bootstrap_weights(int(rows_q.sum()), 0),
    )
    loss_q, difference, route_r = [], [], []
    for second_qy in (None, test_set.second_qy):
        estimates, _ = predictor.predict(
            test_set.embedding_qd, test_set.features_qf, second_qy=second_qy
        )
        kept = estimates.select_questions(rows_q)
        loss_q.append(log_loss(kept.p_correct_qm, outcomes.correct_qm).mean(axis=1))
        difference.append(
            difference_r2(kept.p_correct_qm, outcomes.correct_qm, outcomes.weight_rq[:1])[0]
        )
        route_r.append(_over_mix(kept, outcomes))
    gain_q, gain_r = loss_q[0] - loss_q[1], 100 * (route_r[1] - route_r[0])
    low, high = np.quantile(gain_r[1:], (0.025, 0.975))
    error = gain_q.std() / np.sqrt(len(gain_q))
    return (
        f"{len(gain_q):,} held-out questions: log loss {loss_q[0].mean():.4f} → "
        f"{loss_q[1].mean():.4f} ({gain_q.mean():+.4f} ± {error:.4f}), R² of differences between "
        f"models {difference[0]:.4f} → {difference[1]:.4f}, over the best mix "
        f"{100 * route_r[0][0]:+.2f} → {100 * route_r[1][0]:+.2f} points "
        f"({gain_r[0]:+.2f}, {low:+.2f} to {high:+.2f})"
    )


def _over_mix(estimates: Estimates, outcomes: ResampledOutcomes) -> FloatArray:
    """Return the mean accuracy over the trade-offs minus that of the best mix, by replicate."""
    sweep = LambdaSweep(estimates.p_correct_qm, estimates.cost_usd_qm)
    usd_rg, accuracy_rg = sweep.settings(outcomes)
    budget_rg = np.maximum(usd_rg, outcomes.mean_usd_rm.min(axis=1, keepdims=True))
    gain_rg = accuracy_rg - RandomMixtures().evaluate_at(outcomes, budget_rg).accuracy_rb
    gain_r: FloatArray = gain_rg.mean(axis=1)
    return gain_r


if __name__ == "__main__":
    main()
