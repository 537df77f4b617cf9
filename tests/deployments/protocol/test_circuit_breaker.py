"""When an upstream is left alone, and when it is tried again."""

import time

from deployments.protocol.circuit_breaker import CircuitBreaker


def broken(failures=2, open_s=60.0):
    breaker = CircuitBreaker(failures=failures, open_s=open_s)
    for _ in range(failures):
        assert breaker.try_acquire()
        breaker.record_failure()
    return breaker


def rested():
    """A breaker whose time is up."""
    breaker = broken(open_s=0.001)
    time.sleep(0.002)
    return breaker


def test_failures_in_a_row_open_it():
    """
    After the last of them no call goes out, and it tells for how long.
    """
    breaker = broken()

    assert (breaker.state, breaker.try_acquire()) == ("open", False)
    assert 59 < breaker.reopens_in_s <= 60


def test_a_success_in_between_starts_the_count_anew():
    """
    Only failures in a row count.
    """
    breaker = CircuitBreaker(failures=2, open_s=60.0)
    breaker.record_failure()
    breaker.record_success()
    breaker.record_failure()

    assert breaker.state == "closed"


def test_one_call_tries_when_its_time_is_up():
    """
    One, not all that wait: the upstream may still be down.
    """
    breaker = rested()

    assert [breaker.try_acquire(), breaker.try_acquire()] == [True, False]
    assert breaker.state == "half-open"


def test_a_trial_that_succeeds_closes_it():
    """
    Then all calls go out again.
    """
    breaker = rested()
    breaker.try_acquire()
    breaker.record_success()

    assert breaker.state == "closed"
    assert [breaker.try_acquire(), breaker.try_acquire()] == [True, True]


def test_a_trial_that_fails_opens_it_again():
    """
    For another rest.
    """
    breaker = rested()
    breaker.try_acquire()
    breaker.record_failure()

    assert breaker.state == "open"


def test_a_trial_given_up_decides_nothing():
    """
    A client that hangs up says nothing about the upstream: the next call may try.
    """
    breaker = rested()
    breaker.try_acquire()
    breaker.release()

    assert breaker.state == "half-open"
    assert breaker.try_acquire()
