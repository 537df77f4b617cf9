"""Best of n samples: what a selector's pick is worth on drawn samples, against its prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from scope.arms import pass_at_n, resampled_probability
from scope.arrays import AnyArray, BoolArray, FloatArray, IntArray
from scope.evaluation.bootstrap import Interval
from scope.evaluation.weighted import safe_ratio
from scope.pool import Resampling
from scope.samples import best_of_n_scores

MAX_SUBSETS = 500
"""Subsets of the samples over which a majority vote is averaged; fewer are enumerated."""


@dataclass(frozen=True, slots=True)
class BestOfNRow:
    """Predicted and observed probability that the best of n samples is right.

    Attributes
    ----------
    n_samples : int
    n_questions : int
        Questions with at least as many samples.
    predicted, observed, difference : Interval
        Means over the questions; the difference is predicted minus observed.
    predicted_pass, observed_pass : Interval
        The same for a perfect selector, pass@n: it tests the concentration alone.
    """

    n_samples: int
    n_questions: int
    predicted: Interval
    observed: Interval
    difference: Interval
    predicted_pass: Interval
    observed_pass: Interval


def observed_majority(
    quality_qo: FloatArray, answers_qo: Sequence[Sequence[str]], n_samples: int, seed: int = 0
) -> FloatArray:
    """Return the expected quality of the most frequent answer among n of the drawn samples.

    Of equally frequent answers each is as likely; an empty answer has no vote. All subsets are
    enumerated, or `MAX_SUBSETS` drawn where there are more.

    Parameters
    ----------
    quality_qo : ndarray of shape (n_questions, n_samples)
        NaN where a sample was not drawn.
    answers_qo : sequence of sequence of str
        The final answer of each sample.
    n_samples : int
    seed : int

    Returns
    -------
    ndarray of shape (n_questions,)
        NaN for a question with fewer samples.
    """
    rng = np.random.default_rng(seed)
    picked_q = np.full(len(quality_qo), np.nan)
    for q, (quality_o, answers) in enumerate(zip(quality_qo, answers_qo, strict=True)):
        known = np.flatnonzero(~np.isnan(quality_o))
        if len(known) >= n_samples:
            subset_no = known[_subsets(len(known), n_samples, rng)]
            picked_q[q] = _majority(quality_o[subset_no], np.array(answers)[subset_no])
    return picked_q


def observed_pass(quality_qo: FloatArray, n_samples: int) -> FloatArray:
    """Return pass@n without bias: the share of subsets of n with at least one right sample."""
    return best_of_n_scores(quality_qo, quality_qo, n_samples)


def compare_best_of_n(
    p_correct_q: FloatArray,
    resampling: Resampling,
    quality_qo: FloatArray,
    picked: Mapping[int, FloatArray],
    weight_rq: FloatArray,
) -> tuple[BestOfNRow, ...]:
    """Compare the prediction for each n with what was observed.

    Parameters
    ----------
    p_correct_q : ndarray of shape (n_questions,)
        Predicted probability that one sample is right; NaN is left out.
    resampling : Resampling
        What was fitted, to other questions.
    quality_qo : ndarray of shape (n_questions, n_samples)
        Grades of the samples.
    picked : mapping of int to ndarray of shape (n_questions,)
        n -> expected quality of the selector's pick among n.
    weight_rq : ndarray of shape (n_resamples, n_questions)
        As returned by `scope.evaluation.bootstrap.bootstrap_weights`.
    """
    rows = []
    for n_samples, picked_q in picked.items():
        values = (
            resampled_probability(p_correct_q, n_samples, resampling),
            picked_q,
            pass_at_n(p_correct_q, n_samples, resampling.concentration),
            observed_pass(quality_qo, n_samples),
        )
        known_q = ~np.isnan(np.sum(values, axis=0))
        means_r = [_mean(value_q, known_q, weight_rq) for value_q in values]
        predicted, observed, predicted_pass, observed_passes = map(
            Interval.from_replicates, means_r
        )
        rows.append(
            BestOfNRow(
                n_samples,
                int(known_q.sum()),
                predicted,
                observed,
                Interval.from_replicates(means_r[0] - means_r[1]),
                predicted_pass,
                observed_passes,
            )
        )
    return tuple(rows)


def _mean(value_q: FloatArray, known_q: BoolArray, weight_rq: FloatArray) -> FloatArray:
    """Return the weighted mean over some questions, by resample."""
    total_r = weight_rq @ np.where(known_q, value_q, 0.0)
    return safe_ratio(total_r, weight_rq @ known_q.astype(np.float64))


def _subsets(n_drawn: int, n_samples: int, rng: np.random.Generator) -> IntArray:
    """Return indices of subsets of the drawn samples, (n_subsets, n_samples)."""
    if comb(n_drawn, n_samples) <= MAX_SUBSETS:
        return np.array(list(combinations(range(n_drawn), n_samples)))
    return rng.random((MAX_SUBSETS, n_drawn)).argsort(axis=1)[:, :n_samples]


def _majority(quality_no: FloatArray, answers_no: AnyArray) -> float:
    """Return the mean quality of the most frequent answers; of all without any answer."""
    votes_no = (answers_no[:, :, None] == answers_no[:, None, :]).sum(axis=2)
    votes_no[answers_no == ""] = 0
    # Equally frequent answers have as many samples each, and so the same weight.
    winner_no = votes_no == votes_no.max(axis=1, keepdims=True)
    picked_n = (quality_no * winner_no).sum(axis=1) / winner_no.sum(axis=1)
    return float(picked_n.mean())
