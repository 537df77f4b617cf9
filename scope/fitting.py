"""Learn a forecaster from a bank's own outcomes; no anchor votes for itself."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from scope.arrays import Bools, Floats, Ints, Singles
from scope.bank import Bank
from scope.errors import BankError
from scope.forecaster import LEAST_P, Forecaster, Head, nearness
from scope.foretold import SPREAD
from scope.gaussian_process import GaussianProcess, Spectrum
from scope.kernel import Kernel, traits
from scope.questions import hashed_sample
from scope.traits import Categories, Form, inputs, labels

MIN_ANCHORS = 20
"""With fewer there is nothing to learn."""

MAX_LEARNED = 8_000
"""Anchors learned from at most: the cost of the process grows with their third power."""

N_FOLDS = 5
"""Parts of the anchors; what is said of one was learned on the others."""

CATEGORY_PSEUDO_ANCHORS = 20.0
"""Pull of a model's mean in a category toward its mean in all, in anchors."""

CATEGORY_SHARE = 0.4
"""Say of the category's means beside the process: who beats whom depends on the subject more than
on anything else, and the two err differently (docs/quality.md)."""

STRANGE = 0.01
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
    place_n = np.sort(np.array(hashed_sample(bank.ids, MAX_LEARNED), dtype=np.int64))
    embedding_nd, features_nf = bank.embedding_ad[place_n], bank.features_af[place_n]
    form = Form.of(features_nf)
    kinds = _Kinds.of(bank, place_n, inputs(embedding_nd, form.scaled(features_nf)))
    kernel = Kernel(embedding_nd, traits(form.scaled(features_nf), kinds.posterior_nc))
    similarity_nn = kernel.among_anchors()
    familiar = _familiar(similarity_nn)
    spectrum = Spectrum.of(similarity_nn)
    tokens_nm = bank.outcomes.completion_tokens_am[place_n]
    correct, left_out_p_nm = _of_measured(
        partial(_fit_correct, spectrum, kinds), bank.outcomes.correct_am[place_n]
    )
    length, left_out_length_nm = _of_measured(partial(_fit_length, spectrum, kinds), tokens_nm)
    return Forecaster(
        form,
        kinds.guess,
        kernel,
        correct,
        length,
        _factors(left_out_length_nm, tokens_nm),
        familiar,
        place_n,
        kinds.posterior_nc,
        left_out_p_nm,
        left_out_length_nm,
    )


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Categories of the anchors, known and guessed."""

    guess: Categories
    label_n: Ints
    fold_n: Ints
    posterior_nc: Singles

    @classmethod
    def of(cls, bank: Bank, place_n: Ints, input_ni: Singles) -> "_Kinds":
        label_n, n_categories = labels([bank.categories[place] for place in place_n])
        fold_n = np.array([zlib.crc32(bank.ids[place].encode()) % N_FOLDS for place in place_n])
        posterior_nc = np.full((len(place_n), n_categories), 1 / n_categories, dtype=np.float32)
        for others_n, these_n in _folds(fold_n):
            guess = Categories.fit(input_ni[others_n], label_n[others_n], n_categories)
            posterior_nc[these_n] = guess.posterior(input_ni[these_n])
        guess = Categories.fit(input_ni, label_n, n_categories)
        return cls(guess, label_n, fold_n, half(posterior_nc).astype(np.float32))

    def means_cm(self, shift_nm: Floats, among_n: Bools) -> Floats:
        """Return each category's shrunken mean over some anchors."""
        known_nm = ~np.isnan(shift_nm[among_n])
        member_nc = self.label_n[among_n, None] == np.arange(self.posterior_nc.shape[1])
        total_cm = member_nc.T.astype(float) @ np.where(known_nm, shift_nm[among_n], 0.0)
        n_cm = member_nc.T.astype(float) @ known_nm
        means_cm: Floats = total_cm / (n_cm + CATEGORY_PSEUDO_ANCHORS)
        return means_cm

    def left_out(self, shift_nm: Floats) -> Floats:
        """Return what the means of the other folds say of each anchor."""
        said_nm = np.zeros_like(shift_nm)
        for others_n, these_n in _folds(self.fold_n):
            said_nm[these_n] = self.posterior_nc[these_n] @ self.means_cm(shift_nm, others_n)
        return said_nm


def _folds(fold_n: Ints) -> Iterator[tuple[Bools, Bools]]:
    for fold in np.unique(fold_n):
        if (others_n := fold_n != fold).any():
            yield others_n, ~others_n


def _of_measured(
    fit: Callable[[Floats], tuple[Head, Floats]], outcome_nm: Floats
) -> tuple[Head, Floats]:
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


def _fit_correct(spectrum: Spectrum, kinds: _Kinds, correct_nm: Floats) -> tuple[Head, Floats]:
    """Blend process and categories; stretch the level that all models share back."""
    process = GaussianProcess.fit(spectrum, correct_nm)
    shift_nm = correct_nm - process.mean_m
    said_nm = (1 - CATEGORY_SHARE) * (process.left_out_am - process.mean_m)
    said_nm += CATEGORY_SHARE * kinds.left_out(shift_nm)
    everyone_n = np.ones(len(shift_nm), dtype=np.bool_)
    mixer_mm = _stretch(said_nm, shift_nm)
    head = Head(
        process.mean_m,
        half((1 - CATEGORY_SHARE) * process.weight_am @ mixer_mm),
        CATEGORY_SHARE * kinds.means_cm(shift_nm, everyone_n) @ mixer_mm,
    )
    return head, half((process.mean_m + said_nm @ mixer_mm).clip(LEAST_P, 1 - LEAST_P))


def _stretch(said_nm: Floats, shift_nm: Floats) -> Floats:
    """Return the matrix that stretches the models' common level and keeps their differences.

    Averaging two forecasts shrinks both. The differences between models want that, for
    the best of many noisy ones is chosen; the level does not, and gets back the factor
    of least squared error.
    """
    level_n1 = said_nm.mean(axis=1, keepdims=True)
    level_nm = np.where(np.isnan(shift_nm), 0.0, level_n1)
    missed_nm = np.where(np.isnan(shift_nm), 0.0, shift_nm - said_nm)
    more = max(float((level_nm * missed_nm).sum() / max((level_nm**2).sum(), 1e-12)), 0.0)
    n_models = said_nm.shape[1]
    mixer_mm: Floats = np.eye(n_models) + np.full((n_models, n_models), more / n_models)
    return mixer_mm


def _fit_length(spectrum: Spectrum, kinds: _Kinds, tokens_nm: Floats) -> tuple[Head, Floats]:
    process = GaussianProcess.fit(spectrum, np.log1p(tokens_nm))
    nothing_cm = np.zeros((kinds.posterior_nc.shape[1], tokens_nm.shape[1]))
    head = Head(process.mean_m, half(process.weight_am), nothing_cm)
    return head, half(process.left_out_am)


def _factors(length_nm: Floats, tokens_nm: Floats) -> Floats:
    """Return what turns the exponential of a log length into tokens and their spread.

    The exponential of a mean of logarithms is below the mean; its ratio to the mean of
    all tokens is made good (Duan's smearing, as one ratio).
    """
    factor_sm = np.full((3, tokens_nm.shape[1]), np.nan)
    for m in np.flatnonzero(~np.isnan(tokens_nm).all(axis=0)):
        known_n = ~np.isnan(tokens_nm[:, m])
        bare_n, tokens_n = np.exp(length_nm[known_n, m]), tokens_nm[known_n, m]
        smear = tokens_n.sum() / bare_n.sum()
        low, high = np.quantile(tokens_n / bare_n, SPREAD)
        factor_sm[:, m] = smear, min(low, smear), max(high, smear)
    return factor_sm


def _familiar(similarity_nn: Singles) -> float:
    others_nn = similarity_nn - 2 * np.eye(len(similarity_nn), dtype=np.float32)
    return float(np.quantile(nearness(others_nn), STRANGE))


def half(values: Floats | Singles) -> Floats:
    """Round as a bank stores them, so that what is fitted is what will be read."""
    rounded: Floats = values.astype(np.float16).astype(np.float64)
    return rounded
