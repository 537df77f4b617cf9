"""Fit the weight of a reasoner's answers in a blend with the anchors' estimates.

By maximum likelihood, on questions with known outcomes and leave-one-out anchor forecasts. The
weights are kept only if they predict held-out questions better than the anchors alone do, by more
than one standard error; otherwise the blend ignores the answers.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from scope.arrays import FloatArray
from scope.fusion.blend import MAX_LOG_ODDS, MAX_LOG_RATIO, Blend, log_odds, log_ratio
from scope.fusion.fit_data import PRIOR_STRENGTH, LabelledAnswers
from scope.reasoner import ReasonerPredictions

CLIP_QUANTILES = (0.05, 0.95)
"""Quantiles at which an answer's deviation from the baseline is clipped, which limits what a query
can change. Exact mode makes six tenths of the queries that clipping at 1 % needs, and loses a
fiftieth of the gain in log loss (docs/predictor.md)."""


def fit_blend(
    p_qm: FloatArray,
    tokens_qm: FloatArray,
    answers: ReasonerPredictions,
    correct_qm: FloatArray,
    true_tokens_qm: FloatArray,
) -> Blend:
    """Fit how answers change the anchors' estimates.

    Parameters
    ----------
    p_qm, tokens_qm : ndarray of shape (n_questions, n_models)
        Leave-one-out estimates from the anchors.
    answers : ReasonerPredictions
        Of the reasoner, without the question itself as an example; NaN where missing.
    correct_qm, true_tokens_qm : ndarray of shape (n_questions, n_models)
        Outcomes: correctness in [0, 1] and completion tokens; NaN unknown.

    Returns
    -------
    Blend
        With weight 0 where the answers do not improve on the anchors alone.
    """
    blend = Blend.identity(p_qm.shape[1])
    blend = _with_weight(blend, p_qm, answers.p_yes_qm, correct_qm)
    return _with_length_weight(blend, tokens_qm, answers.tokens_qm, true_tokens_qm)


def _with_weight(
    blend: Blend, p_qm: FloatArray, p_yes_qm: FloatArray, correct_qm: FloatArray
) -> Blend:
    """Return the blend with the weight of the answers' probabilities."""
    with np.errstate(divide="ignore"):
        answer_qm = logit(p_yes_qm).clip(-MAX_LOG_ODDS, MAX_LOG_ODDS)
    cells = LabelledAnswers.from_grids(log_odds(p_qm), answer_qm, correct_qm)
    if not cells.is_sufficient:
        return blend
    loss_gn = np.empty((3, len(cells.row_n)))
    for train_n, test_n in cells.folds():
        train, test = cells.select(train_n), cells.select(test_n)
        fits = (_anchors_only(cells), _fit(train, use_answers=False), _fit(train))
        loss_gn[:, test_n] = [_loss_n(fit.log_odds_n(test), test.outcome_n) for fit in fits]
    anchors_n, rescaled_n, blended_n = loss_gn
    gains = (anchors_n - blended_n, rescaled_n - blended_n)
    if not all(cells.is_significant(gain_n) for gain_n in gains):
        return blend
    fit = _fit(cells)
    if fit.weight == 0:
        return blend
    changed_n = fit.log_odds_n(cells) - cells.anchor_n
    return replace(
        blend,
        weight=fit.weight,
        slope=fit.slope,
        baseline_log_odds_m=fit.baseline_log_odds_m,
        low=fit.low,
        high=fit.high,
        shift_std=float(changed_n.std()),
    )


@dataclass(frozen=True, slots=True)
class _LogisticFit:
    """Parameters of a logistic fit: the part of a `Blend` about probabilities."""

    slope: float
    weight: float
    offset_m: FloatArray
    baseline_log_odds_m: FloatArray
    low: float
    high: float

    def log_odds_n(self, cells: LabelledAnswers) -> FloatArray:
        """Return the log odds of each cell; the anchors' for a model without training cells."""
        shift_n = cells.answer_n - self.baseline_log_odds_m[cells.column_n]
        shift_n = shift_n.clip(self.low, self.high)
        offset_n = self.offset_m[cells.column_n]
        log_odds_n = self.slope * cells.anchor_n + self.weight * shift_n + offset_n
        return np.where(np.isnan(log_odds_n), cells.anchor_n, log_odds_n)


def _anchors_only(cells: LabelledAnswers) -> _LogisticFit:
    """Return the fit that keeps the anchors' log odds."""
    zero_m = np.zeros(cells.shape[1])
    return _LogisticFit(1.0, 0.0, zero_m, zero_m, 0.0, 0.0)


def _fit(cells: LabelledAnswers, *, use_answers: bool = True) -> _LogisticFit:
    """Return the maximum-likelihood slope, weight and offset of each model.

    The offset common to all models is free; a model's own offset is shrunk to 0 with a prior of
    `PRIOR_STRENGTH` questions. The offsets then move the baseline, so that they act on answers
    only. With `use_answers` false the weight is 0.
    """
    baseline_log_odds_m = cells.means_m(cells.answer_n)
    shift_n = (
        cells.answer_n - baseline_log_odds_m[cells.column_n]
        if use_answers
        else np.zeros(len(cells.row_n))
    )
    slope, weight, common, *own = _maximum_likelihood(cells, shift_n).tolist()
    offset_m = np.where(np.isnan(baseline_log_odds_m), np.nan, common + np.array(own))
    if weight == 0:
        return _LogisticFit(slope, 0.0, offset_m, np.zeros_like(baseline_log_odds_m), 0.0, 0.0)
    baseline_log_odds_m = baseline_log_odds_m - offset_m / weight
    low, high = np.quantile(cells.answer_n - baseline_log_odds_m[cells.column_n], CLIP_QUANTILES)
    zero_m = np.zeros_like(baseline_log_odds_m)
    return _LogisticFit(
        slope, weight, zero_m, baseline_log_odds_m, min(float(low), 0.0), max(float(high), 0.0)
    )


def _maximum_likelihood(cells: LabelledAnswers, shift_n: FloatArray) -> FloatArray:
    """Return slope, weight, common offset and model offsets with the lowest penalised loss."""
    n_models = cells.shape[1]
    # The information of that many questions of p = 0.5 about an offset.
    precision = PRIOR_STRENGTH / 4
    variance = float(shift_n.var())

    def loss(beta: FloatArray) -> tuple[float, FloatArray]:
        slope, weight, common = beta[:3]
        log_odds_n = slope * cells.anchor_n + weight * shift_n + common + beta[3:][cells.column_n]
        error_n = expit(log_odds_n) - cells.outcome_n
        gradient = np.empty_like(beta)
        gradient[:3] = error_n @ cells.anchor_n, error_n @ shift_n, error_n.sum()
        gradient[3:] = np.bincount(cells.column_n, error_n, minlength=n_models)
        # Without a penalty the weight of a perfect reasoner is infinite.
        gradient[1] += variance * weight
        gradient[3:] += precision * beta[3:]
        penalty = (precision * (beta[3:] @ beta[3:]) + variance * weight**2) / 2
        total = _loss_n(log_odds_n, cells.outcome_n).sum() + penalty
        return float(total), gradient

    start = np.zeros(3 + n_models)
    start[0] = 1.0
    bounds = [(0, None), (0, None if variance else 0), *[(None, None)] * (n_models + 1)]
    beta: FloatArray = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return beta


def _loss_n(log_odds_n: FloatArray, outcome_n: FloatArray) -> FloatArray:
    """Return the log loss of each cell."""
    loss_n: FloatArray = np.logaddexp(0, log_odds_n) - outcome_n * log_odds_n
    return loss_n


def _with_length_weight(
    blend: Blend, tokens_qm: FloatArray, answer_qm: FloatArray, true_qm: FloatArray
) -> Blend:
    """Return the blend with the weight of the answers' token counts."""
    cells = LabelledAnswers.from_grids(
        np.zeros_like(tokens_qm), log_ratio(answer_qm, tokens_qm), log_ratio(true_qm, tokens_qm)
    )
    if not cells.is_sufficient:
        return blend
    gain_n = np.empty(len(cells.row_n))
    for train_n, test_n in cells.folds():
        train, test = cells.select(train_n), cells.select(test_n)
        # Centred: the mean of logs is below the log of the mean, which is no error of the anchors.
        error_n = test.outcome_n - train.means_m(train.outcome_n)[test.column_n]
        shift_n = _length_shift(test, train.means_m(train.answer_n))
        log_factor_n = _length_weight(train) * shift_n
        gain_n[test_n] = np.nan_to_num(error_n**2 - (error_n - log_factor_n) ** 2)
    baseline_log_ratio_m, weight = cells.means_m(cells.answer_n), _length_weight(cells)
    if weight == 0 or not cells.is_significant(gain_n):
        return blend
    factor_n = np.exp(weight * _length_shift(cells, baseline_log_ratio_m))
    # The mean predicted cost stays the same.
    baseline_log_ratio_m = baseline_log_ratio_m + np.log(factor_n.mean()) / weight
    return replace(
        blend,
        length_weight=weight,
        baseline_log_ratio_m=baseline_log_ratio_m,
        ratio_std=float(np.log(factor_n).std()),
    )


def _length_shift(cells: LabelledAnswers, baseline_log_ratio_m: FloatArray) -> FloatArray:
    """Return the clipped deviation of answers from the baseline, log tokens."""
    shift_n: FloatArray = cells.answer_n - baseline_log_ratio_m[cells.column_n]
    return shift_n.clip(-MAX_LOG_RATIO, MAX_LOG_RATIO)


def _length_weight(cells: LabelledAnswers) -> float:
    """Return the least-squares weight of log tokens, clipped to [0, 1]."""
    shift_n = _length_shift(cells, cells.means_m(cells.answer_n))
    error_n = cells.outcome_n - cells.means_m(cells.outcome_n)[cells.column_n]
    return float(np.clip(shift_n @ error_n / max(float(shift_n @ shift_n), 1e-12), 0, 1))
