"""Forecasts of a learned router, for the models of a bank."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.errors import EvaluationError, join_names
from scope.predictions import Estimates


@dataclass(frozen=True, slots=True)
class MatchForecast:
    """The forecasts of a learned router, for every question and every model of the bank.

    Attributes
    ----------
    name, note : str
    p_match_qm : ndarray of shape (n_questions, n_models)
        Probability that a model is at least as good as the reference, which has 1; NaN for a
        model that the router does not know.
    cost_usd_qm : ndarray of shape (n_questions, n_models)
        Predicted costs; NaN where unknown.
    """

    name: str
    note: str
    p_match_qm: FloatArray
    cost_usd_qm: FloatArray


def match_forecast(
    name: str,
    arms: tuple[str, ...],
    estimates: Estimates,
    models: tuple[str, ...],
    reference: str,
) -> MatchForecast:
    """Spread the estimates of a learned router over the models of a bank.

    A question that the router cannot read goes to the reference.

    Parameters
    ----------
    name : str
    arms : tuple of str
        Of the router, its reference last.
    estimates : Estimates
        Of the router: match probabilities and costs, one column for each arm.
    models : tuple of str
        Of the bank: their outcomes are known.
    reference : str
        Of the comparison.

    Raises
    ------
    EvaluationError
        If the router is relative to another reference, has an arm without outcomes, or predicts
        the best arm instead of a match.
    """
    if arms[-1] != reference:
        raise EvaluationError(
            f"router {name!r} is relative to {arms[-1]!r}, the comparison to {reference!r}: "
            "compare it with its own reference"
        )
    if unknown := [arm for arm in arms if arm not in models]:
        raise EvaluationError(
            f"router {name!r} may choose {join_names(unknown)}, which the labelled questions have "
            "no outcomes of; measure them, or train a router without them"
        )
    certain_q = estimates.p_correct_qm[:, -1]
    if (certain_q[~np.isnan(certain_q)] != 1).any():
        raise EvaluationError(
            f"router {name!r} predicts which arm is best, not a match with the reference: it has "
            "no threshold to sweep; train it with another loss than det_ncls"
        )
    shape = (len(estimates.p_correct_qm), len(models))
    p_qm, cost_usd_qm = np.full(shape, np.nan), np.full(shape, np.nan)
    columns = [models.index(arm) for arm in arms]
    p_qm[:, columns], cost_usd_qm[:, columns] = estimates.p_correct_qm, estimates.cost_usd_qm
    last, usd_q = columns[-1], estimates.cost_usd_qm[:, -1]
    p_qm[:, last] = 1.0
    cost_usd_qm[:, last] = np.where(np.isnan(usd_q), np.nanmean(usd_q), usd_q)
    note = f"learned on texts, {len(arms) - 1} arms against {reference}, mean lengths of training"
    return MatchForecast(name, note, p_qm, cost_usd_qm)
