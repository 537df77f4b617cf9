"""Fit what a reasoner's answers are worth beside the anchors: the weight that it has earned.

By maximum likelihood, on questions whose outcomes are known and which the anchors foretell
without themselves. Whatever is fitted must foretell questions that it was not fitted on
better than the anchors do, by more than one standard error; else it is dropped, and decisions
stay those of the anchors.
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
"""Quantiles at which the news of an answer is cut: what no answer can exceed need not be asked
for. An exact cascade asks about six tenths as many as at 1 % either way, for a fiftieth of what
was earned in log loss (docs/predictor.md)."""


def fit_blend(
    p_qm: FloatArray,
    tokens_qm: FloatArray,
    answers: ReasonerPredictions,
    correct_qm: FloatArray,
    true_tokens_qm: FloatArray,
) -> Blend:
    """Fit how answers change what the anchors say.

    Parameters
    ----------
    p_qm, tokens_qm : ndarray of shape (n_questions, n_models)
        What the anchors say, no question having a say in its own row.
    answers : ReasonerPredictions
        Of the reasoner, likewise; NaN where it was not asked or failed.
    correct_qm, true_tokens_qm : ndarray of shape (n_questions, n_models)
        What really happened: correctness within [0, 1] and completion tokens, NaN unknown.

    Returns
    -------
    Blend
        With weight 0 where the answers do not foretell better than the anchors alone.
    """
    blend = Blend.identity(p_qm.shape[1])
    blend = _with_weight(blend, p_qm, answers.p_yes_qm, correct_qm)
    return _with_length_weight(blend, tokens_qm, answers.tokens_qm, true_tokens_qm)


def _with_weight(
    blend: Blend, p_qm: FloatArray, p_yes_qm: FloatArray, correct_qm: FloatArray
) -> Blend:
    """Return the blend with what the answers' probabilities have earned."""
    with np.errstate(divide="ignore"):
        predicted_qm = logit(p_yes_qm).clip(-MAX_LOG_ODDS, MAX_LOG_ODDS)
    cells = LabelledAnswers.from_grids(log_odds(p_qm), predicted_qm, correct_qm)
    if not cells.is_sufficient:
        return blend
    loss_sn = np.empty((3, len(cells.row_n)))
    for rest_n, exam_n in cells.folds():
        rest, exam = cells.select(rest_n), cells.select(exam_n)
        ways = (_anchors_only(cells), _fit(rest, asked=False), _fit(rest))
        loss_sn[:, exam_n] = [_loss_n(way.log_odds_n(exam), exam.outcome_n) for way in ways]
    anchors_n, alone_n, asked_n = loss_sn
    if not (cells.is_significant(anchors_n - asked_n) and cells.is_significant(alone_n - asked_n)):
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
    """What a fit says: the part of a `Blend` that is about probabilities."""

    slope: float
    weight: float
    offset_m: FloatArray
    baseline_log_odds_m: FloatArray
    low: float
    high: float

    def log_odds_n(self, cells: LabelledAnswers) -> FloatArray:
        """Return the log odds of each cell; the anchors' for a model never fitted on."""
        news_n = (cells.answer_n - self.baseline_log_odds_m[cells.column_n]).clip(
            self.low, self.high
        )
        offset_n = self.offset_m[cells.column_n]
        log_odds_n = self.slope * cells.anchor_n + self.weight * news_n + offset_n
        return np.where(np.isnan(log_odds_n), cells.anchor_n, log_odds_n)


def _anchors_only(cells: LabelledAnswers) -> _LogisticFit:
    """Return the line that says what the anchors say."""
    nothing_m = np.zeros(cells.shape[1])
    return _LogisticFit(1.0, 0.0, nothing_m, nothing_m, 0.0, 0.0)


def _fit(cells: LabelledAnswers, *, asked: bool = True) -> _LogisticFit:
    """Return the likeliest slope, weight and offset of each model; without weight if not asked.

    The offset common to all models is free, what one has beside it is drawn to 0 as by
    `PRIOR_STRENGTHS` questions. It then moves the centre, so that it acts on answers alone.
    """
    baseline_log_odds_m = cells.means_m(cells.answer_n)
    news_n = (
        cells.answer_n - baseline_log_odds_m[cells.column_n]
        if asked
        else np.zeros(len(cells.row_n))
    )
    slope, weight, common, *own = _maximum_likelihood(cells, news_n).tolist()
    offset_m = np.where(np.isnan(baseline_log_odds_m), np.nan, common + np.array(own))
    if weight == 0:
        return _LogisticFit(slope, 0.0, offset_m, np.zeros_like(baseline_log_odds_m), 0.0, 0.0)
    baseline_log_odds_m = baseline_log_odds_m - offset_m / weight
    low, high = np.quantile(cells.answer_n - baseline_log_odds_m[cells.column_n], CLIP_QUANTILES)
    nothing_m = np.zeros_like(baseline_log_odds_m)
    return _LogisticFit(
        slope, weight, nothing_m, baseline_log_odds_m, min(float(low), 0.0), max(float(high), 0.0)
    )


def _maximum_likelihood(cells: LabelledAnswers, news_n: FloatArray) -> FloatArray:
    """Return slope, weight, common offset and those of the models, of least penalised loss."""
    n_models = cells.shape[1]
    # As much as that many questions whose outcome is open tell of an offset.
    pull = PRIOR_STRENGTH / 4
    spread2 = float(news_n.var())

    def loss(beta: FloatArray) -> tuple[float, FloatArray]:
        slope, weight, common = beta[:3]
        log_odds_n = slope * cells.anchor_n + weight * news_n + common + beta[3:][cells.column_n]
        missed_n = expit(log_odds_n) - cells.outcome_n
        gradient = np.empty_like(beta)
        gradient[:3] = missed_n @ cells.anchor_n, missed_n @ news_n, missed_n.sum()
        gradient[3:] = np.bincount(cells.column_n, missed_n, minlength=n_models)
        # The weight gets a pull as well, or a perfect reasoner's would be infinite.
        gradient[1] += spread2 * weight
        gradient[3:] += pull * beta[3:]
        penalty = (pull * (beta[3:] @ beta[3:]) + spread2 * weight**2) / 2
        total = _loss_n(log_odds_n, cells.outcome_n).sum() + penalty
        return float(total), gradient

    start = np.zeros(3 + n_models)
    start[0] = 1.0
    bounds = [(0, None), (0, None if spread2 else 0), *[(None, None)] * (n_models + 1)]
    likeliest: FloatArray = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return likeliest


def _loss_n(log_odds_n: FloatArray, outcome_n: FloatArray) -> FloatArray:
    """Return the log loss of each cell."""
    loss_n: FloatArray = np.logaddexp(0, log_odds_n) - outcome_n * log_odds_n
    return loss_n


def _with_length_weight(
    blend: Blend, tokens_qm: FloatArray, predicted_qm: FloatArray, true_qm: FloatArray
) -> Blend:
    """Return the blend with what the answers' token counts have earned."""
    cells = LabelledAnswers.from_grids(
        np.zeros_like(tokens_qm), log_ratio(predicted_qm, tokens_qm), log_ratio(true_qm, tokens_qm)
    )
    if not cells.is_sufficient:
        return blend
    gain_n = np.empty(len(cells.row_n))
    for rest_n, exam_n in cells.folds():
        rest, exam = cells.select(rest_n), cells.select(exam_n)
        # That the mean of logarithms is below the log of the mean is no error of the anchors.
        missed_n = exam.outcome_n - rest.means_m(rest.outcome_n)[exam.column_n]
        log_factor_n = _length_weight(rest) * _length_residual(exam, rest.means_m(rest.answer_n))
        gain_n[exam_n] = np.nan_to_num(missed_n**2 - (missed_n - log_factor_n) ** 2)
    baseline_log_odds_m, weight = cells.means_m(cells.answer_n), _length_weight(cells)
    if weight == 0 or not cells.is_significant(gain_n):
        return blend
    factor_n = np.exp(weight * _length_residual(cells, baseline_log_odds_m))
    # An expected bill stays what it was, on average.
    baseline_log_odds_m = baseline_log_odds_m + np.log(factor_n.mean()) / weight
    return replace(
        blend,
        length_weight=weight,
        baseline_log_ratio_m=baseline_log_odds_m,
        ratio_std=float(np.log(factor_n).std()),
    )


def _length_residual(cells: LabelledAnswers, baseline_log_odds_m: FloatArray) -> FloatArray:
    news_n: FloatArray = (cells.answer_n - baseline_log_odds_m[cells.column_n]).clip(
        -MAX_LOG_RATIO, MAX_LOG_RATIO
    )
    return news_n


def _length_weight(cells: LabelledAnswers) -> float:
    """Return the weight within [0, 1] of least squared error of log tokens."""
    news_n = _length_residual(cells, cells.means_m(cells.answer_n))
    missed_n = cells.outcome_n - cells.means_m(cells.outcome_n)[cells.column_n]
    return float(np.clip(news_n @ missed_n / max(float(news_n @ news_n), 1e-12), 0, 1))
