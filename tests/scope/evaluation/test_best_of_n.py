import numpy as np
import pytest

from scope.evaluation.best_of_n import (
    compare_best_of_n,
    observed_majority,
    observed_pass,
)
from scope.evaluation.bootstrap import bootstrap_weights
from scope.pool import Resampling
from scope.samples import best_of_n_scores

NAN = np.nan


def simulated(n_questions, kappa, odds, n_samples=20, seed=0):
    """p, grades and scores of questions with Beta-Binomial grades and Plackett-Luce scores."""
    rng = np.random.default_rng(seed)
    p_q = rng.uniform(0.1, 0.9, n_questions)
    theta_q = rng.beta(kappa * p_q, kappa * (1 - p_q))
    correct_qo = (rng.random((n_questions, n_samples)) < theta_q[:, None]).astype(float)
    return p_q, correct_qo, np.log(odds) * correct_qo + rng.gumbel(size=correct_qo.shape)


def resampling(kappa):
    return Resampling(concentration=kappa, odds=3.0, selector="armo", source="fitted")


def test_pass_counts_subsets_with_a_right_sample():
    """
    One right of four: two samples contain it in 3 of 6 pairs.
    """
    assert observed_pass(np.array([[0.0, 1.0, 0.0, 0.0]]), 2) == pytest.approx([0.5])


@pytest.mark.parametrize(
    ("answers", "quality", "n", "expected"),
    [
        pytest.param(["7", "7", "5"], [1, 1, 0], 3, 1, id="two of three"),
        pytest.param(["7", "7", "5"], [1, 1, 0], 2, 2 / 3, id="a tie is drawn"),
        pytest.param(["7", "", ""], [1, 0, 0], 3, 1, id="no answer has no vote"),
        pytest.param(["", "", ""], [1, 1, 0], 3, 2 / 3, id="no vote: a random sample"),
    ],
)
def test_majority(answers, quality, n, expected):
    """
    Averaged over all subsets of n.
    """
    got = observed_majority(np.array([quality], float), [answers], n)

    assert got == pytest.approx([expected])


def test_majority_needs_n_samples():
    """
    A sample that was not drawn has no vote.
    """
    got = observed_majority(np.array([[1.0, NAN]]), [["7", "7"]], 2)

    assert np.isnan(got).all()


def test_the_true_parameters_predict_what_is_observed():
    """
    2,000 simulated questions, kappa 2 and odds 3 (AUC .75): every difference has an interval
    that includes 0, and independent samples are predicted far too well.
    """
    p_q, correct_qo, score_qo = simulated(2_000, 2.0, 3.0)
    weight_rq = bootstrap_weights(2_000, 0)
    picked = {n: best_of_n_scores(correct_qo, score_qo, n) for n in (1, 3, 5)}

    right = compare_best_of_n(p_q, resampling(2.0), correct_qo, picked, weight_rq)
    independent = compare_best_of_n(p_q, resampling(1e6), correct_qo, picked, weight_rq)

    for row in right:
        assert row.n_questions == 2_000
        assert row.difference.low <= 0 <= row.difference.high
        assert row.predicted_pass.value == pytest.approx(row.observed_pass.value, abs=0.02)
    assert right[2].observed.value > right[0].observed.value + 0.05
    assert independent[2].difference.low > 0.02


def test_questions_without_enough_samples_are_left_out():
    """
    One of two questions has three samples.
    """
    correct_qo = np.array([[1.0, 0.0, 1.0], [1.0, 0.0, NAN]])
    picked = {3: best_of_n_scores(correct_qo, correct_qo, 3)}

    (row,) = compare_best_of_n(
        np.array([0.5, 0.5]), resampling(2.0), correct_qo, picked, bootstrap_weights(2, 0)
    )

    assert row.n_questions == 1
    assert row.observed.value == 1
