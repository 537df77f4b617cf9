import asyncio

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.protocol.remote_call import FAILURES, RemoteCall, RemoteCallError


def asked(*answers, times=1, timeout_s=5.0, slow_call_s=0.0):
    """Ask a replica that answers so, in this order; returns what came, and how often it was."""
    calls = []

    async def call(argument):
        calls.append(argument)
        answer = answers[min(len(calls), len(answers)) - 1]
        if isinstance(answer, BaseException):
            raise answer
        if answer is asyncio:
            await asyncio.sleep(60)
        return answer

    async def ask():
        hop = RemoteCall("predictor", call)
        got = []
        for _ in range(times):
            try:
                got.append(await hop.call("x", timeout_s=timeout_s, slow_call_s=slow_call_s))
            except RemoteCallError as error:
                got.append(error.reason)
        return got

    return asyncio.run(ask()), len(calls)


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
def test_a_hop_answers_or_says_why_not(answers, got, calls):
    """
    Only a replica that died under the call is asked once more.
    """
    assert asked(*answers) == ([got], calls)


def test_a_late_replica_is_not_waited_for():
    """
    A minute's work within 10 ms.
    """
    assert asked(asyncio, timeout_s=0.01) == (["predictor late"], 1)


def test_a_replica_that_fails_again_and_again_is_left_alone():
    """
    Whoever comes then gets the lesser decision at once.
    """
    got, calls = asked(asyncio, times=FAILURES + 3, timeout_s=0.01)

    assert calls == FAILURES
    assert got[FAILURES:] == ["predictor down"] * 3


def test_a_full_replica_is_not_ill():
    """
    It says no at once, and may have room the next moment.
    """
    assert asked(full(), times=FAILURES + 3) == (["predictor full"] * 8, 8)


def test_clients_in_a_hurry_do_not_make_a_replica_ill():
    """
    Their deadline was shorter than the replica's patience.
    """
    _, calls = asked(asyncio, times=FAILURES + 3, timeout_s=0.01, slow_call_s=1.0)

    assert calls == FAILURES + 3


def test_a_client_that_leaves_is_no_failure():
    """
    Its own cancellation goes through.
    """

    async def leave():
        hop = RemoteCall("predictor", lambda _: asyncio.sleep(60))
        task = asyncio.create_task(hop.call("x", timeout_s=5.0, slow_call_s=1.0))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(leave())
