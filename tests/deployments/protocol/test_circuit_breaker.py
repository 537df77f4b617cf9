"""When the circuit opens, and when a trial call is allowed."""

import time

from deployments.protocol.circuit_breaker import CircuitBreaker


def open_breaker(failures=2, open_s=60.0):
    breaker = CircuitBreaker(failures=failures, open_s=open_s)
    for _ in range(failures):
        assert breaker.try_acquire()
        breaker.record_failure()
    return breaker


def due_for_trial():
    """An open breaker whose trial is due."""
    breaker = open_breaker(open_s=0.001)
    time.sleep(0.002)
    return breaker


def test_consecutive_failures_open_the_circuit():
    """
    Then no call is allowed for the stated time.
    """
    breaker = open_breaker()

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


def test_one_trial_call_is_allowed_when_due():
    """
    Only one: the upstream may still be down.
    """
    breaker = due_for_trial()

    assert [breaker.try_acquire(), breaker.try_acquire()] == [True, False]
    assert breaker.state == "half-open"


def test_a_successful_trial_closes_the_circuit():
    """
    Then all calls are allowed.
    """
    breaker = due_for_trial()
    breaker.try_acquire()
    breaker.record_success()

    assert breaker.state == "closed"
    assert [breaker.try_acquire(), breaker.try_acquire()] == [True, True]


def test_a_failed_trial_opens_the_circuit_again():
    """
    For the same time.
    """
    breaker = due_for_trial()
    breaker.try_acquire()
    breaker.record_failure()

    assert breaker.state == "open"


def test_an_abandoned_trial_changes_nothing():
    """
    A disconnected client is no evidence about the upstream: the next call is the trial.
    """
    breaker = due_for_trial()
    breaker.try_acquire()
    breaker.release()

    assert breaker.state == "half-open"
    assert breaker.try_acquire()
