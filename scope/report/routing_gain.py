"""Whether routing pays on a bank: its out-of-fold decisions against single models and mixes."""

import numpy as np

from scope.arrays import FloatArray
from scope.bank import Bank, GainInterval, RoutingGain
from scope.evaluation import (
    BestSingleModel,
    Interval,
    LambdaSweep,
    RandomMixtures,
    ResampledOutcomes,
    bootstrap_weights,
)
from scope.predictor import AnchorPredictor, out_of_fold_probabilities
from scope.routing import GroundTruth

SEED = 0
MIN_ANCHORS = 20
"""Fewer with all outcomes give intervals without meaning."""


def routing_gain(bank: Bank) -> RoutingGain | None:
    """Evaluate a fitted bank's decisions on its own anchors, each left out of its forecast.

    Models without an outcome are left out.

    Returns
    -------
    RoutingGain or None
        None where fewer than 2 models, or fewer than `MIN_ANCHORS` anchors with all outcomes.
    """
    if bank.forecaster is None:
        return None
    truth = GroundTruth.from_outcomes(bank.outcomes, bank.models)
    known_am = ~np.isnan(truth.correct_qm + truth.cost_usd_qm)
    columns = np.flatnonzero(known_am.any(axis=0))
    fitted_n = bank.forecaster.anchor_index_n
    n = fitted_n[known_am[np.ix_(fitted_n, columns)].all(axis=1)]
    if len(columns) < 2 or len(n) < MIN_ANCHORS:
        return None
    estimates, _ = AnchorPredictor(bank).predict(bank.embedding_ad[n], bank.features_af[n], n)
    p_nm = out_of_fold_probabilities(bank)[np.searchsorted(fitted_n, n)]
    correct_nm, usd_nm = truth.correct_qm[np.ix_(n, columns)], truth.cost_usd_qm[np.ix_(n, columns)]
    outcomes = ResampledOutcomes.from_outcomes(correct_nm, usd_nm, bootstrap_weights(len(n), SEED))
    sweep = LambdaSweep(p_nm[:, columns], estimates.cost_usd.value_qm[:, columns])
    # Every setting counts: the best of many would win on noise, since it is chosen afterwards.
    usd_rg, accuracy_rg = sweep.settings(outcomes)
    budget_rg = np.maximum(usd_rg, outcomes.mean_usd_rm.min(axis=1, keepdims=True))
    over_mix_r, over_single_r = (
        (accuracy_rg - strategy.evaluate_at(outcomes, budget_rg).accuracy_rb).mean(axis=1)
        for strategy in (RandomMixtures(), BestSingleModel())
    )
    best = np.lexsort((outcomes.mean_usd_rm[0], -outcomes.accuracy_rm[0].round(12)))[0]
    return RoutingGain(
        over_mix=_interval(over_mix_r),
        over_single=_interval(over_single_r),
        n_anchors=len(n),
        model=bank.model_ids[columns[best]],
        accuracy=float(outcomes.accuracy_rm[0, best]),
        usd_per_1k=float(1_000 * outcomes.mean_usd_rm[0, best]),
    )


def _interval(value_r: FloatArray) -> GainInterval:
    interval = Interval.from_replicates(value_r)
    return GainInterval(value=interval.value, low=interval.low, high=interval.high)
