"""Fit what several samples of each model are worth, for one selector."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from scope.arms.best_of_n import resampled_probability
from scope.arms.fit import (
    LOG_CONCENTRATION,
    beta_binomial_log_likelihood,
    fit_concentration,
    pair_wins,
)
from scope.arms.fitted_resampling import Z_95, FittedResampling, FittedValue
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
PRIOR_SD_CONCENTRATION = np.array([3.0])
"""Of the log concentration; it keeps the error finite where the data leave it open."""


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
    questions better better by more than a standard error.

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
        If there are no two samples, too few questions, or for no model a question with both
        correct and wrong samples.
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
    _check_questions(models, rows, right_qmo)
    _check_selector(selector, right_qmo, value_qmo)
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


def _check_questions(
    models: Sequence[str], rows: Sequence[IntArray], right_qmo: FloatArray
) -> None:
    """Refuse samples that cannot tell how much those of one question differ."""
    for m, (model, rows_q) in enumerate(zip(models, rows, strict=True)):
        most = int((~np.isnan(right_qmo[:, m])).sum(axis=1).max(initial=0))
        if most < 2:
            raise ConfigError(
                f"model {model!r}: questions have at most {most} sample with a prediction, a grade "
                "and a score; what several are worth needs at least 2, better 10, of one question"
            )
        if len(rows_q) < MIN_QUESTIONS:
            raise ConfigError(
                f"model {model!r}: {len(rows_q)} questions have two graded samples or more; at "
                f"least {MIN_QUESTIONS} are needed"
            )


def _check_selector(selector: str, right_qmo: FloatArray, value_qmo: FloatArray) -> None:
    """Refuse samples among which the selector never has a choice."""
    known_qmo = ~np.isnan(right_qmo)
    n_right_qm = np.nansum(right_qmo, axis=2)
    if not ((n_right_qm > 0) & (n_right_qm < known_qmo.sum(axis=2))).any():
        raise ConfigError(
            f"selector {selector!r}: no question has both correct and wrong samples, so that no "
            "choice among them can be fitted; draw them at a temperature above 0"
        )
    if np.isnan(value_qmo[known_qmo]).all():
        raise ConfigError(f"selector {selector!r}: no sample has a final answer to count")


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
            None if is_majority else self._auc(),
            odds,
            exponent,
            other if is_majority else None,
            is_pooled,
            error,
            error_at,
        )

    def _auc(self) -> FittedValue:
        """Return the discrimination within questions."""
        wins_q, pairs_q = pair_wins(self.right_qo, self.value_qo)
        if not pairs_q.any():
            return FittedValue(np.nan, np.nan, np.nan)
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
    limits = np.exp(LOG_CONCENTRATION)
    return [
        FittedValue(*np.clip(FittedValue.from_log(*pair), *limits).tolist())
        for pair in zip(*shrink(logs_m, sds_m), strict=True)
    ]


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
    # A model that is always or never correct leaves its selector no choice.
    is_separate &= all(one.is_mixed for one in picks)
    is_pooled = len(picks) > 1 and not is_separate
    fitted = [one.fit() for one in ([Picks.joined(picks)] if is_pooled else picks)]
    return (fitted * len(picks) if is_pooled else fitted), is_pooled
