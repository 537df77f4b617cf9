"""Rewards of GRPO: how good a group of replies to one prompt is.

The probability that a policy gives to *yes* is what a router uses, so the reward must be a proper
score of it: best where the probability is right. Rewarding each right answer (``hard``, as in the
published work) is not: the best policy then says yes whenever the probability exceeds one half.

One reply says only yes or no; its probability shows in the group. With ``a_i`` = 1 where reply i of
G says yes, ``s`` their sum and ``y`` the outcome, the reward

    r_i = 2 G / (G - 1) * (a_i - s / G) * (y - (s - 1) / (G - 2))

has, by the policy-gradient identity, the expected gradient ``2 (y - p) dp`` of the Brier score
``-(p - y)^2``, without bias for any G >= 3. It sums to 0 over the group, so that GRPO's subtraction
of the group's mean changes nothing; a division by the group's standard deviation would. The
obvious ``2 a_i (y - mean of the others)`` loses this property when GRPO subtracts the mean: its
best p is ``y (G - 1) / (G - 2)``.

The log score needs the probability itself, which is read off the policy's tokens:

    r_i = G / (G - 1) * (a_i - s / G) * (y - p) / (p (1 - p))
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from scope.arrays import FloatArray
from scope.config import StrictModel
from scope.reasoner import ParsedReply

Score = Literal["brier", "log", "hard"]

MIN_GROUP = 3
"""Fewest replies whose frequency of yes has an unbiased Brier score."""

MIN_P = 0.02
"""The log score takes probabilities below as this, and above 1 - this as that: its gradient has
no bound."""

MIN_TOLERANCE_TOKENS, TOLERANCE_SHARE = 100.0, 0.25
"""An estimate of the length within this many tokens, or this share of it, is as good as exact."""


class RewardWeights(StrictModel):
    """Weights of the terms of a reply's reward."""

    correct: float = Field(default=1.0, ge=0)
    """Of the score of the answer yes or no."""
    length: float = Field(default=0.25, ge=0)
    """Of the length reward."""
    form: float = Field(default=0.25, ge=0)
    """Of a reply that can be parsed."""


def length_reward(predicted: float, actual: float) -> float:
    """Return how good a predicted length is, in [0, 1].

    ``clip(2 - |predicted - actual| / tolerance, 0, 1)`` with a tolerance of 100 tokens or a quarter
    of the actual length, whichever is more (SCOPE, Cao et al. 2026).

    Examples
    --------
    >>> length_reward(350, 200), length_reward(500, 200), length_reward(1_150, 1_000)
    (0.5, 0.0, 1.0)
    """
    tolerance = max(MIN_TOLERANCE_TOKENS, TOLERANCE_SHARE * actual)
    return float(np.clip(2 - abs(predicted - actual) / tolerance, 0, 1))


def brier_rewards(is_yes_g: Sequence[bool], outcome: float) -> FloatArray:
    """Return the rewards of a group whose expected gradient is that of the Brier score.

    Parameters
    ----------
    is_yes_g : sequence of bool
        Answers of the group.
    outcome : float
        In [0, 1].

    Returns
    -------
    ndarray
        One reward for each reply; their sum is 0. All are 0 in a group of less than `MIN_GROUP`.

    Examples
    --------
    >>> brier_rewards([True, True, False], 1.0).tolist()
    [0.0, 0.0, 0.0]
    >>> brier_rewards([True, False, False], 1.0).tolist()
    [2.0, -1.0, -1.0]
    """
    n = len(is_yes_g)
    yes_g = np.array(is_yes_g, dtype=np.float64)
    if n < MIN_GROUP:
        return np.zeros(n)
    total = yes_g.sum()
    scale = 2 * n / (n - 1) * (outcome - (total - 1) / (n - 2))
    reward_g: FloatArray = np.round(scale * (yes_g - total / n), 12)
    return reward_g


def log_rewards(is_yes_g: Sequence[bool], p_yes_g: Sequence[float], outcome: float) -> FloatArray:
    """Return the rewards of a group whose expected gradient is that of the log score.

    Parameters
    ----------
    is_yes_g : sequence of bool
    p_yes_g : sequence of float
        Probability of yes that the policy gave in each reply; their mean is taken.
    outcome : float
        In [0, 1].

    Examples
    --------
    >>> log_rewards([True, False], [0.5, 0.5], 1.0).tolist()
    [2.0, -2.0]
    """
    n = len(is_yes_g)
    if n < 2:
        return np.zeros(n)
    p = float(np.clip(np.mean(p_yes_g), MIN_P, 1 - MIN_P))
    yes_g = np.array(is_yes_g, dtype=np.float64)
    reward_g: FloatArray = n / (n - 1) * (outcome - p) / (p * (1 - p)) * (yes_g - yes_g.mean())
    return reward_g


def hard_rewards(is_yes_g: Sequence[bool], outcome: float) -> FloatArray:
    """Return 1 for each right answer and 0 for a wrong one; of a soft outcome, its share.

    Examples
    --------
    >>> hard_rewards([True, False], 1.0).tolist(), hard_rewards([True, False], 0.25).tolist()
    ([1.0, 0.0], [0.25, 0.75])
    """
    yes_g = np.array(is_yes_g, dtype=np.float64)
    reward_g: FloatArray = yes_g * outcome + (1 - yes_g) * (1 - outcome)
    return reward_g


def group_rewards(
    replies: Sequence[ParsedReply],
    p_yes_g: Sequence[float] | None,
    outcome: float,
    tokens: float,
    score: Score,
    weights: RewardWeights,
) -> FloatArray:
    """Return the rewards of a group of replies about one model.

    A reply that cannot be parsed gets 0, and is no part of the group's frequency.

    Parameters
    ----------
    replies : sequence of ParsedReply
        Of one prompt.
    p_yes_g : sequence of float or None
        Probability of yes of each reply; needed by the score ``log``.
    outcome : float
        Whether the model was right, in [0, 1].
    tokens : float
        Length of its answer.
    score : {"brier", "log", "hard"}
    weights : RewardWeights

    Returns
    -------
    ndarray of shape (n_replies,)
    """
    reward_g = np.zeros(len(replies))
    answered = [g for g, reply in enumerate(replies) if reply.correct is not None]
    is_yes = [bool(replies[g].correct) for g in answered]
    if score == "log":
        assert p_yes_g is not None
        scored = log_rewards(is_yes, [p_yes_g[g] for g in answered], outcome)
    elif score == "brier":
        scored = brier_rewards(is_yes, outcome)
    else:
        scored = hard_rewards(is_yes, outcome)
    reward_g[answered] = weights.correct * scored + weights.form
    for g in answered:
        predicted = replies[g].tokens
        if predicted is not None:
            reward_g[g] += weights.length * length_reward(predicted, tokens)
    return reward_g
