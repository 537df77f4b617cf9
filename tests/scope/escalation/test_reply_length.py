import numpy as np
import pytest

from scope.escalation.reply_length import MAX_SURPRISE, ReplyLengths

N = 4_000


@pytest.fixture(scope="module")
def lengths():
    """Two models at even odds; a long reply of the first means that both are wrong more often.

    A reply of 200 tokens where 100 were predicted: right in 1 of 4; of 50: right in 3 of 4. The
    second model's replies have one length.
    """
    long = np.arange(N) % 2 == 0
    right = np.where(long, np.arange(N) // 2 % 4 == 0, np.arange(N) // 2 % 4 != 0).astype(float)
    tokens = np.column_stack([np.where(long, 200.0, 50.0), np.full(N, 100.0)])
    half = np.full((N, 2), 0.5)
    return ReplyLengths.fit(half, np.column_stack([right, right]), tokens, np.full((N, 2), 100.0))


def after(lengths, replied, tokens):
    surprise = lengths.surprise(np.array([[float(tokens)] * 2]), np.array([[100.0] * 2]))
    return lengths.update(np.array([[0.5, 0.5]]), replied, surprise[:, replied])[0]


def test_a_long_reply_lowers_every_forecast_as_on_the_anchors(lengths):
    """
    1 of 4 after a long reply, 3 of 4 after a short one, of both models.
    """
    np.testing.assert_allclose(after(lengths, 0, 200), [0.25, 0.25], atol=0.005)
    np.testing.assert_allclose(after(lengths, 0, 50), [0.75, 0.75], atol=0.005)


def test_a_length_that_never_varies_says_nothing(lengths):
    """
    The second model's replies are as long as predicted, right or wrong.
    """
    np.testing.assert_allclose(after(lengths, 1, 100), [0.5, 0.5], atol=0.005)


def test_an_unknown_length_changes_nothing(lengths):
    """
    NaN tokens.
    """
    assert after(lengths, 0, np.nan).tolist() == [0.5, 0.5]


def test_surprise_is_in_standard_deviations_and_bounded(lengths):
    """
    Lengths of twice and half the prediction lie one deviation from their mean, log 100 / 100.
    """
    tokens = np.array([[200.0, 100], [50, 100], [1e9, 100]])

    got = lengths.surprise(tokens, np.full((3, 2), 100.0))[:, 0]

    np.testing.assert_allclose(got, [1, -1, MAX_SURPRISE])


def test_unknown_outcomes_of_anchors_are_left_out():
    """
    Half of the outcomes unknown: the other half gives the fit.
    """
    rng = np.random.default_rng(0)
    half = np.full((200, 1), 0.5)
    right = rng.integers(0, 2, (200, 1)).astype(float)
    tokens = np.where(right == 1, 50.0, 200.0)
    gaps = np.where(np.arange(200)[:, None] < 100, right, np.nan)

    some = ReplyLengths.fit(half[:100], right[:100], tokens[:100], np.full((100, 1), 100.0))
    with_gaps = ReplyLengths.fit(half, gaps, tokens, np.full((200, 1), 100.0))

    assert np.sign(some.weight_mmf[0, 0, 1]) == np.sign(with_gaps.weight_mmf[0, 0, 1]) == -1
