"""How far anchors can correct the planned bill of chosen models, on the sets of $SCOPE_DATA.

``python -m benchmarks.chosen_costs SET…``: of the noisy bargains a policy takes those whose cost
was underestimated. The same policy on the anchors, predicted leave-one-out, tells real over
planned cost: as one factor, as one that differs from 1 by two standard errors, or as one for each
model. Banks are kept under results/banks.
"""

import sys
from typing import NamedTuple

import numpy as np

from benchmarks.banks import data_folder, fitted_bank, questions
from scope.arrays import FloatArray, IntArray
from scope.bank import Bank, fit_alpha_scale
from scope.policy import ExpectedValue, Policy
from scope.predictions import Estimates
from scope.predictor import AnchorPredictor
from scope.routing import GroundTruth

SETS = ("mmlupro", "zeroeval", "alpaca", "bfcl", "swebench")
ALPHAS = np.linspace(0, 1, 11)
PRIOR_ANSWERS = 20
"""Answers as planned that are added to each model's own, in its factor."""


class Chosen(NamedTuple):
    """Planned and real costs of the chosen models, USD, where all are known."""

    model_q: IntArray
    planned_q: FloatArray
    real_q: FloatArray

    @property
    def ratio(self) -> float:
        """Real over planned bill."""
        return float(self.real_q.sum() / self.planned_q.sum())

    @property
    def error(self) -> float:
        """Standard error of the ratio."""
        residual_q = self.real_q - self.ratio * self.planned_q
        return float(residual_q.std() * np.sqrt(len(residual_q)) / self.planned_q.sum())

    @property
    def shown_ratio(self) -> float:
        """The ratio where it is shown to differ from 1, else 1."""
        return self.ratio if abs(self.ratio - 1) > 2 * self.error else 1.0


def main() -> None:
    """Print bills over plan, minus 1, as planned and corrected, for each set and alpha."""
    data = data_folder()
    if data is None:
        return
    print("| set | alpha | as planned | one factor | if shown | one a model | standard error |")
    print("|---|---|---|---|---|---|---|")
    for name in sys.argv[1:] or SETS:
        bank, held_out = fitted_bank(data, name), questions(data, name, "val")
        predictor, anchors = AnchorPredictor(bank), np.arange(len(bank.ids))
        loo, _ = predictor.predict(bank.embedding_ad, bank.features_af, anchors)
        new, _ = predictor.predict(held_out.embedding_ad, held_out.features_af)
        scale = fit_alpha_scale(bank.reference, bank.models)
        for alpha in ALPHAS:
            policy = ExpectedValue(scale.trade_off(alpha))
            learned, got = chosen(policy, loo, bank, bank), chosen(policy, new, held_out, bank)
            factor_m = factors(learned, len(bank.models))
            by_model = got.real_q.sum() / (got.planned_q * factor_m[got.model_q]).sum()
            corrected = (got.ratio / learned.ratio, got.ratio / learned.shown_ratio)
            ratios = (got.ratio, *corrected, by_model)
            cells = [f"{ratio - 1:+.1%}" for ratio in ratios]
            print(f"| {name} | {alpha:.1f} | {' | '.join(cells)} | {got.error:.1%} |", flush=True)


def chosen(policy: Policy, estimates: Estimates, questions: Bank, bank: Bank) -> Chosen:
    """Return what a policy chooses, of the questions whose real costs are all known."""
    outcomes = questions.outcomes.reindex(bank.model_ids, len(questions.ids))
    usd_qm = GroundTruth.from_outcomes(outcomes, bank.models).cost_usd_qm
    known_q = ~np.isnan(usd_qm).any(axis=1)
    planned_qm = estimates.cost_usd_qm[known_q]
    choices = policy.choose(estimates.p_correct_qm[known_q], planned_qm)
    return Chosen(choices.model_q, choices.pick(planned_qm), choices.pick(usd_qm[known_q]))


def factors(learned: Chosen, n_models: int) -> FloatArray:
    """Return real over planned cost of each model where it was chosen, shrunk toward 1."""
    prior = PRIOR_ANSWERS * learned.planned_q.mean()
    real_m = np.bincount(learned.model_q, learned.real_q, n_models)
    planned_m = np.bincount(learned.model_q, learned.planned_q, n_models)
    factor_m: FloatArray = (real_m + prior) / (planned_m + prior)
    return factor_m


if __name__ == "__main__":
    main()
