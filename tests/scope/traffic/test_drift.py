import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.traffic.drift import (
    TOLERANCE,
    CalibrationTest,
    find_alarm,
    log_threshold,
)

unit_floats = st.floats(0, 1)
N_STREAMS, N_SCORES, ALPHA = 2_000, 250, 0.1


def constant_p(test, rng):
    """Every prediction is 0.6."""
    return np.full(N_STREAMS, 0.6)


def random_p(test, rng):
    """Predictions as those of real forecasts: most are rather high."""
    return rng.beta(4, 2, N_STREAMS)


def adversarial_p(test, rng):
    """A stream bets its luck: near the limit, one prediction may bring the rest."""
    return np.where(test.log_evidence_n > 1, 0.98, 0.5)


def stays_low(p_n, test, rng):
    """Scores are as low as the tolerance permits."""
    return (rng.random(N_STREAMS) < np.clip(p_n - TOLERANCE, 0, 1)).astype(float)


def stays_high(p_n, test, rng):
    """Scores are as high as the tolerance permits."""
    return (rng.random(N_STREAMS) < np.clip(p_n + TOLERANCE, 0, 1)).astype(float)


def changes_sides(p_n, test, rng):
    """Scores are low or high by what came before."""
    side_n = np.where(test.log_evidence_n > 0, -TOLERANCE, TOLERANCE)
    return (rng.random(N_STREAMS) < np.clip(p_n + side_n, 0, 1)).astype(float)


@pytest.mark.parametrize("predict", [constant_p, random_p, adversarial_p])
@pytest.mark.parametrize("scores", [stays_low, stays_high, changes_sides])
def test_false_alarms_are_no_more_than_stated(predict, scores):
    """
    Share of 2,000 streams whose evidence *ever* reaches 1 / 0.1, all at the edge of the tolerance.
    """
    rng, test = np.random.default_rng(0), CalibrationTest(N_STREAMS)
    most_n = np.zeros(N_STREAMS)
    for _ in range(N_SCORES):
        p_n = predict(test, rng)
        test.add(p_n, scores(p_n, test, rng))
        most_n = np.maximum(most_n, test.log_evidence_n)

    assert (most_n >= -math.log(ALPHA)).mean() <= ALPHA


@pytest.mark.parametrize(("n_good", "n_until_alarm"), [(0, 110), (1000, 210)])
def test_a_large_drop_is_found_soon(n_good, n_until_alarm):
    """
    Of 200 models that fall by 30 points, half are found within so many scores, though a thousand
    good ones came before; no alarm is earlier.
    """
    rng, test = np.random.default_rng(1), CalibrationTest(200)
    found_n = np.zeros(200, dtype=bool)
    for n in range(n_good + n_until_alarm):
        p_n = rng.beta(4, 2, 200)
        drop = 0.3 if n >= n_good else 0.0
        test.add(p_n, (rng.random(200) < p_n - drop).astype(float))
        found_n |= test.log_evidence_n >= log_threshold(17)
        assert n >= n_good or not found_n.any()

    assert found_n.mean() > 0.5


@given(p_correct=unit_floats, scores=st.lists(unit_floats, max_size=5))
def test_no_bet_can_gain_in_expectation(p_correct, scores):
    """
    After any scores, the mean evidence over right and wrong is at most the evidence of before,
    where an answer is right as often as the tolerance permits.
    """
    for q in (max(p_correct - TOLERANCE, 0), min(p_correct + TOLERANCE, 1)):
        after = []
        for outcome in (0.0, 1.0):
            test = CalibrationTest()
            for score in scores:
                test.add(0.5, score)
            before = np.exp(test.log_evidence_n[0])
            test.add(p_correct, outcome)
            after.append(np.exp(test.log_evidence_n[0]))
        assert (1 - q) * after[0] + q * after[1] <= before * (1 + 1e-9)


@given(st.lists(st.tuples(unit_floats, unit_floats), min_size=1, max_size=30))
def test_evidence_is_finite_and_never_below_its_cash(pairs):
    """
    Also for predictions of 0 and 1.
    """
    test = CalibrationTest()
    for p_correct, score in pairs:
        test.add(p_correct, score)

    assert math.isfinite(test.log_evidence_n[0])
    assert test.log_evidence_n[0] >= -math.log(math.log2(len(pairs) + 2)) - 1e-9


@pytest.mark.parametrize("sign", [-1, 1], ids=["worse", "better"])
def test_an_alarm_knows_when_the_scores_changed(sign):
    """
    Forty scores as predicted, then all of them 50 points off.
    """
    p_n = np.full(140, 0.5)
    score_n = np.where(np.arange(140) < 40, np.arange(140) % 2, 0.5 + sign * 0.5)

    alarm, log_evidence = find_alarm(p_n, score_n, log_threshold(1))

    assert alarm is not None
    assert abs(alarm.since - 40) <= 1
    assert 40 < alarm.raised < 70
    assert log_evidence >= log_threshold(1)


def test_scores_as_predicted_raise_no_alarm():
    """
    Half of the answers right at p 0.5; nothing to report at all without a score.
    """
    alarm, log_evidence = find_alarm(np.full(500, 0.5), np.arange(500) % 2.0, log_threshold(1))

    assert alarm is None
    assert log_evidence < 0
    assert find_alarm(np.empty(0), np.empty(0), log_threshold(1)) == (None, 0.0)
