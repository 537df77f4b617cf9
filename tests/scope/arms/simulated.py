"""Samples drawn from the model that `fit_resampling` fits, with known parameters."""

import numpy as np


def graded(rng, kappa, n_questions, n_samples):
    """p of one sample, and Beta-Binomial grades."""
    p_q = rng.uniform(0.1, 0.9, n_questions)
    theta_q = rng.beta(kappa * p_q, kappa * (1 - p_q))
    return p_q, (rng.random((n_questions, n_samples)) < theta_q[:, None]).astype(float)


def scored(rng, correct_qo, odds):
    """Scores of a selector that Plackett-Luce describes."""
    return np.log(odds) * correct_qo + rng.gumbel(size=correct_qo.shape)


def answers(rng, correct_qo, diversity):
    """Correct samples answer 0; a wrong one gives a new answer or repeats a wrong one (Ewens)."""
    answer_qo = np.zeros(correct_qo.shape, dtype=np.int64)
    for answer_o, correct_o in zip(answer_qo, correct_qo, strict=True):
        earlier = []
        for o in np.flatnonzero(correct_o == 0):
            is_new = rng.random() < diversity / (diversity + len(earlier))
            answer_o[o] = max(earlier, default=0) + 1 if is_new else rng.choice(earlier)
            earlier.append(answer_o[o])
    return answer_qo
