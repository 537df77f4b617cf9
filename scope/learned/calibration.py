"""Calibrate the heads of a router on validation prompts, and measure what it gains."""

from functools import partial

import numpy as np
from scipy.optimize import minimize

from scope.arrays import FloatArray
from scope.learned.spec import CalibrationReport, HeadCalibration, Loss

RIDGE = 1.0
"""Weight of no calibration, in labels: a handful of labels must not move the head far."""

N_BINS = 10


def calibrate(
    loss: Loss, margin_qm: FloatArray, label_qm: FloatArray
) -> tuple[tuple[HeadCalibration, ...], tuple[CalibrationReport, ...]]:
    """Return a temperature and a bias for each head, and what they change.

    A head keeps its probabilities if calibration does not lower the loss of held-out labels.

    Parameters
    ----------
    loss : Loss
        After ``det_ncls`` the heads are one distribution and stay as they are.
    margin_qm : ndarray of shape (n_questions, n_outputs)
        Logits of validation prompts.
    label_qm : ndarray of the same shape
        Labels in [0, 1], NaN where unknown.
    """
    if loss == "det_ncls":
        return tuple(HeadCalibration() for _ in range(margin_qm.shape[1])), ()
    heads = [
        _calibrate_head(margin_q, label_q)
        for margin_q, label_q in zip(margin_qm.T, label_qm.T, strict=True)
    ]
    return tuple(head for head, _ in heads), tuple(report for _, report in heads)


def _calibrate_head(
    margin_q: FloatArray, label_q: FloatArray
) -> tuple[HeadCalibration, CalibrationReport]:
    """Return the calibration of a head; none if it does not help on labels it has not seen."""
    report = _report(margin_q, label_q)
    if report.nll_before is None or report.nll_after is None:
        return HeadCalibration(), report
    if report.nll_after < report.nll_before:
        return fit_head(margin_q, label_q), report
    before = {"nll_after": report.nll_before, "ece_after": report.ece_before}
    return HeadCalibration(), report.model_copy(update=before)


def fit_head(margin_q: FloatArray, label_q: FloatArray) -> HeadCalibration:
    """Fit ``sigmoid(margin / temperature + bias)`` by penalised maximum likelihood.

    The penalty is ``RIDGE / 2 * (log(temperature)^2 + bias^2)``, so that labels that are all
    equal, or no label at all, give a finite result.
    """
    known_q = ~np.isnan(label_q + margin_q)
    objective = partial(_penalised_nll, margin_q=margin_q[known_q], label_q=label_q[known_q])
    found = minimize(objective, np.zeros(2), method="L-BFGS-B", bounds=[(-4, 4), (-10, 10)])
    return HeadCalibration(temperature=float(np.exp(-found.x[0])), bias=float(found.x[1]))


def _penalised_nll(x: FloatArray, margin_q: FloatArray, label_q: FloatArray) -> float:
    logit_q = margin_q * np.exp(x[0]) + x[1]
    nll = np.logaddexp(0, logit_q) - label_q * logit_q
    return float(nll.sum() + RIDGE / 2 * (x**2).sum())


def mean_nll(logit_q: FloatArray, label_q: FloatArray) -> float:
    """Return the mean negative log-likelihood of labels in [0, 1], nats."""
    return float((np.logaddexp(0, logit_q) - label_q * logit_q).mean())


def calibration_error(p_q: FloatArray, label_q: FloatArray) -> float:
    """Return the expected calibration error: ``sum_bin share * |mean p - mean label|``."""
    bin_q = np.minimum((p_q * N_BINS).astype(np.int64), N_BINS - 1)
    gap_h = np.bincount(bin_q, p_q - label_q, N_BINS)
    return float(np.abs(gap_h).sum() / len(p_q))


def _report(margin_q: FloatArray, label_q: FloatArray) -> CalibrationReport:
    """Measure before and after; each half is calibrated on the other, so none sees its labels."""
    known_q = ~np.isnan(label_q + margin_q)
    margin_q, label_q = margin_q[known_q], label_q[known_q]
    if not len(label_q):
        return CalibrationReport(n_labels=0)
    after_q = np.empty_like(margin_q)
    for half in (0, 1):
        head = fit_head(margin_q[1 - half :: 2], label_q[1 - half :: 2])
        after_q[half::2] = margin_q[half::2] / head.temperature + head.bias
    before_p, after_p = (0.5 * (1 + np.tanh(0.5 * logit)) for logit in (margin_q, after_q))
    return CalibrationReport(
        n_labels=len(label_q),
        nll_before=mean_nll(margin_q, label_q),
        nll_after=mean_nll(after_q, label_q),
        ece_before=calibration_error(before_p, label_q),
        ece_after=calibration_error(after_p, label_q),
    )
