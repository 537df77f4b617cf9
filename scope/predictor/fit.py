"""Fit a forecaster to a bank's outcomes, with leave-one-out predictions of its anchors."""

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
    CategoryLabels,
    Forecaster,
    GaussianProcess,
    Head,
    Kernel,
    KernelEigen,
    Projection,
    TextFeatureScaler,
    classifier_inputs,
    joint_features,
    kernel_features,
    mean_top_similarity,
    measured_anchors,
    row_blocks,
)
from scope.predictions import MIN_P
from scope.sampling import hash_sample

MIN_ANCHORS = 20
"""Fewest anchors of a bank that can be fitted."""

MAX_TRAINING_ANCHORS = 100_000
"""Maximum number of fitted anchors: memory grows with their number times the next."""

MAX_INDUCING_POINTS = 8_000
"""Maximum number of anchors whose similarities predict a question. A larger bank is fitted through
them: all of its outcomes count (docs/quality.md), and a forecast takes no longer."""

N_FOLDS = 5
"""Folds of the out-of-fold category predictions."""

CATEGORY_PRIOR_STRENGTH = 20.0
"""Weight of a model's overall mean in its mean of a category, in anchors."""

CATEGORY_WEIGHT = 0.4
"""Weight of the category means against the process: which model is better depends mostly on the
subject, and the two predictions have different errors (docs/quality.md)."""

OOD_QUANTILE = 0.01
"""Quantile of the anchors' similarities to the others that is the in-distribution threshold."""


def fit_forecaster(
    bank: Bank, *, min_anchors: int = MIN_ANCHORS, projection: Projection | None = None
) -> Forecaster:
    """Fit correctness and length of every model to the bank's outcomes.

    Parameters
    ----------
    bank : Bank
        Models without any outcome stay unknown (NaN).
    min_anchors : int
        Lower in a fold of a bank of `MIN_ANCHORS`.
    projection : Projection, optional
        Also use the vectors of the bank's second encoder, by these coordinates.

    Raises
    ------
    BankError
        If there are fewer than `min_anchors` anchors, or no model was measured.
    """
    if len(bank.ids) < min_anchors:
        raise BankError(
            f"{len(bank.ids)} anchors in the bank; at least {min_anchors} are needed to fit it"
        )
    anchor_n = _sample(bank, np.arange(len(bank.ids)), MAX_TRAINING_ANCHORS)
    embedding_nd, features_nf = bank.embedding_ad[anchor_n], bank.features_af[anchor_n]
    form = TextFeatureScaler.fit(features_nf)
    categories = _CategoryFit.fit(
        bank, anchor_n, classifier_inputs(embedding_nd, form.transform(features_nf))
    )
    feature_ni = joint_features(
        kernel_features(form.transform(features_nf), categories.posterior_nc),
        projection,
        bank.second_vectors(anchor_n),
    )
    inducing_b = _sample(bank, anchor_n, MAX_INDUCING_POINTS)
    kernel = Kernel(embedding_nd[inducing_b], feature_ni[inducing_b])
    similarity_nb = kernel.gram_matrix(embedding_nd, feature_ni)
    threshold = _in_distribution_threshold(similarity_nb, inducing_b)
    eigen = KernelEigen.from_similarity(similarity_nb, inducing_b)
    tokens_nm = bank.outcomes.completion_tokens_am[anchor_n]
    correct, loo_p_nm = _fit_measured(
        partial(_fit_correct, eigen, categories), bank.outcomes.correct_am[anchor_n]
    )
    length, loo_log_length_nm = _fit_measured(partial(_fit_length, eigen, categories), tokens_nm)
    return Forecaster(
        form,
        categories.classifier,
        kernel,
        correct,
        length,
        _smearing_factors(loo_log_length_nm, tokens_nm),
        threshold,
        anchor_n,
        inducing_b,
        categories.posterior_nc,
        loo_p_nm,
        loo_log_length_nm,
        projection,
    )


def _sample(bank: Bank, anchor_n: IntArray, n_places: int) -> IntArray:
    """Return ascending indices into `anchor_n` of a sample drawn by the hashes of the ids.

    Anchors of few models, as feedback adds, may be many: they get at most half of the places, and
    those that measured anchors leave.
    """
    measured_n = measured_anchors(bank.outcomes.correct_am[anchor_n])
    groups = [np.flatnonzero(measured_n), np.flatnonzero(~measured_n)]
    n_few = min(len(groups[1]), max(n_places - len(groups[0]), n_places // 2))
    chosen = [
        group[hash_sample([bank.ids[anchor_n[row]] for row in group], n)]
        for group, n in zip(groups, (n_places - n_few, n_few), strict=True)
    ]
    return np.sort(np.concatenate(chosen))


@dataclass(frozen=True, slots=True)
class _CategoryFit:
    """Categories of the fitted anchors: labels, folds and out-of-fold probabilities."""

    classifier: CategoryClassifier
    label_n: IntArray
    fold_n: IntArray
    posterior_nc: Float32Array

    @classmethod
    def fit(cls, bank: Bank, anchor_n: IntArray, input_ni: Float32Array) -> "_CategoryFit":
        labels = CategoryLabels.encode([bank.categories[anchor] for anchor in anchor_n])
        label_n, n_categories = labels.label_a, labels.n_categories
        fold_n = np.array([zlib.crc32(bank.ids[anchor].encode()) % N_FOLDS for anchor in anchor_n])
        posterior_nc = np.full((len(anchor_n), n_categories), 1 / n_categories, dtype=np.float32)
        for others_n, these_n in _folds(fold_n):
            fold_classifier = CategoryClassifier.fit(
                input_ni[others_n], label_n[others_n], n_categories
            )
            posterior_nc[these_n] = fold_classifier.predict_proba(input_ni[these_n])
        classifier = CategoryClassifier.fit(input_ni, label_n, n_categories)
        return cls(classifier, label_n, fold_n, round_float16(posterior_nc).astype(np.float32))

    def means_cm(self, centred_nm: FloatArray, among_n: BoolArray) -> FloatArray:
        """Return the shrunken mean of each category over some anchors."""
        known_nm = ~np.isnan(centred_nm[among_n])
        member_nc = self.label_n[among_n, None] == np.arange(self.posterior_nc.shape[1])
        total_cm = member_nc.T.astype(float) @ np.where(known_nm, centred_nm[among_n], 0.0)
        n_cm = member_nc.T.astype(float) @ known_nm
        means_cm: FloatArray = total_cm / (n_cm + CATEGORY_PRIOR_STRENGTH)
        return means_cm

    def out_of_fold(self, centred_nm: FloatArray) -> FloatArray:
        """Return the out-of-fold prediction of each anchor from the category means."""
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
    """Fit the measured models; the others stay unknown and do not affect the fit."""
    measured = np.flatnonzero(~np.isnan(outcome_nm).all(axis=0))
    if not measured.size:
        raise BankError("no model of the bank has outcomes and token counts")
    head, loo = fit(outcome_nm[:, measured])
    n_models = outcome_nm.shape[1]
    loo_nm = np.full(outcome_nm.shape, np.nan)
    loo_nm[:, measured] = loo
    mean_m = np.full(n_models, np.nan)
    mean_m[measured] = head.mean_m
    weight_bm, category_cm = (
        np.zeros((len(values), n_models)) for values in (head.weight_bm, head.category_cm)
    )
    weight_bm[:, measured], category_cm[:, measured] = head.weight_bm, head.category_cm
    return Head(mean_m, weight_bm, category_cm), loo_nm


def _fit_correct(
    eigen: KernelEigen, categories: _CategoryFit, correct_nm: FloatArray
) -> tuple[Head, FloatArray]:
    """Average process and category means, then rescale the common level."""
    process = GaussianProcess.fit(eigen, correct_nm)
    centred_nm = correct_nm - process.mean_m
    predicted_nm = (1 - CATEGORY_WEIGHT) * (process.loo_am - process.mean_m)
    predicted_nm += CATEGORY_WEIGHT * categories.out_of_fold(centred_nm)
    all_n = np.ones(len(centred_nm), dtype=np.bool_)
    mixer_mm = _rescale_common_component(predicted_nm, centred_nm)
    head = Head(
        process.mean_m,
        round_float16((1 - CATEGORY_WEIGHT) * process.weight_bm @ mixer_mm),
        CATEGORY_WEIGHT * categories.means_cm(centred_nm, all_n) @ mixer_mm,
    )
    return head, round_float16((process.mean_m + predicted_nm @ mixer_mm).clip(MIN_P, 1 - MIN_P))


def _rescale_common_component(predicted_nm: FloatArray, centred_nm: FloatArray) -> FloatArray:
    """Return the matrix that rescales the models' common level and keeps their differences.

    An average of two predictions is shrunk. That is right for the differences between
    models, since routing picks the best of many noisy values, but not for the common
    level, which is rescaled by the factor of least squared error, at least 1.
    """
    level_n1 = predicted_nm.mean(axis=1, keepdims=True)
    level_nm = np.where(np.isnan(centred_nm), 0.0, level_n1)
    residual_nm = np.where(np.isnan(centred_nm), 0.0, centred_nm - predicted_nm)
    extra = max(float((level_nm * residual_nm).sum() / max((level_nm**2).sum(), 1e-12)), 0.0)
    n_models = predicted_nm.shape[1]
    mixer_mm: FloatArray = np.eye(n_models) + np.full((n_models, n_models), extra / n_models)
    return mixer_mm


def _fit_length(
    eigen: KernelEigen, categories: _CategoryFit, tokens_nm: FloatArray
) -> tuple[Head, FloatArray]:
    process = GaussianProcess.fit(eigen, np.log1p(tokens_nm))
    zero_cm = np.zeros((categories.posterior_nc.shape[1], tokens_nm.shape[1]))
    head = Head(process.mean_m, round_float16(process.weight_bm), zero_cm)
    return head, round_float16(process.loo_am)


def _smearing_factors(length_nm: FloatArray, tokens_nm: FloatArray) -> FloatArray:
    """Return the factors from the exponential of a log length to mean, 10th and 90th percentile.

    The exponential of a mean log is below the mean. The first factor corrects for that: the
    ratio of the sums (Duan's smearing estimate as one ratio).
    """
    smearing_um = np.full((3, tokens_nm.shape[1]), np.nan)
    for m in np.flatnonzero(~np.isnan(tokens_nm).all(axis=0)):
        known_n = ~np.isnan(tokens_nm[:, m])
        exp_length_n, tokens_n = np.exp(length_nm[known_n, m]), tokens_nm[known_n, m]
        smearing = tokens_n.sum() / exp_length_n.sum()
        low, high = np.quantile(tokens_n / exp_length_n, TOKEN_QUANTILES)
        smearing_um[:, m] = smearing, min(low, smearing), max(high, smearing)
    return smearing_um


def _in_distribution_threshold(similarity_nb: Float32Array, inducing_b: IntArray) -> float:
    """Return the mean similarity to the nearest others that 99 % of the anchors exceed."""
    own = (inducing_b, np.arange(len(inducing_b)))
    similarity_nb[own] -= 2
    mean_n = [mean_top_similarity(similarity_nb[rows]) for rows in row_blocks(len(similarity_nb))]
    similarity_nb[own] += 2
    return float(np.quantile(np.concatenate(mean_n), OOD_QUANTILE))


def round_float16(values: FloatArray | Float32Array) -> FloatArray:
    """Round as a bank stores the values, so that fitted and loaded forecasters are equal."""
    rounded: FloatArray = values.astype(np.float16).astype(np.float64)
    return rounded
