import asyncio

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.protocol.remote_call import FAILURES, RemoteCall, RemoteCallError


def call_repeatedly(*answers, times=1, timeout_s=5.0, slow_call_s=0.0):
    """Call a replica that gives these answers in turn; returns results and number of calls."""
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
        remote_call = RemoteCall("predictor", call)
        got = []
        for _ in range(times):
            try:
                got.append(
                    await remote_call.call("x", timeout_s=timeout_s, slow_call_s=slow_call_s)
                )
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
def test_a_remote_call_returns_or_raises(answers, got, calls):
    """
    Only a call whose replica died is repeated, once.
    """
    assert call_repeatedly(*answers) == ([got], calls)


def test_a_late_replica_is_a_timeout():
    """
    A call of a minute with a time-out of 10 ms.
    """
    assert call_repeatedly(asyncio, timeout_s=0.01) == (["predictor late"], 1)


def test_consecutive_failures_open_the_circuit():
    """
    Further calls fail at once.
    """
    got, calls = call_repeatedly(asyncio, times=FAILURES + 3, timeout_s=0.01)

    assert calls == FAILURES
    assert got[FAILURES:] == ["predictor down"] * 3


def test_a_full_replica_does_not_open_the_circuit():
    """
    It refuses at once, and may have room for the next call.
    """
    assert call_repeatedly(full(), times=FAILURES + 3) == (["predictor full"] * 8, 8)


def test_short_timeouts_do_not_open_the_circuit():
    """
    They end before the time of a slow call.
    """
    _, calls = call_repeatedly(asyncio, times=FAILURES + 3, timeout_s=0.01, slow_call_s=1.0)

    assert calls == FAILURES + 3


def test_a_cancelled_call_is_cancelled():
    """
    It is not mapped to a `RemoteCallError`.
    """

    async def cancel():
        remote_call = RemoteCall("predictor", lambda _: asyncio.sleep(60))
        task = asyncio.create_task(remote_call.call("x", timeout_s=5.0, slow_call_s=1.0))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())
