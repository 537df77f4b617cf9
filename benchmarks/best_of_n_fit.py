"""Samples of each prompt with what half of the prompts tells about all: p, fits, selectors.

The half is drawn by a hash of the ids. The probability of one sample is a logistic regression on
embedding and text features, out of fold for the fits that build on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from benchmarks.leaderboard import SEED
from pipelines.bank.fit_samples import JUDGE, MAJORITY, answer_codes
from scope.arms import FittedResampling, fit_resampling, resampled_probability
from scope.arrays import BoolArray, FloatArray, IntArray
from scope.baselines.inputs import TrainingSet
from scope.baselines.logistic import LogisticBaseline
from scope.embedding.encoder import Encoder
from scope.embedding.text_features import text_features
from scope.evaluation.best_of_n import observed_majority
from scope.pool import Resampling
from scope.questions import final_answer
from scope.samples import Samples, best_of_n_scores, check_judge
from scope.sampling import hash_sample

N_SAMPLES = (1, 2, 3, 5, 10)
N_FOLDS = 5
MIN_P = 0.01


@dataclass(frozen=True, slots=True)
class SelectorRun:
    """One selector on all prompts: its pick for each n and model, and its fit to the fit half."""

    name: str
    picked: dict[int, FloatArray]
    """n -> expected grade of the pick, (n_prompts, n_models)."""
    fits: tuple[FittedResampling, ...]


@dataclass(frozen=True, slots=True)
class FittedSamples:
    """Samples with what half of the prompts, `fit_q`, tells about all.

    Attributes
    ----------
    samples : Samples
    fit_q : ndarray of bool, shape (n_prompts,)
    design_qf : ndarray of shape (n_prompts, n_inputs)
    p_qm : ndarray of shape (n_prompts, n_models)
        Probability that one sample is right.
    """

    samples: Samples
    fit_q: BoolArray
    design_qf: FloatArray
    p_qm: FloatArray

    @property
    def share_qm(self) -> FloatArray:
        """Share of right samples; NaN without a graded one."""
        return share_right(self.grades_qmo)

    @property
    def grades_qmo(self) -> FloatArray:
        """The judge's scores of the samples."""
        return self.samples.scores[JUDGE]

    @classmethod
    def from_samples(cls, samples: Samples) -> "FittedSamples":
        """Fit on a half of the prompts, drawn by a hash of their ids."""
        fit_q = np.zeros(len(samples.ids), dtype=np.bool_)
        fit_q[hash_sample(samples.ids, len(samples.ids) // 2)] = True
        grades_qmo, design_qf = samples.scores[JUDGE], design(samples, fit_q)
        p_qm = one_sample_probability(share_right(grades_qmo), design_qf, fit_q)
        return cls(samples, fit_q, design_qf, p_qm)

    def chance_qm(self, selector: SelectorRun, n_samples: int) -> FloatArray:
        """Return the predicted P(model@n) of every model."""
        columns = [
            resampled_probability(self.p_qm[:, m], n_samples, fit.resampling)
            for m, fit in enumerate(selector.fits)
        ]
        return np.column_stack(columns)

    def fit(
        self, name: str, *, score_qmo: FloatArray | None = None, answer_qmo: IntArray | None = None
    ) -> tuple[FittedResampling, ...]:
        """Return what samples are worth with a selector, from the fit half."""
        rows_q = self.fit_q
        return fit_resampling(
            self.samples.models,
            self.p_qm[rows_q],
            self.grades_qmo[rows_q],
            name,
            score_qmo=None if score_qmo is None else score_qmo[rows_q],
            answer_qmo=None if answer_qmo is None else answer_qmo[rows_q],
        )


def one_sample_probability(
    share_qm: FloatArray, design_qf: FloatArray, fit_q: BoolArray
) -> FloatArray:
    """Predict the share right: the fit half out of fold, the other from all of it."""
    p_qm = np.empty_like(share_qm)
    p_qm[~fit_q] = logistic(design_qf[fit_q], share_qm[fit_q]).predict(design_qf[~fit_q])
    rows = np.flatnonzero(fit_q)
    fold_n = np.random.default_rng(SEED).permutation(len(rows)) % N_FOLDS
    for fold in range(N_FOLDS):
        rest, held_out = rows[fold_n != fold], rows[fold_n == fold]
        p_qm[held_out] = logistic(design_qf[rest], share_qm[rest]).predict(design_qf[held_out])
    return p_qm.clip(MIN_P, 1 - MIN_P)


def share_right(grades_qmo: FloatArray) -> FloatArray:
    """Return the mean grade of the samples; NaN without a graded one."""
    known_qm = (~np.isnan(grades_qmo)).sum(axis=2)
    share_qm = np.full(known_qm.shape, np.nan)
    np.divide(np.nansum(grades_qmo, axis=2), known_qm, out=share_qm, where=known_qm > 0)
    return share_qm


def design(samples: Samples, fit_q: BoolArray) -> FloatArray:
    """Return embeddings and log text features, standardised over the fit half."""
    raw_qf = np.hstack(
        [Encoder().encode(samples.prompts), np.log1p(text_features(samples.prompts))]
    )
    spread_f = raw_qf[fit_q].std(axis=0)
    scaled_qf: FloatArray = (raw_qf - raw_qf[fit_q].mean(axis=0)) / np.where(
        spread_f > 0, spread_f, 1.0
    )
    return scaled_qf


def logistic(design_qf: FloatArray, label_qm: FloatArray) -> LogisticBaseline:
    """Return a logistic regression; a fifth of the prompts chooses its penalty."""
    validation_q = np.random.default_rng(SEED).random(len(design_qf)) < 0.2
    return LogisticBaseline(TrainingSet(design_qf, label_qm), validation_q)


def selectors(fitted: FittedSamples) -> Iterator[SelectorRun]:
    """Yield every reward scorer and, with texts, the majority; none is the judge."""
    samples, grades_qmo = fitted.samples, fitted.grades_qmo
    for name, score_qmo in samples.scores.items():
        if name == JUDGE:
            continue
        check_judge(JUDGE, name)
        picked = {n: best_of_n_scores(grades_qmo, score_qmo, n) for n in N_SAMPLES}
        yield SelectorRun(name, picked, fitted.fit(name, score_qmo=score_qmo))
    if samples.responses_qm is not None:
        fits = fitted.fit(MAJORITY, answer_qmo=answer_codes(samples))
        yield SelectorRun(MAJORITY, majority_picks(samples), fits)


def majority_picks(samples: Samples) -> dict[int, FloatArray]:
    """Return the expected grade of the majority among n samples, by n of `N_SAMPLES`."""
    assert samples.responses_qm is not None
    columns = []
    for m in range(len(samples.models)):
        answers = [
            [final_answer(reply, prompt) for reply in row[m]]
            for prompt, row in zip(samples.prompts, samples.responses_qm, strict=True)
        ]
        grades_qo = samples.scores[JUDGE][:, m]
        columns.append([observed_majority(grades_qo, answers, n, SEED) for n in N_SAMPLES])
    by_n = zip(N_SAMPLES, zip(*columns, strict=True), strict=True)
    return {n: np.column_stack(picked) for n, picked in by_n}


def odds_alone(fitted: FittedSamples, selector: SelectorRun, m: int) -> Resampling:
    """Return the odds at which Plackett-Luce has the means of the picks on the fit half."""
    fit_q, found = fitted.fit_q, selector.fits[m].resampling

    def alone(log_odds: float) -> Resampling:
        changed = {"odds": float(np.exp(log_odds)), "exponent": 1.0, "diversity": None}
        return found.model_copy(update=changed)

    def loss(log_odds: float) -> float:
        gaps = [
            resampled_probability(fitted.p_qm[fit_q, m], n, alone(log_odds)).mean()
            - np.nanmean(picked_qm[fit_q, m])
            for n, picked_qm in selector.picked.items()
            if n > 1
        ]
        return float(np.nansum(np.square(gaps)))

    return alone(minimize_scalar(loss, bounds=(-4, 7), method="bounded").x)
