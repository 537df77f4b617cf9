"""The time limit of a decision, and that of an answer."""

import pytest

from deployments.settings.settings import Limits
from deployments.upstream.upstreams import UpstreamSettings
from tests.deployments.local import LocalReplica

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "a sum"}]}
CLIENT_S = 600
"""Time-out of OpenAI's and Anthropic's clients."""


class TimedReplica(LocalReplica):
    """Remembers how long its callers would wait."""

    def __init__(self, answer):
        super().__init__(answer)
        self.timeouts_s = []

    async def call(self, argument, *, timeout_s, slow_call_s):
        self.timeouts_s.append(timeout_s)
        return await super().call(argument, timeout_s=timeout_s, slow_call_s=slow_call_s)


def test_an_answer_has_as_long_as_clients_wait():
    """
    A model that thinks for eight minutes is waited for; after it there is time for another.
    """
    limits, upstream = Limits(), UpstreamSettings(base_url="http://127.0.0.1:1/v1")

    assert limits.deadline_ms == 1_000 * CLIENT_S
    assert 480 < upstream.timeout_s < CLIENT_S


@pytest.mark.parametrize("deadline_ms", [60_001, 600_000])
def test_a_deadline_beyond_a_minute_is_accepted(local, upstream, deadline_ms):
    """
    Up to the configured one.
    """
    upstream.behave({})
    one = {"base_url": upstream.base_url}
    with local.open(upstreams={"small": one, "large": one}) as client:
        body = CHAT | {"scope": {"deadline_ms": deadline_ms}}
        got = client.post("/v1/chat/completions", json=body)

    assert got.status_code == 200


@pytest.mark.parametrize(
    ("body", "limits", "wait_s"),
    [
        pytest.param({"prompt": "a"}, {}, 2, id="one prompt"),
        pytest.param({"prompts": ["a", "b"]}, {}, 30, id="a list"),
        pytest.param({"prompts": ["a", "b"]}, {"list_decision_ms": 7_000}, 7, id="as set"),
        pytest.param(
            {"prompts": ["a", "b"], "scope": {"deadline_ms": 10_000}}, {}, 5, id="half of its own"
        ),
    ],
)
def test_a_decision_does_not_wait_as_long_as_an_answer(local, body, limits, wait_s):
    """
    A hung replica must not hold a list for minutes because answers may take them.
    """
    timed = TimedReplica(local.embedder.answer)
    local.embedder.call = timed.call
    with local.open(limits=limits) as client:
        assert client.post("/v1/route", json=body).status_code == 200

    (waited_s,) = timed.timeouts_s
    assert waited_s == pytest.approx(wait_s, abs=0.5)
