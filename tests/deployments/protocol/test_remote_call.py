import asyncio

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.protocol.remote_call import FAILURES, RemoteCall, RemoteCallError


def results_of(*answers, times=1, timeout_s=5.0, slow_call_s=0.0):
    """Call a replica with these answers; return the results and the number of calls it got."""
    calls = []

    async def call(argument):
        calls.append(argument)
        answer = answers[min(len(calls), len(answers)) - 1]
        if isinstance(answer, BaseException):
            raise answer
        if answer is asyncio:
            await asyncio.sleep(60)
        return answer

    async def run():
        remote = RemoteCall("predictor", call)
        got = []
        for _ in range(times):
            try:
                got.append(await remote.call("x", timeout_s=timeout_s, slow_call_s=slow_call_s))
            except RemoteCallError as error:
                got.append(error.reason)
        return got

    return asyncio.run(run()), len(calls)


def full():
    return BackPressureError(num_queued_requests=9, max_queued_requests=9)


@pytest.mark.parametrize(
    ("answers", "got", "calls"),
    [
        pytest.param([7], 7, 1, id="answers"),
        pytest.param([ActorDiedError(), 7], 7, 2, id="dies once"),
        pytest.param([ActorDiedError()], "predictor down", 2, id="dies each time"),
        pytest.param([full()], "predictor full", 1, id="full"),
        pytest.param([DeploymentUnavailableError("p")], "predictor down", 1, id="not deployed"),
        pytest.param([ValueError("?")], "predictor broken", 1, id="broken"),
        pytest.param([asyncio.CancelledError()], "predictor down", 1, id="call lost"),
    ],
)
def test_a_call_returns_an_answer_or_a_reason(answers, got, calls):
    """
    Only the call of a replica that dies is retried, once.
    """
    assert results_of(*answers) == ([got], calls)


def test_a_late_replica_times_out():
    """
    A minute of work, a time limit of 10 ms.
    """
    assert results_of(asyncio, timeout_s=0.01) == (["predictor late"], 1)


def test_repeated_failures_open_the_circuit():
    """
    Later calls fail at once.
    """
    got, calls = results_of(asyncio, times=FAILURES + 3, timeout_s=0.01)

    assert calls == FAILURES
    assert got[FAILURES:] == ["predictor down"] * 3


def test_a_full_replica_is_healthy():
    """
    Back-pressure does not count as a failure.
    """
    assert results_of(full(), times=FAILURES + 3) == (["predictor full"] * 8, 8)


def test_short_time_limits_do_not_open_the_circuit():
    """
    The time limit is below the latency of a healthy replica.
    """
    _, calls = results_of(asyncio, times=FAILURES + 3, timeout_s=0.01, slow_call_s=1.0)

    assert calls == FAILURES + 3


def test_a_cancelled_client_is_no_failure():
    """
    Its cancellation is passed on.
    """

    async def leave():
        remote = RemoteCall("predictor", lambda _: asyncio.sleep(60))
        task = asyncio.create_task(remote.call("x", timeout_s=5.0, slow_call_s=1.0))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(leave())
