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

from scope.answered import PSEUDO_ANCHORS, AnsweredCells
from scope.answers import Answers
from scope.arrays import Floats
from scope.blend import LENGTH_LIMIT, LOGIT_LIMIT, Blend, log_odds, log_ratio

CUT = (0.05, 0.95)
"""Quantiles at which the news of an answer is cut: what no answer can exceed need not be asked
for. An exact cascade asks about six tenths as many as at 1 % either way, for a fiftieth of what
was earned in log loss (docs/predictor.md)."""


def fit_blend(
    p_qm: Floats,
    tokens_qm: Floats,
    answers: Answers,
    correct_qm: Floats,
    true_tokens_qm: Floats,
) -> Blend:
    """Fit how answers change what the anchors say.

    Parameters
    ----------
    p_qm, tokens_qm : ndarray of shape (n_questions, n_models)
        What the anchors say, no question having a say in its own row.
    answers : Answers
        Of the reasoner, likewise; NaN where it was not asked or failed.
    correct_qm, true_tokens_qm : ndarray of shape (n_questions, n_models)
        What really happened: correctness within [0, 1] and completion tokens, NaN unknown.

    Returns
    -------
    Blend
        With weight 0 where the answers do not foretell better than the anchors alone.
    """
    blend = Blend.nothing(p_qm.shape[1])
    blend = _with_weight(blend, p_qm, answers.p_yes_qm, correct_qm)
    return _with_length_weight(blend, tokens_qm, answers.tokens_qm, true_tokens_qm)


def _with_weight(blend: Blend, p_qm: Floats, p_yes_qm: Floats, correct_qm: Floats) -> Blend:
    """Return the blend with what the answers' probabilities have earned."""
    with np.errstate(divide="ignore"):
        said_qm = logit(p_yes_qm).clip(-LOGIT_LIMIT, LOGIT_LIMIT)
    cells = AnsweredCells.of(log_odds(p_qm), said_qm, correct_qm)
    if not cells.enough:
        return blend
    loss_sn = np.empty((3, len(cells.row_n)))
    for rest_n, exam_n in cells.folds():
        rest, exam = cells.rows(rest_n), cells.rows(exam_n)
        ways = (_anchors(cells), _fitted(rest, asked=False), _fitted(rest))
        loss_sn[:, exam_n] = [_loss_n(way.log_odds_n(exam), exam.outcome_n) for way in ways]
    anchors_n, alone_n, asked_n = loss_sn
    if not (cells.earned(anchors_n - asked_n) and cells.earned(alone_n - asked_n)):
        return blend
    fit = _fitted(cells)
    if fit.weight == 0:
        return blend
    changed_n = fit.log_odds_n(cells) - cells.known_n
    return replace(
        blend,
        weight=fit.weight,
        slope=fit.slope,
        center_m=fit.center_m,
        low=fit.low,
        high=fit.high,
        spread=float(changed_n.std()),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """What a fit says: the part of a `Blend` that is about probabilities."""

    slope: float
    weight: float
    offset_m: Floats
    center_m: Floats
    low: float
    high: float

    def log_odds_n(self, cells: AnsweredCells) -> Floats:
        """Return the log odds of each cell; the anchors' for a model never fitted on."""
        news_n = (cells.said_n - self.center_m[cells.column_n]).clip(self.low, self.high)
        offset_n = self.offset_m[cells.column_n]
        log_odds_n = self.slope * cells.known_n + self.weight * news_n + offset_n
        return np.where(np.isnan(log_odds_n), cells.known_n, log_odds_n)


def _anchors(cells: AnsweredCells) -> _Line:
    """Return the line that says what the anchors say."""
    nothing_m = np.zeros(cells.shape[1])
    return _Line(1.0, 0.0, nothing_m, nothing_m, 0.0, 0.0)


def _fitted(cells: AnsweredCells, *, asked: bool = True) -> _Line:
    """Return the likeliest slope, weight and offset of each model; without weight if not asked.

    The offset common to all models is free, what one has beside it is drawn to 0 as by
    `PSEUDO_ANCHORS` questions. It then moves the centre, so that it acts on answers alone.
    """
    center_m = cells.means_m(cells.said_n)
    news_n = cells.said_n - center_m[cells.column_n] if asked else np.zeros(len(cells.row_n))
    slope, weight, common, *own = _likeliest(cells, news_n).tolist()
    offset_m = np.where(np.isnan(center_m), np.nan, common + np.array(own))
    if weight == 0:
        return _Line(slope, 0.0, offset_m, np.zeros_like(center_m), 0.0, 0.0)
    center_m = center_m - offset_m / weight
    low, high = np.quantile(cells.said_n - center_m[cells.column_n], CUT)
    nothing_m = np.zeros_like(center_m)
    return _Line(slope, weight, nothing_m, center_m, min(float(low), 0.0), max(float(high), 0.0))


def _likeliest(cells: AnsweredCells, news_n: Floats) -> Floats:
    """Return slope, weight, common offset and those of the models, of least penalised loss."""
    n_models = cells.shape[1]
    # As much as that many questions whose outcome is open tell of an offset.
    pull = PSEUDO_ANCHORS / 4
    spread2 = float(news_n.var())

    def loss(beta: Floats) -> tuple[float, Floats]:
        slope, weight, common = beta[:3]
        log_odds_n = slope * cells.known_n + weight * news_n + common + beta[3:][cells.column_n]
        missed_n = expit(log_odds_n) - cells.outcome_n
        gradient = np.empty_like(beta)
        gradient[:3] = missed_n @ cells.known_n, missed_n @ news_n, missed_n.sum()
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
    likeliest: Floats = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return likeliest


def _loss_n(log_odds_n: Floats, outcome_n: Floats) -> Floats:
    """Return the log loss of each cell."""
    loss_n: Floats = np.logaddexp(0, log_odds_n) - outcome_n * log_odds_n
    return loss_n


def _with_length_weight(blend: Blend, tokens_qm: Floats, said_qm: Floats, true_qm: Floats) -> Blend:
    """Return the blend with what the answers' token counts have earned."""
    cells = AnsweredCells.of(
        np.zeros_like(tokens_qm), log_ratio(said_qm, tokens_qm), log_ratio(true_qm, tokens_qm)
    )
    if not cells.enough:
        return blend
    gain_n = np.empty(len(cells.row_n))
    for rest_n, exam_n in cells.folds():
        rest, exam = cells.rows(rest_n), cells.rows(exam_n)
        # That the mean of logarithms is below the log of the mean is no error of the anchors.
        missed_n = exam.outcome_n - rest.means_m(rest.outcome_n)[exam.column_n]
        log_factor_n = _length_weight(rest) * _length_news(exam, rest.means_m(rest.said_n))
        gain_n[exam_n] = np.nan_to_num(missed_n**2 - (missed_n - log_factor_n) ** 2)
    center_m, weight = cells.means_m(cells.said_n), _length_weight(cells)
    if weight == 0 or not cells.earned(gain_n):
        return blend
    factor_n = np.exp(weight * _length_news(cells, center_m))
    # An expected bill stays what it was, on average.
    center_m = center_m + np.log(factor_n.mean()) / weight
    return replace(
        blend,
        length_weight=weight,
        length_center_m=center_m,
        length_spread=float(np.log(factor_n).std()),
    )


def _length_news(cells: AnsweredCells, center_m: Floats) -> Floats:
    news_n: Floats = (cells.said_n - center_m[cells.column_n]).clip(-LENGTH_LIMIT, LENGTH_LIMIT)
    return news_n


def _length_weight(cells: AnsweredCells) -> float:
    """Return the weight within [0, 1] of least squared error of log tokens."""
    news_n = _length_news(cells, cells.means_m(cells.said_n))
    missed_n = cells.outcome_n - cells.means_m(cells.outcome_n)[cells.column_n]
    return float(np.clip(news_n @ missed_n / max(float(news_n @ news_n), 1e-12), 0, 1))
