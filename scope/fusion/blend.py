"""How an answer of the reasoner changes what the anchors say.

Both speak in log odds, where independent evidence adds up. The anchors' are stretched by a
slope; the answer's count by the weight it has earned (`scope.fusion.fit`), from where it stands
for the model in question: that the reasoner finds a model good in general is no news.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from scope.arrays import BoolArray, FloatArray
from scope.pool import ModelSpec, cost_usd
from scope.predictions import MIN_P, Estimates
from scope.reasoner import ReasonerPredictions

MAX_LOG_ODDS = 4.0
"""Log odds beyond which no answer is believed: 98.2 %."""

MAX_LOG_RATIO = 1.5
"""Log ratio of asked to expected tokens beyond which none is believed: 4.5 times."""

MIN_INTERVAL_P = 1e-6
"""An interval ends no nearer to 0 and 1 than this where it is moved."""

BOUND_SLACK = 1e-12
"""Bounds of what an answer can make of a number are wider by this share of it."""


@dataclass(frozen=True, slots=True)
class Blend:
    """What answers are worth beside the anchors; fitted on a bank by `scope.fusion.fit`.

    ``logit p' = slope * logit p + weight * clip(logit p_yes - center, low, high)`` and
    ``tokens' = tokens * exp(length_weight * clip(log ratio - length_center, ±LENGTH_LIMIT))``
    with the ratio of the tokens it names, and one, to those of the anchors, and one.

    Attributes
    ----------
    weight : float
        At least 0; with 0 the anchors' probabilities stay as they are.
    slope : float
        At least 0; where it was asked, the anchors' log odds count as much.
    baseline_log_odds_m : ndarray of shape (n_models,)
        Log odds at which an answer is no news about the model. NaN: not known, so that its
        answers change nothing.
    low, high : float
        Where the news of an answer is cut, log odds; ``low <= 0 <= high``. What no answer can
        exceed need not be asked for.
    length_weight : float
        Within [0, 1]; with 0 the anchors' token counts stay as they are.
    baseline_log_ratio_m : ndarray of shape (n_models,)
        Log ratio of tokens that is no news; NaN as above.
    spread, ratio_std : float
        Standard deviation of what an answer changes, in log odds and in log tokens.
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
        """Return the blend of a reasoner that has earned no say."""
        unknown_m = np.full(n_models, np.nan)
        return cls(0.0, 1.0, unknown_m, 0.0, 0.0, 0.0, unknown_m, 0.0, 0.0)

    @property
    def informative_m(self) -> BoolArray:
        """Models about which an answer can change anything."""
        p_m = (self.weight > 0) & ~np.isnan(self.baseline_log_odds_m)
        return p_m | (self.length_weight > 0) & ~np.isnan(self.baseline_log_ratio_m)

    def apply(
        self, estimates: Estimates, answers: ReasonerPredictions, models: Sequence[ModelSpec]
    ) -> Estimates:
        """Return the estimates after the answers; what was not answered stays bit by bit.

        Parameters
        ----------
        estimates : Estimates
            What the anchors say, columns as in the blend.
        answers : ReasonerPredictions
            NaN where the reasoner was not asked, or failed.
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
        """Return the least and the most that any answer, or none, can make of the estimates.

        Only probability and cost are bounds, each on its own; the other numbers are of no use.
        """
        ends = []
        for news, sign in ((self.low, -1), (self.high, 1)):
            end = estimates
            if self.weight > 0:
                news_qm = np.where(np.isnan(self.baseline_log_odds_m), np.nan, news)
                moved = self._shifted(estimates, np.broadcast_to(news_qm, end.p_correct_qm.shape))
                end = _outer_bound(estimates, moved, "p_correct_qm", sign)
            if self.length_weight > 0:
                most = sign * self.length_weight * MAX_LOG_RATIO
                log_factor_qm = np.where(np.isnan(self.baseline_log_ratio_m), np.nan, most)
                grown = scale_tokens(
                    end, np.broadcast_to(log_factor_qm, end.cost_usd_qm.shape), models
                )
                end = _outer_bound(end, grown, "cost_usd_qm", sign)
            ends.append(end)
        return ends[0], ends[1]

    def log_odds_shift(self, p_yes_qm: FloatArray) -> FloatArray:
        """Return by how much answers exceed what is no news, log odds; NaN stays."""
        with np.errstate(divide="ignore"):
            predicted_qm = logit(p_yes_qm).clip(-MAX_LOG_ODDS, MAX_LOG_ODDS)
        news_qm: FloatArray = (predicted_qm - self.baseline_log_odds_m).clip(self.low, self.high)
        return news_qm

    def log_factor(self, tokens_qm: FloatArray, expected_qm: FloatArray) -> FloatArray:
        """Return the logarithm of what multiplies the expected tokens; NaN stays."""
        news_qm = log_ratio(tokens_qm, expected_qm) - self.baseline_log_ratio_m
        log_factor_qm: FloatArray = self.length_weight * news_qm.clip(-MAX_LOG_RATIO, MAX_LOG_RATIO)
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
        """Return the blend with one more model, last, about which answers change nothing yet."""
        return replace(
            self,
            baseline_log_odds_m=np.append(self.baseline_log_odds_m, np.nan),
            baseline_log_ratio_m=np.append(self.baseline_log_ratio_m, np.nan),
        )

    def _shifted(self, estimates: Estimates, news_qm: FloatArray) -> Estimates:
        """Return the estimates with probabilities and their intervals moved by news."""
        predicted_qm, shift_qm = ~np.isnan(news_qm), self.weight * news_qm
        p_qm, low_qm, high_qm = (
            expit(self.slope * log_odds(ends_qm, least) + shift_qm)
            for ends_qm, least in (
                (estimates.p_correct_qm, MIN_P),
                (estimates.p_low_qm, MIN_INTERVAL_P),
                (estimates.p_high_qm, MIN_INTERVAL_P),
            )
        )
        return replace(
            estimates,
            p_correct_qm=np.where(predicted_qm, p_qm, estimates.p_correct_qm),
            p_low_qm=np.where(predicted_qm, np.minimum(low_qm, p_qm), estimates.p_low_qm),
            p_high_qm=np.where(predicted_qm, np.maximum(high_qm, p_qm), estimates.p_high_qm),
        )


def log_odds(p_qm: FloatArray, least: float = MIN_P) -> FloatArray:
    """Return log odds of probabilities, none nearer to 0 and 1 than `least`."""
    log_odds_qm: FloatArray = logit(p_qm.clip(least, 1 - least))
    return log_odds_qm


def log_ratio(tokens_qm: FloatArray, expected_qm: FloatArray) -> FloatArray:
    """Return the logarithm of the ratio of two token counts, each and one."""
    log_ratio_qm: FloatArray = np.log1p(tokens_qm) - np.log1p(expected_qm)
    return log_ratio_qm


def scale_tokens(
    estimates: Estimates, log_factor_qm: FloatArray, models: Sequence[ModelSpec]
) -> Estimates:
    """Return the estimates with other completion tokens, and the costs that go with them."""
    predicted_qm, factor_qm = ~np.isnan(log_factor_qm), np.exp(log_factor_qm)
    changed: dict[str, FloatArray] = {}
    for end in ("", "_low", "_high"):
        tokens_qm = getattr(estimates, f"completion_tokens{end}_qm")
        more_qm = tokens_qm * factor_qm
        usd_qm = cost_usd(models, estimates.prompt_tokens_qm, more_qm)
        changed[f"completion_tokens{end}_qm"] = np.where(predicted_qm, more_qm, tokens_qm)
        known_usd_qm = getattr(estimates, f"cost_usd{end}_qm")
        changed[f"cost_usd{end}_qm"] = np.where(predicted_qm, usd_qm, known_usd_qm)
    return replace(estimates, **changed)


def _outer_bound(now: Estimates, moved: Estimates, name: str, sign: int) -> Estimates:
    """Return `now` with the farther of two numbers, by a hair where an answer could move it."""
    now_qm, moved_qm = getattr(now, name), getattr(moved, name)
    farther_qm = sign * np.maximum(sign * now_qm, sign * moved_qm) * (1 + sign * BOUND_SLACK)
    return replace(now, **{name: np.where(now_qm == moved_qm, now_qm, farther_qm)})
