"""Streams, from a real upstream with configurable failures."""

import asyncio
import json

import pytest

from deployments.upstream.responses import UpstreamResponse, UpstreamStream
from deployments.upstream.upstream_settings import UpstreamSettings
from tests.deployments.conftest import KEY, patience_s, read
from tests.upstream import NORMAL, completion

WORDS = ["The ", "answer ", "is ", "(A). "]


def event(finish_reason=None, **delta):
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return f"data: {json.dumps({'model': 'theirs', 'choices': [choice]})}\n\n"


ROLE, WORD = event(role="assistant", content=""), event(content="Four.")
STOP, FINISHED_BY_ERROR = event("stop"), event("error", content="")
ODD_ANSWER = json.dumps({"choices": [{"message": "Four."}]})
ERROR = 'data: {"error": {"message": "no"}}\n\n'


def parse(got):
    """The events that a client reads from these bytes: their JSON, and ``[DONE]``."""
    events = got.decode().removesuffix("\n\n").split("\n\n")
    assert all(event.startswith("data: ") for event in events)
    data = [event.removeprefix("data: ") for event in events]
    return [text if text == "[DONE]" else json.loads(text) for text in data]


def words(events):
    choices = [event["choices"] for event in events if event != "[DONE]" and "choices" in event]
    return [choice[0]["delta"].get("content") for choice in choices if choice]


def stream(ask, behaviours=None, **request):
    answer, got = ask(behaviours, stream=True, **request)
    assert isinstance(answer, UpstreamStream)
    return answer, parse(got)


def test_a_stream_goes_through(ask):
    """
    Every event with our name of the model, without the usage that was not requested.
    """
    answer, events = stream(ask)

    assert words(events) == [*WORDS, None]
    assert events[-1] == "[DONE]"
    assert {event["model"] for event in events[:-1]} == {"small"}
    assert all("usage" not in event for event in events)
    assert (answer.model, answer.error) == ("small", None)


def test_usage_and_cost_are_always_known(ask, site):
    """
    The usage is always requested: 20 × 1 + 10 × 2 per million.
    """
    answer, _ = stream(ask)

    assert site.log()[0]["body"]["stream_options"] == {"include_usage": True}
    assert answer.usage == {"prompt_tokens": 20, "completion_tokens": 10}
    assert answer.cost_usd == pytest.approx(40e-6)


def test_requested_usage_and_cost_are_in_the_last_chunk(ask, site):
    """
    The other stream options pass through.
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


def test_events_are_passed_on_at_once(site):
    """
    The first words arrive while the upstream is silent.
    """

    async def run():
        async with site.open({"small": {"way": "held", "events": 2}}):
            answer = await site.execute(stream=True)
            chunks, got = answer.chunks, b""
            while len(got.split(b"\n\n")) < 3:
                got += await anext(chunks)
            await chunks.aclose()
            return got

    assert words(parse(asyncio.run(run()))) == WORDS[:2]


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param({"way": "status", "status": 503}, id="503"),
        pytest.param({"way": "garbage"}, id="garbage"),
        pytest.param({"way": "cut", "events": 0}, id="cut after the head"),
        pytest.param({"way": "short", "events": 0}, id="nothing"),
        pytest.param({"way": "error", "events": 0}, id="an error first"),
        pytest.param({"way": "held", "events": 0}, id="silent after the head"),
        pytest.param({"way": "script", "script": [": ping\n\n", ERROR]}, id="comment, error"),
        pytest.param({"way": "script", "script": ["\n\n", ROLE]}, id="role, cut"),
        pytest.param({"way": "script", "script": [ROLE, "event: error\ndata: no\n\n"]}, id="named"),
        pytest.param({"way": "script", "script": [ROLE, FINISHED_BY_ERROR]}, id="finish reason"),
        pytest.param({"way": "script", "script": [ROLE, *[": ping\n\n", 0.1] * 20]}, id="comments"),
        pytest.param({"way": "script", "script": ["<html>no</html>"]}, id="no events"),
        pytest.param({"way": "script", "script": ['{"error": "no"}']}, id="an error as JSON"),
        pytest.param({"way": "script", "script": [ODD_ANSWER]}, id="a message that is a text"),
    ],
)
def test_before_an_answer_begins_another_model_gives_it(ask, behaviour):
    """
    The failure is invisible to the client.
    """
    answer, events = stream(
        ask,
        {"small": behaviour},
        settings={"timeout_s": 1.0 if "script" in behaviour else patience_s(behaviour["way"])},
    )

    assert answer.model == "large"
    assert words(events) == [*WORDS, None]
    assert len(answer.attempts) == 2


def test_comments_do_not_put_off_the_deadline(ask):
    """
    They are no part of an answer.
    """
    comments = {"way": "script", "script": [": ping\n\n", 0.05] * 100}
    answer, _ = ask({"*": comments}, stream=True, deadline_s=0.4)

    assert (answer.status, answer.body["error"]["code"]) == (504, "deadline_exceeded")


def test_what_was_held_back_goes_out_with_the_first_word(ask):
    """
    Comments and the role come to the client as the upstream sent them.
    """
    script = [": ping\n\n", ROLE, WORD, STOP, "data: [DONE]\n\n"]
    _, got = ask({"small": {"way": "script", "script": script}}, stream=True)

    assert got.decode() == "".join(script).replace("theirs", "small")


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "text/plain"])
def test_a_whole_answer_in_place_of_a_stream_is_streamed(ask, content_type):
    """
    Its body says what it is; usage and cost are those of the answer: 20 × 1 + 10 × 2 per million.
    """
    body = completion(NORMAL | {"answer": "Four."}, "", usage=True)
    script = {"way": "script", "script": [json.dumps(body)], "content_type": content_type}
    answer, events = stream(ask, {"small": script})

    assert words(events) == ["Four.", None]
    assert events[-1] == "[DONE]"
    assert answer.cost_usd == pytest.approx(40e-6)
    assert [attempt.outcome for attempt in answer.attempts] == ["ok"]


def test_a_byte_order_mark_is_no_part_of_the_first_event(ask):
    """
    Clients would not read that event.
    """
    _, events = stream(ask, {"small": {"way": "script", "script": ["\ufeff" + WORD, STOP]}})

    assert words(events) == ["Four.", None]


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream"])
def test_events_of_another_content_type_are_events(ask, content_type):
    """
    And are passed on as they come.
    """
    script = [WORD, STOP, "data: [DONE]\n\n"]
    behaviour = {"way": "script", "script": script, "content_type": content_type}
    _, events = stream(ask, {"small": behaviour})

    assert words(events) == ["Four.", None]


def test_events_in_place_of_a_whole_answer_are_joined(ask):
    """
    With the usage among them.
    """
    usage = json.dumps({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 10}})
    script = [ROLE, WORD, WORD, STOP, f"data: {usage}\n\n", "data: [DONE]\n\n"]
    answer, _ = ask({"small": {"way": "script", "script": script}})

    assert answer.body["choices"][0]["message"] == {"role": "assistant", "content": "Four.Four."}
    assert (answer.body["object"], answer.body["model"]) == ("chat.completion", "small")
    assert answer.cost_usd == pytest.approx(40e-6)


@pytest.mark.parametrize("streamed", [False, True])
def test_the_status_of_a_failure_survives(ask, streamed):
    """
    A 429 that came with status 200 is a 429, with the wait that came with it.
    """
    error = json.dumps({"error": {"message": "slow down", "code": "rate_limit_exceeded"}})
    script = [ROLE, f"data: {error}\n\n"] if streamed else [error]
    behaviour = {"way": "script", "script": script, "retry_after": "30"}
    answer, _ = ask({"*": behaviour}, stream=streamed, models=["small"])

    assert (answer.status, answer.headers) == (429, {"retry-after": "30"})
    assert answer.body["error"]["code"] == "upstream_rate_limited"


@pytest.mark.parametrize(
    ("way", "code"),
    [
        pytest.param("cut", "upstream_failed", id="cut"),
        pytest.param("short", "upstream_failed", id="closed without an error"),
        pytest.param("error", "upstream_failed", id="an error"),
        pytest.param("held", "upstream_timeout", id="silent"),
    ],
)
def test_a_broken_stream_ends_with_an_error(ask, way, code):
    """
    After the events so far, without ``[DONE]`` and without another model.
    """
    behaviours = {"small": {"way": way, "events": 2}}
    answer, events = stream(ask, behaviours, settings={"timeout_s": patience_s(way)})

    assert (len(events), words(events)) == (3, WORDS[:2])
    assert events[-1]["error"]["code"] == code
    assert set(events[-1]["error"]) == {"message", "type", "code", "param"}
    assert answer.error is not None
    assert [attempt.model for attempt in answer.attempts] == ["small"]


def test_wrong_stream_options_are_passed_on(ask, site):
    """
    The upstream refuses them.
    """
    ask(stream=True, stream_options="all")

    assert site.log()[0]["body"]["stream_options"] == "all"


def test_broken_streams_open_the_circuit(site):
    """
    A beginning is no success: the breaker counts the end of the stream.
    """

    async def run():
        async with site.open({"small": {"way": "cut"}}, breaker_failures=2):
            await read(await site.execute(stream=True))
            await read(await site.execute(stream=True))
            return site.upstreams["small"].breaker.state

    assert asyncio.run(run()) == "open"


def test_a_failure_before_the_stream_is_a_response(ask):
    """
    With a status, since nothing has been sent.
    """
    answer, _ = ask({"*": {"way": "status", "status": 400}}, stream=True)

    assert isinstance(answer, UpstreamResponse)
    assert answer.status == 400


def test_the_deadline_is_for_the_first_byte(site):
    """
    A stream that has begun may last longer.
    """

    async def run():
        async with site.open({"small": {"way": "held", "events": 1}}, timeout_s=0.6):
            answer = await site.execute(stream=True, deadline_s=0.5)
            return [chunk async for chunk in answer.chunks], answer

    got, answer = asyncio.run(run())

    assert words(parse(b"".join(got))) == WORDS[:1]
    assert answer.error.kind == "timeout"


def test_the_key_is_redacted_from_a_stream(ask):
    """
    If the upstream sends it.
    """
    behaviours = {"small": {"answer": "{authorization}"}}
    environ = {"KEY": KEY}
    _, events = stream(ask, behaviours, environ=environ, settings={"key_variable": "KEY"})

    assert words(events) == ["Bearer ", "*** ", None]


def test_connections_are_reused(site):
    """
    By a second stream and by a third call.
    """

    async def run():
        async with site.open():
            for streaming in (True, True, False):
                answer = await site.execute(["small"], stream=streaming)
                if streaming:
                    await read(answer)
        return {tuple(call["client"]) for call in site.log()}

    assert len(asyncio.run(run())) == 1


def test_new_settings_do_not_break_a_stream(site):
    """
    It ends with the old settings; the next call uses the new ones.
    """

    async def run():
        async with site.open():
            answer = await site.execute(["small"], stream=True)
            elsewhere = UpstreamSettings(base_url="http://127.0.0.1:9/v1")
            site.upstreams.configure({"small": elsewhere}, {}, {})
            return b"".join([chunk async for chunk in answer.chunks]), await site.execute(["small"])

    got, after = asyncio.run(run())

    assert words(parse(got)) == [*WORDS, None]
    assert after.status == 502
