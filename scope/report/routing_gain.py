"""Whether routing pays on a bank: its out-of-fold decisions against single models and mixes."""

from dataclasses import dataclass

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
from scope.report.anchor_forecasts import AnchorForecasts

SEED = 0


def routing_gain(anchors: AnchorForecasts) -> RoutingGain:
    """Evaluate a fitted bank's decisions on its own anchors, each left out of its forecast.

    Models without an outcome are left out.
    """
    routed = _RoutedAnchors.of(anchors)
    outcomes = routed.outcomes
    best = np.lexsort((outcomes.mean_usd_rm[0], -outcomes.accuracy_rm[0].round(12)))[0]
    return RoutingGain(
        over_mix=_interval(routed.gain_over(RandomMixtures())),
        over_single=_interval(routed.gain_over(BestSingleModel())),
        n_anchors=len(outcomes.correct_qm),
        model=anchors.bank.model_ids[anchors.columns[best]],
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
        Paired over anchors; None where `AnchorForecasts.from_bank` is.
    """
    forecasts = [AnchorForecasts.from_bank(bank) for bank in (first, both)]
    gains = [
        _RoutedAnchors.of(anchors).gain_over(RandomMixtures())
        for anchors in forecasts
        if anchors is not None
    ]
    return _interval(gains[1] - gains[0]) if len(gains) == 2 else None


@dataclass(frozen=True, slots=True)
class _RoutedAnchors:
    """Decisions on anchors, each left out of its own forecast, at every trade-off."""

    outcomes: ResampledOutcomes
    usd_rg: FloatArray
    accuracy_rg: FloatArray

    @classmethod
    def of(cls, anchors: AnchorForecasts) -> "_RoutedAnchors":
        """Route the anchors."""
        truth = anchors.truth
        outcomes = ResampledOutcomes.from_outcomes(
            truth.correct_qm, truth.cost_usd_qm, bootstrap_weights(len(truth.correct_qm), SEED)
        )
        sweep = LambdaSweep(anchors.out_of_fold_p_qm, anchors.cost_usd_qm)
        # Every setting counts: the best of many would win on noise, since it is chosen afterwards.
        return cls(outcomes, *sweep.settings(outcomes))

    def gain_over(self, strategy: RandomMixtures | BestSingleModel) -> FloatArray:
        """Return the mean accuracy over the trade-offs minus that of `strategy` at their costs."""
        budget_rg = np.maximum(self.usd_rg, self.outcomes.mean_usd_rm.min(axis=1, keepdims=True))
        gain_rg = self.accuracy_rg - strategy.evaluate_at(self.outcomes, budget_rg).accuracy_rb
        gain_r: FloatArray = gain_rg.mean(axis=1)
        return gain_r


def _interval(value_r: FloatArray) -> GainInterval:
    interval = Interval.from_replicates(value_r)
    return GainInterval(value=interval.value, low=interval.low, high=interval.high)
