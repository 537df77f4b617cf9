"""Learn a forecaster from a bank's own outcomes; no anchor votes for itself."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from scope.arrays import BoolArray, Float32Array, FloatArray, IntArray
from scope.bank import Bank
from scope.errors import BankError
from scope.forecast import (
    TOKEN_QUANTILES,
    CategoryClassifier,
    Forecaster,
    GaussianProcess,
    Head,
    Kernel,
    KernelEigen,
    TextFeatureScaler,
    classifier_inputs,
    encode_labels,
    kernel_features,
    mean_top_similarity,
)
from scope.predictions import MIN_P
from scope.sampling import hash_sample

MIN_ANCHORS = 20
"""With fewer there is nothing to learn."""

MAX_TRAINING_ANCHORS = 8_000
"""Anchors learned from at most: the cost of the process grows with their third power."""

N_FOLDS = 5
"""Parts of the anchors; what is said of one was learned on the others."""

CATEGORY_PRIOR_STRENGTH = 20.0
"""Pull of a model's mean in a category toward its mean in all, in anchors."""

CATEGORY_WEIGHT = 0.4
"""Say of the category's means beside the process: who beats whom depends on the subject more than
on anything else, and the two err differently (docs/quality.md)."""

OOD_QUANTILE = 0.01
"""Share of the anchors that are less familiar to the others than what counts as familiar."""


def fit_forecaster(bank: Bank) -> Forecaster:
    """Learn correctness and length of every model from the bank's outcomes.

    Parameters
    ----------
    bank : Bank
        Models without a single outcome stay unknown (NaN).

    Raises
    ------
    BankError
        If there are fewer than 20 anchors, or no model was measured.
    """
    if len(bank.ids) < MIN_ANCHORS:
        raise BankError(
            f"{len(bank.ids)} anchors in the bank; at least {MIN_ANCHORS} are needed to learn from"
        )
    place_n = np.sort(np.array(hash_sample(bank.ids, MAX_TRAINING_ANCHORS), dtype=np.int64))
    embedding_nd, features_nf = bank.embedding_ad[place_n], bank.features_af[place_n]
    form = TextFeatureScaler.fit(features_nf)
    kinds = _CategoryFit.fit(
        bank, place_n, classifier_inputs(embedding_nd, form.transform(features_nf))
    )
    kernel = Kernel(embedding_nd, kernel_features(form.transform(features_nf), kinds.posterior_nc))
    similarity_nn = kernel.gram_matrix()
    familiar = _in_distribution_threshold(similarity_nn)
    spectrum = KernelEigen.from_similarity(similarity_nn)
    tokens_nm = bank.outcomes.completion_tokens_am[place_n]
    correct, loo_p_nm = _fit_measured(
        partial(_fit_correct, spectrum, kinds), bank.outcomes.correct_am[place_n]
    )
    length, loo_log_length_nm = _fit_measured(partial(_fit_length, spectrum, kinds), tokens_nm)
    return Forecaster(
        form,
        kinds.guess,
        kernel,
        correct,
        length,
        _smearing_factors(loo_log_length_nm, tokens_nm),
        familiar,
        place_n,
        kinds.posterior_nc,
        loo_p_nm,
        loo_log_length_nm,
    )


@dataclass(frozen=True, slots=True)
class _CategoryFit:
    """Categories of the anchors, known and guessed."""

    guess: CategoryClassifier
    label_n: IntArray
    fold_n: IntArray
    posterior_nc: Float32Array

    @classmethod
    def fit(cls, bank: Bank, place_n: IntArray, input_ni: Float32Array) -> "_CategoryFit":
        label_n, n_categories = encode_labels([bank.categories[place] for place in place_n])
        fold_n = np.array([zlib.crc32(bank.ids[place].encode()) % N_FOLDS for place in place_n])
        posterior_nc = np.full((len(place_n), n_categories), 1 / n_categories, dtype=np.float32)
        for others_n, these_n in _folds(fold_n):
            guess = CategoryClassifier.fit(input_ni[others_n], label_n[others_n], n_categories)
            posterior_nc[these_n] = guess.predict_proba(input_ni[these_n])
        guess = CategoryClassifier.fit(input_ni, label_n, n_categories)
        return cls(guess, label_n, fold_n, round_float16(posterior_nc).astype(np.float32))

    def means_cm(self, centred_nm: FloatArray, among_n: BoolArray) -> FloatArray:
        """Return each category's shrunken mean over some anchors."""
        known_nm = ~np.isnan(centred_nm[among_n])
        member_nc = self.label_n[among_n, None] == np.arange(self.posterior_nc.shape[1])
        total_cm = member_nc.T.astype(float) @ np.where(known_nm, centred_nm[among_n], 0.0)
        n_cm = member_nc.T.astype(float) @ known_nm
        means_cm: FloatArray = total_cm / (n_cm + CATEGORY_PRIOR_STRENGTH)
        return means_cm

    def out_of_fold(self, centred_nm: FloatArray) -> FloatArray:
        """Return what the means of the other folds say of each anchor."""
        predicted_nm = np.zeros_like(centred_nm)
        for others_n, these_n in _folds(self.fold_n):
            predicted_nm[these_n] = self.posterior_nc[these_n] @ self.means_cm(centred_nm, others_n)
        return predicted_nm


def _folds(fold_n: IntArray) -> Iterator[tuple[BoolArray, BoolArray]]:
    for fold in np.unique(fold_n):
        if (others_n := fold_n != fold).any():
            yield others_n, ~others_n


def _fit_measured(
    fit: Callable[[FloatArray], tuple[Head, FloatArray]], outcome_nm: FloatArray
) -> tuple[Head, FloatArray]:
    """Fit the models that were measured; the others stay unknown, and have no say."""
    measured = np.flatnonzero(~np.isnan(outcome_nm).all(axis=0))
    if not measured.size:
        raise BankError("no model of the bank has outcomes and token counts to learn from")
    head, left_out = fit(outcome_nm[:, measured])
    n_models = outcome_nm.shape[1]
    left_out_nm = np.full(outcome_nm.shape, np.nan)
    left_out_nm[:, measured] = left_out
    mean_m = np.full(n_models, np.nan)
    mean_m[measured] = head.mean_m
    weight_nm, category_cm = (
        np.zeros((len(values), n_models)) for values in (head.weight_nm, head.category_cm)
    )
    weight_nm[:, measured], category_cm[:, measured] = head.weight_nm, head.category_cm
    return Head(mean_m, weight_nm, category_cm), left_out_nm


def _fit_correct(
    spectrum: KernelEigen, kinds: _CategoryFit, correct_nm: FloatArray
) -> tuple[Head, FloatArray]:
    """Blend process and categories; stretch the level that all models share back."""
    process = GaussianProcess.fit(spectrum, correct_nm)
    centred_nm = correct_nm - process.mean_m
    predicted_nm = (1 - CATEGORY_WEIGHT) * (process.loo_am - process.mean_m)
    predicted_nm += CATEGORY_WEIGHT * kinds.out_of_fold(centred_nm)
    everyone_n = np.ones(len(centred_nm), dtype=np.bool_)
    mixer_mm = _rescale_common_component(predicted_nm, centred_nm)
    head = Head(
        process.mean_m,
        round_float16((1 - CATEGORY_WEIGHT) * process.weight_am @ mixer_mm),
        CATEGORY_WEIGHT * kinds.means_cm(centred_nm, everyone_n) @ mixer_mm,
    )
    return head, round_float16((process.mean_m + predicted_nm @ mixer_mm).clip(MIN_P, 1 - MIN_P))


def _rescale_common_component(predicted_nm: FloatArray, centred_nm: FloatArray) -> FloatArray:
    """Return the matrix that stretches the models' common level and keeps their differences.

    Averaging two forecasts shrinks both. The differences between models want that, for
    the best of many noisy ones is chosen; the level does not, and gets back the factor
    of least squared error.
    """
    level_n1 = predicted_nm.mean(axis=1, keepdims=True)
    level_nm = np.where(np.isnan(centred_nm), 0.0, level_n1)
    missed_nm = np.where(np.isnan(centred_nm), 0.0, centred_nm - predicted_nm)
    more = max(float((level_nm * missed_nm).sum() / max((level_nm**2).sum(), 1e-12)), 0.0)
    n_models = predicted_nm.shape[1]
    mixer_mm: FloatArray = np.eye(n_models) + np.full((n_models, n_models), more / n_models)
    return mixer_mm


def _fit_length(
    spectrum: KernelEigen, kinds: _CategoryFit, tokens_nm: FloatArray
) -> tuple[Head, FloatArray]:
    process = GaussianProcess.fit(spectrum, np.log1p(tokens_nm))
    nothing_cm = np.zeros((kinds.posterior_nc.shape[1], tokens_nm.shape[1]))
    head = Head(process.mean_m, round_float16(process.weight_am), nothing_cm)
    return head, round_float16(process.loo_am)


def _smearing_factors(length_nm: FloatArray, tokens_nm: FloatArray) -> FloatArray:
    """Return what turns the exponential of a log length into tokens and their spread.

    The exponential of a mean of logarithms is below the mean; its ratio to the mean of
    all tokens is made good (Duan's smearing, as one ratio).
    """
    smearing_sm = np.full((3, tokens_nm.shape[1]), np.nan)
    for m in np.flatnonzero(~np.isnan(tokens_nm).all(axis=0)):
        known_n = ~np.isnan(tokens_nm[:, m])
        bare_n, tokens_n = np.exp(length_nm[known_n, m]), tokens_nm[known_n, m]
        smear = tokens_n.sum() / bare_n.sum()
        low, high = np.quantile(tokens_n / bare_n, TOKEN_QUANTILES)
        smearing_sm[:, m] = smear, min(low, smear), max(high, smear)
    return smearing_sm


def _in_distribution_threshold(similarity_nn: Float32Array) -> float:
    others_nn = similarity_nn - 2 * np.eye(len(similarity_nn), dtype=np.float32)
    return float(np.quantile(mean_top_similarity(others_nn), OOD_QUANTILE))


def round_float16(values: FloatArray | Float32Array) -> FloatArray:
    """Round as a bank stores them, so that what is fitted is what will be read."""
    rounded: FloatArray = values.astype(np.float16).astype(np.float64)
    return rounded
