"""Whether routing pays on a bank: its out-of-fold decisions against single models and mixes."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
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
    routed = _RoutedAnchors.of(bank)
    if routed is None:
        return None
    outcomes = routed.outcomes
    best = np.lexsort((outcomes.mean_usd_rm[0], -outcomes.accuracy_rm[0].round(12)))[0]
    return RoutingGain(
        over_mix=_interval(routed.gain_over(RandomMixtures())),
        over_single=_interval(routed.gain_over(BestSingleModel())),
        n_anchors=len(outcomes.correct_qm),
        model=bank.model_ids[routed.columns[best]],
        accuracy=float(outcomes.accuracy_rm[0, best]),
        usd_per_1k=float(1_000 * outcomes.mean_usd_rm[0, best]),
    )


def second_encoder_gain(first: Bank, both: Bank) -> GainInterval | None:
    """Return how much more routing gains with both encoders than with the first alone.

    Parameters
    ----------
    first, both : Bank
        Fits of the same bank, whose decisions on its own anchors are compared: the difference of
        their gains over the best mix of models, each at its own costs.

    Returns
    -------
    GainInterval or None
        Paired over anchors; None where `routing_gain` is.
    """
    routed = [_RoutedAnchors.of(bank) for bank in (first, both)]
    gains = [part.gain_over(RandomMixtures()) for part in routed if part is not None]
    return _interval(gains[1] - gains[0]) if len(gains) == 2 else None


@dataclass(frozen=True, slots=True)
class _RoutedAnchors:
    """Decisions on anchors, each left out of its own forecast, at every trade-off."""

    outcomes: ResampledOutcomes
    columns: IntArray
    """Of the models with an outcome."""
    usd_rg: FloatArray
    accuracy_rg: FloatArray

    @classmethod
    def of(cls, bank: Bank) -> "_RoutedAnchors | None":
        """Route the anchors with all outcomes; None where they or the models are too few."""
        if bank.forecaster is None:
            return None
        truth = GroundTruth.from_outcomes(bank.outcomes, bank.models)
        known_am = ~np.isnan(truth.correct_qm + truth.cost_usd_qm)
        columns = np.flatnonzero(known_am.any(axis=0))
        fitted_n = bank.forecaster.anchor_index_n
        n = fitted_n[known_am[np.ix_(fitted_n, columns)].all(axis=1)]
        if len(columns) < 2 or len(n) < MIN_ANCHORS:
            return None
        estimates, _ = AnchorPredictor(bank).predict(
            bank.embedding_ad[n], bank.features_af[n], n, second_qy=bank.second_vectors(n)
        )
        p_nm = out_of_fold_probabilities(bank)[np.searchsorted(fitted_n, n)]
        outcomes = ResampledOutcomes.from_outcomes(
            truth.correct_qm[np.ix_(n, columns)],
            truth.cost_usd_qm[np.ix_(n, columns)],
            bootstrap_weights(len(n), SEED),
        )
        sweep = LambdaSweep(p_nm[:, columns], estimates.cost_usd.value_qm[:, columns])
        # Every setting counts: the best of many would win on noise, since it is chosen afterwards.
        return cls(outcomes, columns, *sweep.settings(outcomes))

    def gain_over(self, strategy: RandomMixtures | BestSingleModel) -> FloatArray:
        """Return the mean accuracy over the trade-offs minus that of `strategy` at their costs."""
        budget_rg = np.maximum(self.usd_rg, self.outcomes.mean_usd_rm.min(axis=1, keepdims=True))
        gain_rg = self.accuracy_rg - strategy.evaluate_at(self.outcomes, budget_rg).accuracy_rb
        gain_r: FloatArray = gain_rg.mean(axis=1)
        return gain_r


def _interval(value_r: FloatArray) -> GainInterval:
    interval = Interval.from_replicates(value_r)
    return GainInterval(value=interval.value, low=interval.low, high=interval.high)
