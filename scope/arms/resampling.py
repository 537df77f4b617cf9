"""Fit what several samples of each model are worth, for one selector."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np

from scope.arms.best_of_n import resampled_probability
from scope.arms.fit import (
    beta_binomial_log_likelihood,
    fit_concentration,
    pair_wins,
)
from scope.arms.likelihood import covariance, shrink
from scope.arms.picks import SIZES, Picks, cells_of
from scope.arrays import FloatArray, IntArray
from scope.errors import ConfigError
from scope.pool import Resampling

MIN_QUESTIONS = 50
"""Fewest questions with two graded samples or more."""

MIN_P = 1e-3
"""Predictions are clipped to this and its complement: no outcome is impossible."""

N_FOLDS = 5
Z_95 = 1.96
"""Half of a 95 % interval, in standard deviations."""

PRIOR_SD_CONCENTRATION = np.array([3.0])
"""Of the log concentration; it keeps the error finite where the data leave it open."""


class FittedValue(NamedTuple):
    """A fitted number and the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"

    @classmethod
    def from_log(cls, log_value: float, sd: float) -> "FittedValue":
        """Return the exponential of an estimate and of its interval."""
        return cls(*np.exp(log_value + Z_95 * sd * np.array([0, -1, 1])).tolist())


@dataclass(frozen=True, slots=True)
class FittedResampling:
    """What was fitted to the samples of one model.

    Attributes
    ----------
    model : str
    resampling : Resampling
        With the values below.
    n_questions : int
        Questions with a prediction and two graded samples or more.
    n_samples : int
        Most graded samples of a question.
    concentration : FittedValue
        ``kappa``, shrunk towards that of all models.
    auc : FittedValue
        How often the selector scores a correct sample above a wrong one of its question; for a
        majority, how often only the correct one has an answer, plus half of the ties.
    odds, exponent : FittedValue
        As in `Resampling`; the exponent of a majority is 1.
    diversity : FittedValue or None
        Of a majority.
    is_pooled : bool
        Whether odds, exponent and diversity are those of all models together, because these
        predict held-out questions as well as those of each model.
    largest_error : float
        Predicted minus observed probability that the pick is correct, at the number of samples
        where it is largest, on these questions.
    largest_error_at : int
        That number of samples.
    """

    model: str
    resampling: Resampling
    n_questions: int
    n_samples: int
    concentration: FittedValue
    auc: FittedValue
    odds: FittedValue
    exponent: FittedValue
    diversity: FittedValue | None
    is_pooled: bool
    largest_error: float
    largest_error_at: int

    HEADERS: ClassVar[tuple[str, ...]] = (
        "model",
        "kappa",
        "questions",
        "samples",
        "AUC",
        "odds",
        "exponent",
        "diversity",
        "largest error",
    )

    def cells(self) -> tuple[str, ...]:
        """Return a row of a table under `HEADERS`."""
        shared = " (all models)" if self.is_pooled else ""
        return (
            self.model,
            f"{self.concentration}",
            f"{self.n_questions:,}",
            f"{self.n_samples}",
            f"{self.auc}",
            f"{self.odds}{shared}",
            "-" if self.diversity else f"{self.exponent}{shared}",
            f"{self.diversity}{shared}" if self.diversity else "-",
            f"{100 * self.largest_error:+.1f} points at n = {self.largest_error_at}",
        )

    def to_json(self) -> dict[str, object]:
        """Return plain values, intervals as lists of value, low and high."""
        facts: dict[str, object] = {
            name: list(value) if isinstance(value, FittedValue) else value
            for name, value in ((field.name, getattr(self, field.name)) for field in fields(self))
        }
        return facts | {"resampling": self.resampling.model_dump(mode="json")}


def fit_resampling(
    models: Sequence[str],
    p_correct_qm: FloatArray,
    correct_qmo: FloatArray,
    selector: str,
    *,
    score_qmo: FloatArray | None = None,
    answer_qmo: IntArray | None = None,
) -> tuple[FittedResampling, ...]:
    """Fit concentration, odds and exponent or diversity of every model.

    The concentration of a model is the Beta-Binomial maximum, shrunk towards the mean of all
    models on the log scale (empirical Bayes). The selector is fitted to its picks among random
    subsets of the samples, for all models together, or for each where that predicts held-out
    questions better by more than a standard error.

    Parameters
    ----------
    models : sequence of str
    p_correct_qm : ndarray of shape (n_questions, n_models)
        Probability that one sample is correct, from a prediction that has not seen these
        samples. A question with NaN is left out.
    correct_qmo : ndarray of shape (n_questions, n_models, n_samples)
        Grades, above .5 is correct; NaN where there is no graded sample.
    selector : str
        Its name, for `Resampling`.
    score_qmo : ndarray of shape (n_questions, n_models, n_samples), or None
        Scores of a reward model, the highest is picked; a sample with NaN is left out.
    answer_qmo : ndarray of int of that shape, or None
        For a majority: a number for each different answer to a question, -1 for none, which has
        no vote. Exactly one of scores and answers is given.

    Raises
    ------
    ConfigError
        If there are no two samples, too few questions, or no question with both correct and
        wrong samples.
    """
    if (score_qmo is None) == (answer_qmo is None):
        raise ValueError("expected either score_qmo or answer_qmo")
    known_qmo = ~np.isnan(correct_qmo) & ~np.isnan(p_correct_qm)[:, :, None]
    if score_qmo is not None:
        value_qmo = score_qmo
        known_qmo &= ~np.isnan(score_qmo)
    else:
        assert answer_qmo is not None
        value_qmo = np.where(answer_qmo < 0, np.nan, answer_qmo.astype(np.float64))
    right_qmo = np.where(known_qmo, correct_qmo > 0.5, np.nan)
    rows = [np.flatnonzero(known_qmo[:, m].sum(axis=1) >= 2) for m in range(len(models))]
    for model, rows_q, right_qo in zip(models, rows, right_qmo.swapaxes(0, 1), strict=True):
        _check(model, right_qo, rows_q)
    found = [
        _OneModel(
            model,
            p_correct_qm[rows_q, m].clip(MIN_P, 1 - MIN_P),
            right_qmo[rows_q, m],
            value_qmo[rows_q, m],
            Picks.draw(right_qmo[rows_q, m], value_qmo[rows_q, m], answer_qmo is not None),
        )
        for m, (model, rows_q) in enumerate(zip(models, rows, strict=True))
    ]
    picks, is_pooled = _fit_picks([one.picks for one in found])
    concentrations = _fit_concentrations(found)
    return tuple(
        one.result(selector, concentration, *fitted, is_pooled)
        for one, concentration, fitted in zip(found, concentrations, picks, strict=True)
    )


def _check(model: str, right_qo: FloatArray, rows_q: IntArray) -> None:
    """Refuse samples that cannot tell what more of them are worth."""
    most = int((~np.isnan(right_qo)).sum(axis=1).max(initial=0))
    if most < 2:
        raise ConfigError(
            f"model {model!r}: questions have at most {most} graded sample; what several samples "
            "are worth needs at least 2, better 10, of one question"
        )
    if len(rows_q) < MIN_QUESTIONS:
        raise ConfigError(
            f"model {model!r}: {len(rows_q)} questions have two graded samples or more; at least "
            f"{MIN_QUESTIONS} are needed"
        )
    share_q = np.nanmean(right_qo[rows_q], axis=1)
    if not ((share_q > 0) & (share_q < 1)).any():
        raise ConfigError(
            f"model {model!r}: no question has both correct and wrong samples, so that no choice "
            "among them can be fitted; draw them at a temperature above 0"
        )


@dataclass(frozen=True, slots=True)
class _OneModel:
    """The samples of one model on the questions that are fitted."""

    model: str
    p_correct_q: FloatArray
    right_qo: FloatArray
    value_qo: FloatArray
    picks: Picks

    def result(
        self,
        selector: str,
        concentration: FittedValue,
        best_x: FloatArray,
        sd_x: FloatArray,
        is_pooled: bool,
    ) -> FittedResampling:
        """Return what was fitted, and how well it fits."""
        odds, other = (FittedValue.from_log(*pair) for pair in zip(best_x, sd_x, strict=True))
        is_majority = self.picks.is_majority
        exponent = FittedValue(1.0, 1.0, 1.0) if is_majority else other
        resampling = Resampling(
            concentration=concentration.value,
            odds=odds.value,
            exponent=exponent.value,
            diversity=other.value if is_majority else None,
            selector=selector,
            source="fitted",
        )
        error, error_at = self._largest_error(resampling)
        return FittedResampling(
            self.model,
            resampling,
            len(self.right_qo),
            int((~np.isnan(self.right_qo)).sum(axis=1).max()),
            concentration,
            self._auc(),
            odds,
            exponent,
            other if is_majority else None,
            is_pooled,
            error,
            error_at,
        )

    def _auc(self) -> FittedValue:
        """Return the discrimination within questions."""
        has_answer_qo = (~np.isnan(self.value_qo)).astype(np.float64)
        score_qo = has_answer_qo if self.picks.is_majority else self.value_qo
        wins_q, pairs_q = pair_wins(self.right_qo, score_qo)
        auc = float(wins_q.sum() / pairs_q.sum())
        sd = float(np.sqrt(np.square(wins_q - auc * pairs_q).sum()) / pairs_q.sum())
        return FittedValue(auc, max(auc - Z_95 * sd, 0.0), min(auc + Z_95 * sd, 1.0))

    def _largest_error(self, resampling: Resampling) -> tuple[float, int]:
        """Return the largest gap of prediction and picks, and its number of samples."""
        gaps = []
        for n in SIZES:
            known_q = self.picks.drawn_qn[:, cells_of(n)].any(axis=1)
            if not known_q.any():
                continue
            predicted_q = resampled_probability(self.p_correct_q[known_q], n, resampling)
            observed_q = self.picks.right_qn[known_q, cells_of(n)].sum(axis=1)
            gaps.append((float(predicted_q.mean() - observed_q.mean()), n))
        return max(gaps, key=lambda gap: abs(gap[0]))


def _fit_concentrations(found: Sequence[_OneModel]) -> list[FittedValue]:
    """Return every concentration, shrunk on the log scale."""
    logs_m, sds_m = np.empty((2, len(found)))
    for m, one in enumerate(found):
        logs_m[m] = np.log(fit_concentration(one.p_correct_q, one.right_qo))
        spread_xx = covariance(
            partial(_concentration_likelihood, one), logs_m[m : m + 1], PRIOR_SD_CONCENTRATION
        )
        sds_m[m] = np.sqrt(spread_xx[0, 0])
    return [FittedValue.from_log(*pair) for pair in zip(*shrink(logs_m, sds_m), strict=True)]


def _concentration_likelihood(one: _OneModel, log_x: FloatArray) -> FloatArray:
    return beta_binomial_log_likelihood(float(log_x[0]), one.p_correct_q, one.right_qo)


def _fit_picks(
    picks: Sequence[Picks],
) -> tuple[list[tuple[FloatArray, FloatArray]], bool]:
    """Return log parameters and their errors of every model, and whether they are pooled."""
    rng = np.random.default_rng(0)
    folds = [rng.permutation(len(one.drawn_qn)) % N_FOLDS for one in picks]
    gains = []
    for fold in range(N_FOLDS if len(picks) > 1 else 0):
        rest = [one.select(fold_q != fold) for one, fold_q in zip(picks, folds, strict=True)]
        pooled_x = Picks.joined(rest).most_likely()
        for one, fold_q, own in zip(picks, folds, rest, strict=True):
            held_out = one.select(fold_q == fold)
            gains.append(
                held_out.log_likelihood(own.most_likely()) - held_out.log_likelihood(pooled_x)
            )
    gain_n = np.concatenate([np.zeros(1), *gains])
    is_separate = gain_n.sum() > np.sqrt(np.square(gain_n).sum())
    is_pooled = len(picks) > 1 and not is_separate
    fitted = [one.fit() for one in ([Picks.joined(picks)] if is_pooled else picks)]
    return (fitted * len(picks) if is_pooled else fitted), is_pooled
