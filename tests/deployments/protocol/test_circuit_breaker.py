"""When the circuit breaker stops calls, and when it allows a trial."""

import time

from deployments.protocol.circuit_breaker import CircuitBreaker


def opened(failures=2, open_s=60.0):
    breaker = CircuitBreaker(failures=failures, open_s=open_s)
    for _ in range(failures):
        assert breaker.try_acquire()
        breaker.record_failure()
    return breaker


def opened_and_rested():
    """An open breaker that allows a trial."""
    breaker = opened(open_s=0.001)
    time.sleep(0.002)
    return breaker


def test_failures_in_a_row_open_it():
    """
    After the last one it allows no call, and gives the time until the next.
    """
    breaker = opened()

    assert (breaker.state, breaker.try_acquire()) == ("open", False)
    assert 59 < breaker.reopens_in_s <= 60


def test_a_success_resets_the_count():
    """
    Only consecutive failures count.
    """
    breaker = CircuitBreaker(failures=2, open_s=60.0)
    breaker.record_failure()
    breaker.record_success()
    breaker.record_failure()

    assert breaker.state == "closed"


def test_a_rested_breaker_allows_one_trial():
    """
    Only one at a time: the service may still be down.
    """
    breaker = opened_and_rested()

    assert [breaker.try_acquire(), breaker.try_acquire()] == [True, False]
    assert breaker.state == "half-open"


def test_a_trial_that_succeeds_closes_it():
    """
    All calls are allowed again.
    """
    breaker = opened_and_rested()
    breaker.try_acquire()
    breaker.record_success()

    assert breaker.state == "closed"
    assert [breaker.try_acquire(), breaker.try_acquire()] == [True, True]


def test_a_trial_that_fails_opens_it_again():
    """
    For the same time.
    """
    breaker = opened_and_rested()
    breaker.try_acquire()
    breaker.record_failure()

    assert breaker.state == "open"


def test_a_released_trial_decides_nothing():
    """
    A client that disconnects is no outcome of the service: the next call is a trial.
    """
    breaker = opened_and_rested()
    breaker.try_acquire()
    breaker.release()

    assert breaker.state == "half-open"
    assert breaker.try_acquire()
