"""Anchors with all outcomes, each predicted without itself."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.bank import Bank
from scope.predictor import AnchorPredictor, out_of_fold_probabilities
from scope.routing import GroundTruth

MIN_ANCHORS = 20
"""Fewer with all outcomes give intervals without meaning."""


@dataclass(frozen=True, slots=True)
class AnchorForecasts:
    """Forecasts and outcomes of the fitted anchors on which every measured model has an outcome.

    Attributes
    ----------
    bank : Bank
    columns : ndarray of shape (n_measured,)
        The models of the bank that have an outcome, of which there are two or more.
    truth : GroundTruth
        Of shape (n_anchors, n_measured), without NaN.
    p_correct_qm, cost_usd_qm : ndarray of shape (n_anchors, n_measured)
        As a policy sees them, each anchor left out of its own forecast.
    out_of_fold_p_qm : ndarray of shape (n_anchors, n_measured)
        The probabilities by which the bank's forecast was chosen.
    """

    bank: Bank
    columns: IntArray
    truth: GroundTruth
    p_correct_qm: FloatArray
    cost_usd_qm: FloatArray
    out_of_fold_p_qm: FloatArray

    @classmethod
    def from_bank(cls, bank: Bank) -> "AnchorForecasts | None":
        """Predict the anchors of a bank.

        Returns
        -------
        AnchorForecasts or None
            None without a fit, with fewer than 2 models, or with fewer than `MIN_ANCHORS` anchors
            with all outcomes.
        """
        if bank.forecaster is None:
            return None
        truth = GroundTruth.from_outcomes(bank.outcomes, bank.models)
        known_am = ~np.isnan(truth.correct_qm + truth.cost_usd_qm)
        columns = np.flatnonzero(known_am.any(axis=0))
        fitted_n = bank.forecaster.anchor_index_n
        anchor_q = fitted_n[known_am[np.ix_(fitted_n, columns)].all(axis=1)]
        if len(columns) < 2 or len(anchor_q) < MIN_ANCHORS:
            return None
        estimates, _ = AnchorPredictor(bank).predict(
            bank.embedding_ad[anchor_q],
            bank.features_af[anchor_q],
            anchor_q,
            second_qy=bank.second_vectors(anchor_q),
        )
        p_qm = out_of_fold_probabilities(bank)[np.searchsorted(fitted_n, anchor_q)]
        cells = np.ix_(anchor_q, columns)
        return cls(
            bank,
            columns,
            GroundTruth(truth.correct_qm[cells], truth.cost_usd_qm[cells]),
            estimates.p_correct_qm[:, columns],
            estimates.cost_usd_qm[:, columns],
            p_qm[:, columns],
        )
