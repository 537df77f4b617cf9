"""Streams, from a real upstream that misbehaves on request."""

import asyncio
import json

import pytest

from deployments.upstream.responses import UpstreamResponse, UpstreamStream
from deployments.upstream.upstreams import UpstreamSettings
from tests.deployments.conftest import KEY, patience_s, read

WORDS = ["The ", "answer ", "is ", "(A). "]


def said(got):
    """What a client reads from these bytes: the JSON of each event, and ``[DONE]``."""
    events = got.decode().removesuffix("\n\n").split("\n\n")
    assert all(event.startswith("data: ") for event in events)
    data = [event.removeprefix("data: ") for event in events]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


def words(events):
    choices = [event["choices"] for event in events if event != "[DONE]" and "choices" in event]
    return [choice[0]["delta"].get("content") for choice in choices if choice]


def stream(ask, told=None, **request):
    answer, got = ask(told, stream=True, **request)
    assert isinstance(answer, UpstreamStream)
    return answer, said(got)


def test_a_stream_goes_through(ask):
    """
    Every event as the upstream sent it, without the usage that the client did not ask for.
    """
    answer, events = stream(ask)

    assert words(events) == [*WORDS, None]
    assert events[-1] == "[DONE]"
    assert all("usage" not in event for event in events)
    assert (answer.model, answer.error) == ("small", None)


def test_usage_and_cost_are_known_whether_asked_for_or_not(ask, site):
    """
    The upstream is always asked: 20 × 1 + 10 × 2 per million.
    """
    answer, _ = stream(ask)

    assert site.log()[0]["body"]["stream_options"] == {"include_usage": True}
    assert answer.usage == {"prompt_tokens": 20, "completion_tokens": 10}
    assert answer.cost_usd == pytest.approx(40e-6)


def test_a_client_that_asks_gets_usage_and_cost_in_the_last_chunk(ask, site):
    """
    Beside its other options, which go through.
    """
    options = {"include_usage": True, "exotic": 1}
    _, events = stream(ask, stream_options=options)

    assert events[-2]["usage"] == {"prompt_tokens": 20, "completion_tokens": 10}
    assert events[-2]["scope"] == {"model": "small", "cost_usd": pytest.approx(40e-6)}
    assert site.log()[0]["body"]["stream_options"] == options


def test_without_usage_the_cost_is_unknown(ask):
    """
    Not zero.
    """
    answer, _ = stream(ask, {"small": {"way": "no_usage"}})

    assert (answer.usage, answer.cost_usd) == (None, None)


def test_nothing_waits_for_the_end(site):
    """
    The first words are there while the upstream says no more.
    """

    async def run():
        async with site.open({"small": {"way": "held", "events": 2}}):
            answer = await site.execute(stream=True)
            chunks, got = answer.chunks, b""
            while len(got.split(b"\n\n")) < 3:
                got += await anext(chunks)
            await chunks.aclose()
            return got

    assert words(said(asyncio.run(run()))) == WORDS[:2]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"way": "status", "status": 503}, id="503"),
        pytest.param({"way": "garbage"}, id="garbage"),
        pytest.param({"way": "cut", "events": 0}, id="cut after the head"),
        pytest.param({"way": "short", "events": 0}, id="nothing"),
        pytest.param({"way": "error", "events": 0}, id="an error first"),
        pytest.param({"way": "held", "events": 0}, id="silent after the head"),
    ],
)
def test_before_the_first_byte_another_model_answers(ask, told):
    """
    The client sees nothing of it.
    """
    answer, events = stream(ask, {"small": told}, settings={"timeout_s": patience_s(told["way"])})

    assert answer.model == "large"
    assert words(events) == [*WORDS, None]
    assert len(answer.attempts) == 2


@pytest.mark.parametrize(
    ("way", "code"),
    [
        pytest.param("cut", "upstream_failed", id="cut"),
        pytest.param("short", "upstream_failed", id="closed as if all were well"),
        pytest.param("error", "upstream_failed", id="an error"),
        pytest.param("held", "upstream_timeout", id="no further word"),
    ],
)
def test_a_stream_that_breaks_says_so(ask, way, code):
    """
    What came, then an error, and no ``[DONE]``; no other model begins anew.
    """
    told = {"small": {"way": way, "events": 2}}
    answer, events = stream(ask, told, settings={"timeout_s": patience_s(way)})

    assert (len(events), words(events)) == (3, WORDS[:2])
    assert events[-1]["error"]["code"] == code
    assert set(events[-1]["error"]) == {"message", "type", "code", "param"}
    assert answer.error is not None
    assert [attempt.model for attempt in answer.attempts] == ["small"]


def test_wrong_stream_options_are_the_upstreams_to_refuse(ask, site):
    """
    They go through as they are.
    """
    ask(stream=True, stream_options="all")

    assert site.log()[0]["body"]["stream_options"] == "all"


def test_broken_streams_open_the_circuit(site):
    """
    Beginning well is no success: a model that never ends is as good as down.
    """

    async def run():
        async with site.open({"small": {"way": "cut"}}, breaker_failures=2):
            await read(await site.execute(stream=True))
            await read(await site.execute(stream=True))
            return site.upstreams["small"].breaker.state

    assert asyncio.run(run()) == "open"


def test_a_failure_before_the_stream_is_a_plain_answer(ask):
    """
    With a status: nothing has been sent.
    """
    answer, _ = ask({"*": {"way": "status", "status": 400}}, stream=True)

    assert isinstance(answer, UpstreamResponse)
    assert answer.status == 400


def test_the_deadline_is_for_the_first_byte(site):
    """
    What has begun may take its time.
    """

    async def run():
        async with site.open({"small": {"way": "held", "events": 1}}, timeout_s=0.6):
            answer = await site.execute(stream=True, deadline_s=0.5)
            return [chunk async for chunk in answer.chunks], answer

    got, answer = asyncio.run(run())

    assert words(said(b"".join(got))) == WORDS[:1]
    assert answer.error.kind == "timeout"


def test_a_stream_does_not_hold_the_key(ask):
    """
    Even if the upstream says it.
    """
    told = {"small": {"answer": "{authorization}"}}
    environ = {"KEY": KEY}
    _, events = stream(ask, told, environ=environ, settings={"key_variable": "KEY"})

    assert words(events) == ["Bearer ", "*** ", None]


def test_connections_are_used_again(site):
    """
    The second stream and the third call find one open.
    """

    async def run():
        async with site.open():
            for streaming in (True, True, False):
                answer = await site.execute(["small"], stream=streaming)
                if streaming:
                    await read(answer)
        return {tuple(call["client"]) for call in site.log()}

    assert len(asyncio.run(run())) == 1


def test_new_settings_cut_no_stream(site):
    """
    What is under way ends as it began; the next call goes by the new ones.
    """

    async def run():
        async with site.open():
            answer = await site.execute(["small"], stream=True)
            elsewhere = UpstreamSettings(base_url="http://127.0.0.1:9/v1")
            site.upstreams.configure({"small": elsewhere}, {}, {})
            return b"".join([chunk async for chunk in answer.chunks]), await site.execute(["small"])

    got, after = asyncio.run(run())

    assert words(said(got)) == [*WORDS, None]
    assert after.status == 502
