"""Real over planned bill of the models that a policy chooses."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.bank import fit_alpha_scale
from scope.policy import N_POINTS, BillRatio, Choices, ExpectedValue
from scope.report.anchor_forecasts import AnchorForecasts


@dataclass(frozen=True, slots=True)
class ChosenCosts:
    """Planned and real costs of the chosen models, USD.

    Attributes
    ----------
    planned_q, real_q : ndarray of shape (n_questions,)
    """

    planned_q: FloatArray
    real_q: FloatArray

    @classmethod
    def from_choices(
        cls, choices: Choices, planned_qm: FloatArray, real_qm: FloatArray
    ) -> "ChosenCosts":
        """Return the costs of the questions that have a model."""
        planned_q, real_q = choices.pick(planned_qm), choices.pick(real_qm)
        known_q = ~np.isnan(planned_q + real_q)
        return cls(planned_q[known_q], real_q[known_q])

    @property
    def ratio(self) -> float:
        """Real over planned bill; 1 where nothing is planned."""
        planned_usd = float(self.planned_q.sum())
        return float(self.real_q.sum()) / planned_usd if planned_usd > 0 else 1.0

    @property
    def standard_error(self) -> float:
        """Standard error of the ratio, over questions."""
        planned_usd = float(self.planned_q.sum())
        if planned_usd == 0:
            return 0.0
        residual_q = self.real_q - self.ratio * self.planned_q
        return float(residual_q.std() * np.sqrt(len(residual_q)) / planned_usd)


def fit_bill_ratio(anchors: AnchorForecasts) -> BillRatio:
    """Compare the bills of what a policy chooses for the anchors with the plan, by alpha."""
    bank = anchors.bank
    scale = fit_alpha_scale(bank.reference, bank.models)
    chosen = [
        ChosenCosts.from_choices(
            ExpectedValue(scale.trade_off(alpha)).choose(anchors.p_correct_qm, anchors.cost_usd_qm),
            anchors.cost_usd_qm,
            anchors.truth.cost_usd_qm,
        )
        for alpha in np.linspace(0, 1, N_POINTS).tolist()
    ]
    return BillRatio(
        ratios=tuple(costs.ratio for costs in chosen),
        standard_errors=tuple(costs.standard_error for costs in chosen),
        n_anchors=len(anchors.cost_usd_qm),
    )
