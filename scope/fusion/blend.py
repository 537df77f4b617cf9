"""Blend the anchors' estimates with the answers of the reasoner.

Both are taken as log odds, where independent evidence adds up: the anchors' times a slope, plus
the answer's deviation from its baseline for the model times a weight (`scope.fusion.fit`). The
baseline removes what the reasoner thinks of a model in general.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from scope.arrays import BoolArray, FloatArray
from scope.pool import ModelSpec, cost_usd
from scope.predictions import MIN_P, Estimates, IntervalEstimate
from scope.reasoner import ReasonerPredictions

MAX_LOG_ODDS = 4.0
"""Log odds of an answer are clipped to ± this: 98.2 %."""

MAX_LOG_RATIO = 1.5
"""The log ratio of answered to expected tokens is clipped to ± this: a factor of 4.5."""

MIN_INTERVAL_P = 1e-6
"""Blended intervals stay within ``[MIN_INTERVAL_P, 1 - MIN_INTERVAL_P]``."""

BOUND_SLACK = 1e-12
"""`Blend.bounds` widens each bound by this share of it, for rounding."""


@dataclass(frozen=True, slots=True)
class Blend:
    """How answers change the anchors' estimates; fitted on a bank by `scope.fusion.fit`.

    ``logit p' = slope * logit p + weight * clip(logit p_yes - baseline_log_odds, low, high)`` and
    ``tokens' = tokens * exp(length_weight * clip(log ratio - baseline_log_ratio, ±MAX_LOG_RATIO))``
    with the log ratio ``log(answered tokens + 1) - log(tokens + 1)``.

    Attributes
    ----------
    weight : float
        At least 0; 0 leaves the anchors' probabilities unchanged.
    slope : float
        At least 0; factor of the anchors' log odds where there is an answer.
    baseline_log_odds_m : ndarray of shape (n_models,)
        Log odds at which an answer changes nothing. NaN: unknown, answers about the model
        change nothing.
    low, high : float
        Bounds of an answer's deviation from the baseline, log odds; ``low <= 0 <= high``.
        They limit what a query can change.
    length_weight : float
        In [0, 1]; 0 leaves the anchors' token counts unchanged.
    baseline_log_ratio_m : ndarray of shape (n_models,)
        Log ratio of tokens at which an answer changes nothing; NaN as above.
    shift_std, ratio_std : float
        Standard deviation of the change that an answer makes, in log odds and in log tokens.
    """

    weight: float
    slope: float
    baseline_log_odds_m: FloatArray
    low: float
    high: float
    length_weight: float
    baseline_log_ratio_m: FloatArray
    shift_std: float
    ratio_std: float

    @classmethod
    def identity(cls, n_models: int) -> "Blend":
        """Return the blend that ignores all answers."""
        unknown_m = np.full(n_models, np.nan)
        return cls(0.0, 1.0, unknown_m, 0.0, 0.0, 0.0, unknown_m, 0.0, 0.0)

    @property
    def informative_m(self) -> BoolArray:
        """Models for which an answer can change an estimate."""
        p_m = (self.weight > 0) & ~np.isnan(self.baseline_log_odds_m)
        return p_m | (self.length_weight > 0) & ~np.isnan(self.baseline_log_ratio_m)

    def apply(
        self, estimates: Estimates, answers: ReasonerPredictions, models: Sequence[ModelSpec]
    ) -> Estimates:
        """Return the estimates after the answers; without an answer they stay bit-identical.

        Parameters
        ----------
        estimates : Estimates
            From the anchors; columns as in the blend.
        answers : ReasonerPredictions
            NaN where there was no query, or it failed.
        models : sequence of ModelSpec
            The columns with their prices.
        """
        if self.weight > 0:
            estimates = self._shifted(estimates, self.log_odds_shift(answers.p_yes_qm))
        if self.length_weight > 0:
            log_factor_qm = self.log_factor(answers.tokens_qm, estimates.completion_tokens_qm)
            estimates = scale_tokens(estimates, log_factor_qm, models)
        return estimates

    def bounds(
        self, estimates: Estimates, models: Sequence[ModelSpec]
    ) -> tuple[Estimates, Estimates]:
        """Return lower and upper bounds of the estimates after any answer, or none.

        Only the probability and the cost are bounds, each on its own; ignore the other fields.
        """
        ends = []
        for shift, sign in ((self.low, -1), (self.high, 1)):
            end = estimates
            if self.weight > 0:
                shift_qm = np.where(np.isnan(self.baseline_log_odds_m), np.nan, shift)
                moved = self._shifted(estimates, np.broadcast_to(shift_qm, end.p_correct_qm.shape))
                p_correct = _outer_bound(estimates.p_correct, moved.p_correct, sign)
                end = replace(estimates, p_correct=p_correct)
            if self.length_weight > 0:
                limit = sign * self.length_weight * MAX_LOG_RATIO
                log_factor_qm = np.where(np.isnan(self.baseline_log_ratio_m), np.nan, limit)
                scaled = scale_tokens(
                    end, np.broadcast_to(log_factor_qm, end.cost_usd_qm.shape), models
                )
                end = replace(end, cost_usd=_outer_bound(end.cost_usd, scaled.cost_usd, sign))
            ends.append(end)
        return ends[0], ends[1]

    def log_odds_shift(self, p_yes_qm: FloatArray) -> FloatArray:
        """Return the clipped deviation of answers from the baseline, log odds; NaN stays."""
        with np.errstate(divide="ignore"):
            answer_qm = logit(p_yes_qm).clip(-MAX_LOG_ODDS, MAX_LOG_ODDS)
        shift_qm: FloatArray = (answer_qm - self.baseline_log_odds_m).clip(self.low, self.high)
        return shift_qm

    def log_factor(self, tokens_qm: FloatArray, expected_qm: FloatArray) -> FloatArray:
        """Return the log of the factor of the expected tokens; NaN stays."""
        shift_qm = log_ratio(tokens_qm, expected_qm) - self.baseline_log_ratio_m
        shift_qm = shift_qm.clip(-MAX_LOG_RATIO, MAX_LOG_RATIO)
        log_factor_qm: FloatArray = self.length_weight * shift_qm
        return log_factor_qm

    def select_models(self, positions: Sequence[int]) -> "Blend":
        """Return the blend of some models, in the order of `positions`."""
        m = list(positions)
        return replace(
            self,
            baseline_log_odds_m=self.baseline_log_odds_m[m],
            baseline_log_ratio_m=self.baseline_log_ratio_m[m],
        )

    def with_new_model(self) -> "Blend":
        """Return the blend with one more model, last, for which answers change nothing yet."""
        return replace(
            self,
            baseline_log_odds_m=np.append(self.baseline_log_odds_m, np.nan),
            baseline_log_ratio_m=np.append(self.baseline_log_ratio_m, np.nan),
        )

    def _shifted(self, estimates: Estimates, news_qm: FloatArray) -> Estimates:
        """Return the estimates with probabilities and their intervals moved by news."""
        predicted_qm, shift_qm = ~np.isnan(news_qm), self.weight * news_qm
        least = (MIN_P, MIN_INTERVAL_P, MIN_INTERVAL_P)
        p_qm, low_qm, high_qm = (
            expit(self.slope * log_odds(ends_qm, end_least) + shift_qm)
            for ends_qm, end_least in zip(estimates.p_correct, least, strict=True)
        )
        moved = (p_qm, np.minimum(low_qm, p_qm), np.maximum(high_qm, p_qm))
        return replace(
            estimates, p_correct=_where(predicted_qm, IntervalEstimate(*moved), estimates.p_correct)
        )


def log_odds(p_qm: FloatArray, min_p: float = MIN_P) -> FloatArray:
    """Return log odds of probabilities clipped to ``[min_p, 1 - min_p]``."""
    log_odds_qm: FloatArray = logit(p_qm.clip(min_p, 1 - min_p))
    return log_odds_qm


def log_ratio(tokens_qm: FloatArray, expected_qm: FloatArray) -> FloatArray:
    """Return ``log(tokens + 1) - log(expected + 1)``."""
    log_ratio_qm: FloatArray = np.log1p(tokens_qm) - np.log1p(expected_qm)
    return log_ratio_qm


def scale_tokens(
    estimates: Estimates, log_factor_qm: FloatArray, models: Sequence[ModelSpec]
) -> Estimates:
    """Return the estimates with other completion tokens, and the costs that go with them."""
    predicted_qm, factor_qm = ~np.isnan(log_factor_qm), np.exp(log_factor_qm)
    tokens = IntervalEstimate(*(tokens_qm * factor_qm for tokens_qm in estimates.completion_tokens))
    cost = IntervalEstimate(
        *(cost_usd(models, estimates.prompt_tokens_qm, tokens_qm) for tokens_qm in tokens)
    )
    return replace(
        estimates,
        completion_tokens=_where(predicted_qm, tokens, estimates.completion_tokens),
        cost_usd=_where(predicted_qm, cost, estimates.cost_usd),
    )


def _where(
    condition_qm: BoolArray, chosen: IntervalEstimate, other: IntervalEstimate
) -> IntervalEstimate:
    return IntervalEstimate(
        *(np.where(condition_qm, *pair) for pair in zip(chosen, other, strict=True))
    )


def _outer_bound(now: IntervalEstimate, moved: IntervalEstimate, sign: int) -> IntervalEstimate:
    """Return `now` with the farther of two values, by a hair where an answer could move it."""
    now_qm, moved_qm = now.value_qm, moved.value_qm
    farther_qm = sign * np.maximum(sign * now_qm, sign * moved_qm) * (1 + sign * BOUND_SLACK)
    return now._replace(value_qm=np.where(now_qm == moved_qm, now_qm, farther_qm))
