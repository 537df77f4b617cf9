"""How far anchors can correct the planned bill of chosen models, on the sets of $SCOPE_DATA.

``python -m benchmarks.chosen_costs SET…``: of the noisy bargains a policy takes those whose cost
was underestimated. The same policy on the anchors, predicted leave-one-out, tells real over
planned cost: as one factor, and as one that differs from 1 by two standard errors, which is what
`scope bank fit` stores. Banks are kept under results/banks.
"""

import sys

import numpy as np

from benchmarks.banks import data_folder, fitted_bank, questions
from scope.bank import Bank, fit_alpha_scale
from scope.policy import N_POINTS, BillRatio, ExpectedValue, Policy
from scope.predictions import Estimates
from scope.predictor import AnchorPredictor
from scope.report import AnchorForecasts, ChosenCosts, fit_bill_ratio
from scope.routing import GroundTruth

SETS = ("mmlupro", "zeroeval", "alpaca", "bfcl", "swebench")


def main() -> None:
    """Print bills over plan, minus 1, as planned and corrected, for each set and alpha."""
    data = data_folder()
    if data is None:
        return
    print("| set | alpha | as planned | one factor | if shown | standard error |")
    print("|---|---|---|---|---|---|")
    for name in sys.argv[1:] or SETS:
        bank, held_out = fitted_bank(data, name), questions(data, name, "val")
        learned = bill_ratio(bank)
        new, _ = AnchorPredictor(bank).predict(held_out.embedding_ad, held_out.features_af)
        scale = fit_alpha_scale(bank.reference, bank.models)
        for point, alpha in enumerate(np.linspace(0, 1, N_POINTS).tolist()):
            got = chosen_costs(ExpectedValue(scale.trade_off(alpha)), new, held_out, bank)
            factors = (1.0, learned.ratios[point], learned.shown[point])
            cells = [f"{got.ratio / factor - 1:+.1%}" for factor in factors]
            error = f"{got.standard_error:.1%}"
            print(f"| {name} | {alpha:.1f} | {' | '.join(cells)} | {error} |", flush=True)


def bill_ratio(bank: Bank) -> BillRatio:
    """Return what the anchors of a fitted bank show of its bills."""
    anchors = AnchorForecasts.from_bank(bank)
    assert anchors is not None  # every set has hundreds
    return fit_bill_ratio(anchors)


def chosen_costs(policy: Policy, estimates: Estimates, questions: Bank, bank: Bank) -> ChosenCosts:
    """Return what a policy chooses, of the questions whose real costs are all known."""
    outcomes = questions.outcomes.reindex(bank.model_ids, len(questions.ids))
    real_qm = GroundTruth.from_outcomes(outcomes, bank.models).cost_usd_qm
    known_q = ~np.isnan(real_qm).any(axis=1)
    planned_qm = estimates.cost_usd_qm[known_q]
    choices = policy.choose(estimates.p_correct_qm[known_q], planned_qm)
    return ChosenCosts.from_choices(choices, planned_qm, real_qm[known_q])


if __name__ == "__main__":
    main()
