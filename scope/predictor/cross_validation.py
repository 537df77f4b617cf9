"""Choose the forecast of a fitted bank by cross-validation on its anchors."""

import zlib
from dataclasses import replace

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.bank import CANDIDATES, Bank, CandidateScore, ForecastChoice
from scope.errors import BankError
from scope.predictions import MIN_P
from scope.predictor.fit import fit_forecaster
from scope.predictor.predictor import AnchorPredictor
from scope.predictor.reference_population import predict_reference_population

N_FOLDS = 10
"""Folds of a small bank."""

MIN_LEAVE_ONE_OUT = 2_000
"""From this number of fitted anchors the forecaster's leave-one-out predictions stand for folds.

They share the models' means, the noise and the scale of features with the anchor that is left
out. That favours the forecaster on a small bank only, where a fit for each fold is cheap."""


def choose_forecast(fitted: Bank) -> Bank:
    """Return the fitted bank with the forecast that its own outcomes support.

    Parameters
    ----------
    fitted : Bank
        From `scope.predictor.fit_bank`.

    Raises
    ------
    BankError
        If the bank was not fitted.
    """
    anchor_n = fitted_anchors(fitted)
    p_cnm, method = cross_validate(fitted)
    scores = score_candidates(p_cnm, fitted.outcomes.correct_am[anchor_n])
    if not scores:
        return fitted
    chosen = replace(fitted, choice=ForecastChoice.from_scores(scores, method, len(anchor_n)))
    return replace(chosen, reference=predict_reference_population(chosen, chosen.anchor_config))


def cross_validate(fitted: Bank) -> tuple[FloatArray, str]:
    """Return every candidate's forecast of each fitted anchor without itself, and the method.

    Returns
    -------
    p_cnm : ndarray of shape (n_candidates, n_fitted, n_models)
    method : str
        ``leave-one-out``, or the number of folds.

    Raises
    ------
    BankError
        If the bank was not fitted.
    """
    anchor_n = fitted_anchors(fitted)
    if len(anchor_n) >= MIN_LEAVE_ONE_OUT:
        return predict_anchors(fitted, fitted, anchor_n, anchor_n), "leave-one-out"
    return out_of_fold(fitted), f"{N_FOLDS} folds"


def out_of_fold_probabilities(fitted: Bank) -> FloatArray:
    """Return the chosen forecast of each fitted anchor without itself, (n_fitted, n_models).

    Raises
    ------
    BankError
        If the bank was not fitted.
    """
    anchor_n = fitted_anchors(fitted)
    chosen = fitted.choice.chosen if fitted.choice else "process"
    if len(anchor_n) >= MIN_LEAVE_ONE_OUT:
        estimates, _ = AnchorPredictor(fitted).predict(
            fitted.embedding_ad[anchor_n],
            fitted.features_af[anchor_n],
            anchor_n,
            second_qy=fitted.second_vectors(anchor_n),
        )
        return estimates.p_correct_qm
    p_nm: FloatArray = out_of_fold(fitted)[CANDIDATES.index(chosen)]
    return p_nm


def out_of_fold(bank: Bank) -> FloatArray:
    """Return the out-of-fold probabilities, shape (n_candidates, n_anchors, n_models).

    A fold whose other anchors have no outcome stays NaN.
    """
    p_cnm = np.full((len(CANDIDATES), *bank.outcomes.correct_am.shape), np.nan)
    order_n = sorted(range(len(bank.ids)), key=lambda a: zlib.crc32(bank.ids[a].encode()))
    for fold in range(N_FOLDS):
        these_n = np.sort(order_n[fold::N_FOLDS])
        others_n = np.setdiff1d(np.arange(len(bank.ids)), these_n)
        train = bank.select_anchors(others_n)
        try:
            train = _fit_like(bank, train)
        except BankError:
            continue
        p_cnm[:, these_n] = predict_anchors(train, bank, these_n, np.full(len(these_n), -1))
    return p_cnm


def _fit_like(bank: Bank, train: Bank) -> Bank:
    """Return a part of a bank fitted as the bank is: with its second encoder, if that is used."""
    fitted = replace(train, forecaster=fit_forecaster(train, min_anchors=1))
    if bank.joint_forecaster is None:
        return fitted
    joint = fit_forecaster(train, min_anchors=1, projection=bank.joint_forecaster.projection)
    return replace(fitted, joint_forecaster=joint)


def predict_anchors(
    train: Bank, bank: Bank, anchor_n: IntArray, self_index_n: IntArray
) -> FloatArray:
    """Predict anchors of `bank` from `train` by each candidate: `predict_candidates`."""
    return AnchorPredictor(train, bank.anchor_config).predict_candidates(
        bank.embedding_ad[anchor_n],
        bank.features_af[anchor_n],
        self_index_n,
        bank.second_vectors(anchor_n),
    )


def score_candidates(p_cnm: FloatArray, correct_nm: FloatArray) -> tuple[CandidateScore, ...]:
    """Return the log loss of each candidate on the outcomes that all of them predict.

    Parameters
    ----------
    p_cnm : ndarray of shape (n_candidates, n_anchors, n_models)
    correct_nm : ndarray of shape (n_anchors, n_models)
        Within [0, 1]; NaN where unknown.

    Returns
    -------
    tuple of CandidateScore
        Empty if fewer than two anchors have an outcome.
    """
    known_nm = ~np.isnan(p_cnm.sum(axis=0) + correct_nm)
    if known_nm.any(axis=1).sum() < 2:
        return ()
    loss_cnm = log_loss(p_cnm, correct_nm)
    loss_cn, count_n = np.where(known_nm, loss_cnm, 0.0).sum(axis=2), known_nm.sum(axis=1)
    scores, chosen = list[CandidateScore](), 0
    for c, (name, loss_n) in enumerate(zip(CANDIDATES, loss_cn, strict=True)):
        loss, error = mean_over_anchors(loss_n, count_n)
        gain, gain_error = mean_over_anchors(loss_cn[chosen] - loss_n, count_n)
        score = CandidateScore(
            name=name,
            log_loss=loss,
            standard_error=error,
            against=CANDIDATES[chosen],
            gain=gain,
            gain_error=gain_error,
        )
        scores.append(score)
        chosen = c if score.is_better else chosen
    return tuple(scores)


def log_loss(p_nm: FloatArray, correct_nm: FloatArray) -> FloatArray:
    """Return the log loss of each cell in nats; NaN where the outcome or the forecast is unknown.

    `p_nm` may have leading axes more.
    """
    p_nm = p_nm.clip(MIN_P, 1 - MIN_P)
    loss_nm: FloatArray = -(correct_nm * np.log(p_nm) + (1 - correct_nm) * np.log1p(-p_nm))
    return loss_nm


def mean_over_anchors(total_n: FloatArray, count_n: IntArray) -> tuple[float, float]:
    """Return the ratio of the sums and its standard error over anchors."""
    known_n = count_n > 0
    total_n, count_n = total_n[known_n], count_n[known_n]
    ratio = total_n.sum() / count_n.sum()
    spread = (total_n - ratio * count_n).std(ddof=1)
    return float(ratio), float(np.sqrt(len(total_n)) * spread / count_n.sum())


def fitted_anchors(fitted: Bank) -> IntArray:
    """Return the rows of the anchors that the forecaster is fitted to."""
    if fitted.forecaster is None:
        raise BankError("the bank has no forecaster: fit it before its forecast is chosen")
    return fitted.forecaster.anchor_index_n
