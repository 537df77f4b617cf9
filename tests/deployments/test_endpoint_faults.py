"""Faults that real upstreams have shown, on a real Serve over HTTP: what their clients get.

A test is named by the number of its fault. Clients' own faults are in `test_client_faults.py`.
"""

import json

import pytest

from tests.deployments.endpoint import (
    BEST,
    NEXT,
    WORDS,
    Endpoint,
    answer,
    events,
    model_of,
)

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def served_pool(served, upstream):
    """Serve the pool once, for all tests here."""
    upstream.behave({})
    endpoint = Endpoint(served, upstream)
    endpoint.deploy()
    return endpoint


@pytest.fixture
def endpoint(served_pool):
    """The pool, all of whose models answer."""
    served_pool.behave({})
    return served_pool


@pytest.fixture
def busy_endpoint(endpoint):
    """The pool, for a test whose upstreams ask to wait: the next test need not."""
    yield endpoint
    endpoint.deploy()


def event(finish_reason=None, index=0, **delta):
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return f"data: {json.dumps({'id': 'g', 'model': 'theirs', 'choices': [choice]})}\n\n"


def failure(**fields):
    return f"data: {json.dumps(fields)}\n\n"


def script(*pieces, content_type="text/event-stream", **behaviour):
    """How a model behaves that sends these pieces, with seconds between them."""
    return {"way": "script", "script": pieces, "content_type": content_type, **behaviour}


def whole(text="Four.", **fields):
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 20, "completion_tokens": 10}
    return json.dumps({"id": "g", "choices": [choice], "usage": usage, **fields})


ROLE, WORD, STOP, DONE = event(role="assistant"), event(content="Four."), event("stop"), "[DONE]"
EMPTY, END = event(content=""), f"data: {DONE}\n\n"
ERROR = failure(error={"message": "no"})


@pytest.mark.parametrize(
    ("model", "refusal"),
    [
        pytest.param("Llama-3-8B-Instruct", None, id="as FastAPI says it"),
        pytest.param(
            "Llama-3.1-8B-Instruct", {"error": "include_usage: unknown field"}, id="in a text"
        ),
    ],
)
def test_fault_01_a_field_that_we_add_fails_no_stream(endpoint, model, refusal):
    """
    The upstream does not know `stream_options`, which the client has not sent; the second stream
    is not refused any more.
    """
    endpoint.behave({model: {"forbids": ["stream_options"], "forbidden": refusal}})

    first, second = (endpoint.chat(model, stream=True) for _ in range(2))

    assert answer(first) == answer(second) == WORDS
    assert ["stream_options" in call["body"] for call in endpoint.calls()] == [True, False, False]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([": ping\n\n", ERROR], id="comment, error"),
        pytest.param(["\n\n", ERROR], id="blank lines, error"),
        pytest.param(["event: error\ndata: no\n\n"], id="event: error"),
        pytest.param([ROLE, ERROR], id="role, error"),
        pytest.param([ROLE], id="role, cut"),
        pytest.param([EMPTY, ERROR], id="empty delta, error"),
        pytest.param([EMPTY], id="empty delta, cut"),
    ],
)
def test_fault_02_what_is_no_answer_is_replaced(endpoint, pieces):
    """
    Bytes before the first word are not the start of an answer.
    """
    endpoint.behave({BEST: script(*pieces)})

    response = endpoint.chat(stream=True)

    assert answer(response) == WORDS
    assert endpoint.models() == [BEST, NEXT]


def test_fault_02_comments_do_not_put_off_the_deadline(endpoint):
    """
    Both models send nothing else for four seconds.
    """
    endpoint.behave({"*": script(*[": ping\n\n", 0.1] * 40)})

    response = endpoint.chat(stream=True, scope={"deadline_ms": 1_000})

    assert response.status_code == 504, response.text
    assert response.json()["error"]["code"] == "deadline_exceeded"


FINISHED_BY_ERROR = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
FAILURES = [
    pytest.param({"choices": [FINISHED_BY_ERROR], "error": {"code": 502}}, id="beside a choice"),
    pytest.param({"choices": [{"index": 0, "error": {"message": "x"}}]}, id="in a choice"),
    pytest.param({"choices": [FINISHED_BY_ERROR]}, id="finish reason"),
    pytest.param({"error": "overloaded", "choices": []}, id="a text"),
    pytest.param({"choices": None, "error": {"message": "x"}}, id="choices null"),
    pytest.param({"code": 502, "message": "x"}, id="flat"),
    pytest.param({"object": "error", "message": "x", "code": "overloaded"}, id="object error"),
    pytest.param({"detail": "x"}, id="detail"),
]


@pytest.mark.parametrize("fields", FAILURES)
def test_fault_03_an_error_in_a_chunk_falls_back(endpoint, fields):
    """
    Whatever its shape.
    """
    endpoint.behave({BEST: script(failure(**fields), END)})

    assert answer(endpoint.chat(stream=True)) == WORDS
    assert endpoint.models() == [BEST, NEXT]


@pytest.mark.parametrize("fields", [FAILURES[0], FAILURES[1], FAILURES[2]])
def test_fault_03_an_error_in_a_whole_answer_falls_back(endpoint, fields):
    """
    Although its status is 200 and it has choices with a message.
    """
    choices = [{"message": {"content": ""}, **choice} for choice in fields["choices"]]
    body = json.dumps(fields | {"choices": choices})
    endpoint.behave({BEST: script(body, content_type="application/json")})

    assert answer(endpoint.chat()) == WORDS.strip()
    assert endpoint.models() == [BEST, NEXT]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("code", [429, "rate_limit_exceeded"])
def test_fault_03_a_429_stays_one_when_all_fail(busy_endpoint, stream, code):
    """
    With its `Retry-After`, although it came with status 200.
    """
    body = {"error": {"message": "slow down", "code": code}}
    pieces = [ROLE, failure(**body)] if stream else [json.dumps(body)]
    kind = "text/event-stream" if stream else "application/json"
    busy_endpoint.behave({"*": script(*pieces, content_type=kind, retry_after="30")})

    response = busy_endpoint.chat(stream=stream)

    assert (response.status_code, response.headers.get("retry-after")) == (429, "30")


@pytest.mark.parametrize("status", [500, 503, 529])
def test_fault_03_the_status_of_an_upstream_survives(endpoint, status):
    """
    The client's library decides by it whether to try again.
    """
    endpoint.behave({"*": {"way": "status", "status": status}})

    response = endpoint.chat()

    assert response.status_code == status
    assert response.json()["error"]["type"] == "server_error"


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_fault_05_a_json_answer_to_a_stream_is_streamed(endpoint, content_type):
    """
    An upstream that ignores `stream` has been paid.
    """
    endpoint.behave({BEST: script(whole(), content_type=content_type)})

    response = endpoint.chat(stream=True)

    assert answer(response) == "Four."
    assert response.headers["content-type"].startswith("text/event-stream")
    assert endpoint.models() == [BEST]


def test_fault_05_events_as_plain_text_are_a_stream(endpoint):
    """
    The body says what it is.
    """
    endpoint.behave({BEST: script(ROLE, WORD, STOP, END, content_type="text/plain")})

    assert answer(endpoint.chat(stream=True)) == "Four."
    assert endpoint.models() == [BEST]


def test_fault_05_events_to_a_call_without_a_stream_are_one_answer(endpoint):
    """
    With all of its words.
    """
    endpoint.behave({BEST: script(ROLE, WORD, WORD, STOP, END)})

    assert answer(endpoint.chat()) == "Four.Four."
    assert endpoint.models() == [BEST]


REFUSALS = {
    "context_length_exceeded": {"error_fields": {"code": "context_length_exceeded"}},
    "content_filter": {"error_fields": {"code": "content_filter"}},
    "413": {"status": 413, "message": "Request Entity Too Large"},
    "unsupported parameter": {"message": "Unsupported parameter: 'top_k' is not supported"},
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_fault_06_the_routers_own_choice_fails_no_client(endpoint, refusal):
    """
    The next allowed model answers; a model that the client names keeps its refusal.
    """
    refusing = {"way": "status", "status": 400} | REFUSALS[refusal]
    endpoint.behave({BEST: refusing})

    routed = endpoint.chat(top_k=5)
    called = endpoint.models()
    named = endpoint.chat(BEST, top_k=5)

    assert (answer(routed), model_of(routed)) == (WORDS.strip(), NEXT)
    assert called[-1] == NEXT
    assert named.status_code == refusing["status"]


@pytest.mark.parametrize(("best_s", "next_s"), [("20", "40"), ("40", "20")])
def test_fault_08_the_smallest_wait_is_told(busy_endpoint, best_s, next_s):
    """
    Whichever model failed last.
    """
    busy = {"way": "status", "status": 429}
    busy_endpoint.behave(
        {BEST: busy | {"retry_after": best_s}, NEXT: busy | {"retry_after": next_s}}
    )

    response = busy_endpoint.chat(scope={"deadline_ms": 5_000})

    assert (response.status_code, response.headers.get("retry-after")) == (429, "20")


def test_fault_08_a_model_without_credit_is_not_called_again(endpoint):
    """
    Later rounds are for the other one.
    """
    busy = {"way": "status", "status": 503, "times": 2}
    endpoint.behave({BEST: {"way": "status", "status": 402}, NEXT: busy})

    response = endpoint.chat(messages=[{"role": "user", "content": "Is it? (no credit)"}])

    assert answer(response) == WORDS.strip()
    assert endpoint.models() == [BEST, NEXT, NEXT, NEXT]


@pytest.mark.parametrize(
    ("pieces", "fields"),
    [
        pytest.param([ROLE, WORD, event(""), END], {}, id="empty finish reason"),
        pytest.param(
            [WORD, event(index=1, content="Five."), STOP, END], {"n": 2}, id="one of two choices"
        ),
    ],
)
def test_fault_09_a_cut_stream_is_told_from_a_whole_one(endpoint, pieces, fields):
    """
    It ends with an error event.
    """
    endpoint.behave({BEST: script(*pieces)})

    response = endpoint.chat(stream=True, **fields)

    assert "broke off" in response.text
    assert events(response)[-1] != DONE


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([WORD, STOP, f"data: {DONE}"], id="end"),
        pytest.param([WORD, STOP.strip()], id="finish reason"),
    ],
)
def test_fault_09_a_last_event_without_a_blank_line_is_whole(endpoint, pieces):
    """
    The connection has ended, and with it the event.
    """
    endpoint.behave({BEST: script(*pieces)})

    assert answer(endpoint.chat(stream=True)) == "Four."


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        pytest.param({"cost": 0.0123}, 0.0123, id="the provider's own"),
        pytest.param(
            {"total_tokens": 90, "completion_tokens_details": {"reasoning_tokens": 60}},
            (20 * 5 + 70 * 15) / 1e6,
            id="reasoning beside the completion",
        ),
    ],
)
def test_fault_10_the_bill_is_right(endpoint, stream, usage, usd):
    """
    20 prompt tokens at $5 and 10 completion tokens at $15 for a million, and what is said besides.
    """
    endpoint.behave({BEST: {"usage": usage}})
    asked = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}

    response = endpoint.chat(BEST, **asked)

    body = events(response)[-2] if stream else response.json()
    assert body["scope"]["cost_usd"] == pytest.approx(usd)


def test_fault_12_the_other_name_of_max_tokens_is_used(endpoint):
    """
    A model that refuses one of them is called with the other, also in the next request.
    """
    model = "Qwen1.5-72B-Chat"
    endpoint.behave({model: {"refuses": ["max_tokens"]}})

    first, second = (endpoint.chat(model, max_tokens=7) for _ in range(2))

    assert answer(first) == answer(second) == WORDS.strip()
    sent = [call["body"].get("max_completion_tokens") for call in endpoint.calls()]
    assert sent == [None, 7, 7]


def test_fault_13_chunks_carry_our_name_of_the_model(endpoint):
    """
    As answers do.
    """
    response = endpoint.chat(stream=True)

    assert {chunk["model"] for chunk in events(response) if chunk != DONE} == {BEST}
    assert model_of(response) == BEST


TOOLS = {"tools": [{"type": "function", "function": {"name": "f"}}]}
SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}


@pytest.mark.parametrize(
    ("needs", "words", "models"),
    [
        pytest.param(
            TOOLS,
            "the model does not support tools",
            ("Mistral-7B-Instruct-v0.1", "Mistral-7B-Instruct-v0.2"),
            id="tools",
        ),
        pytest.param(
            SCHEMA,
            "response_format json_schema is not supported",
            ("Qwen1.5-7B-Chat", "Yi-6b-Chat"),
            id="json_schema",
        ),
    ],
)
def test_fault_21_what_is_unknown_of_a_model_is_tried(endpoint, needs, words, models):
    """
    The first such request is sent; a refusal is remembered, and the other model answers.
    """
    tried = endpoint.chat(models=models, **needs)
    best, other = endpoint.ranked(*models)
    called = endpoint.models()
    endpoint.behave({best: {"way": "status", "status": 400, "message": words}})
    answers = [endpoint.chat(models=models, **needs) for _ in range(2)]

    assert (answer(tried), called) == (WORDS.strip(), [best])
    assert [model_of(response) for response in answers] == [other, other]
    assert endpoint.models() == [best, other, other]


def test_fault_21_a_context_window_is_learned(endpoint):
    """
    From the refusal of a long prompt: the next one goes to the other model at once, and a short
    one to the best.
    """
    models = ("Llama-3.1-70B-Instruct", "Mixtral-8x7B-Instruct-v0.1")
    long = [{"role": "user", "content": "Is seven a prime? " * 1_000}]
    tried = endpoint.chat(models=models, messages=long)
    best = model_of(tried)
    words = "This model's maximum context length is 2048 tokens. However, you requested 4009."
    endpoint.behave({best: {"way": "status", "status": 400, "message": words}})

    answers = [endpoint.chat(models=models, messages=long) for _ in range(2)]
    called = endpoint.models()
    endpoint.behave({})
    short = endpoint.chat(models=models)

    (other,) = set(models) - {best}
    assert [model_of(response) for response in answers] == [other, other]
    assert called == [best, other, other]
    assert model_of(short) == endpoint.ranked(*models)[0]
