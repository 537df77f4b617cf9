"""Requests that not every model can answer: unknown means try, learn and fall back."""

import pytest

from deployments.upstream.upstream_settings import UpstreamSettings
from deployments.upstream.upstreams import UpstreamRegistry

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOLS = {"tools": [{"type": "function", "function": {"name": "f"}}]}
SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}
CASES = [
    pytest.param(TOOLS, "small does not support tools", "function_calling", id="tools"),
    pytest.param(
        SCHEMA, "response_format json_schema is not supported", "response_schema", id="schema"
    ),
    pytest.param(
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a sum"}, IMAGE]}]},
        "small is not a multimodal model",
        "vision",
        id="image",
    ),
]


@pytest.fixture
def settings(upstream):
    """Both models have an upstream, and no one has stated anything about them."""
    upstream.behave({})
    one = {"base_url": upstream.base_url}
    return {"policy": {"alpha": 0.0}, "upstreams": {"small": one, "large": one}}


def chat(client, **fields):
    """Ask for an answer of either model; the cheap one is chosen."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "a sum"}]}
    return client.post("/v1/chat/completions", json=body | fields)


@pytest.mark.parametrize(("needs", "message", "capability"), CASES)
def test_an_unknown_capability_is_tried(local, settings, needs, message, capability):
    """
    The first tool call to a model that nothing is stated of is no mistake.
    """
    with local.open(**settings) as client:
        got = chat(client, **needs)

    assert (got.status_code, got.json()["model"]) == (200, "small")


@pytest.mark.parametrize(("needs", "message", "capability"), CASES)
def test_a_refusal_is_learned(local, upstream, settings, needs, message, capability):
    """
    The next model answers; the next such request goes to it at once, others as before.
    """
    with local.open(**settings) as client:
        upstream.behave({"small": {"way": "status", "status": 400, "message": message}})
        first = chat(client, **needs)
        n_calls = len(upstream.log())
        second = chat(client, **needs)
        n_more = len(upstream.log()) - n_calls
        upstream.behave({})
        other = chat(client)

    assert [answer.json()["model"] for answer in (first, second, other)] == [
        "large",
        "large",
        "small",
    ]
    assert n_more == 1


def test_a_hint_of_another_api_keeps_no_request_from_a_model(local, upstream, settings):
    """
    Agents send an effort to every model; a chat that sends one means it.
    """
    message = "Unsupported parameter: 'reasoning_effort' is not supported"
    body = {"model": "auto", "input": "a sum", "reasoning": {"effort": "high"}}
    with local.open(**settings) as client:
        upstream.behave({"small": {"refuses": ["reasoning_effort"], "message": message}})
        meant = chat(client, reasoning_effort="high").json()
        hinted = [client.post("/v1/responses", json=body).json() for _ in range(2)]

    assert [meant["model"], *(one["model"] for one in hinted)] == ["large", "small", "small"]


@pytest.mark.parametrize(("needs", "message", "capability"), CASES)
def test_a_stated_no_stays_hard(local, settings, needs, message, capability):
    """
    The sentence names the rule and the models.
    """
    prices = {"usd_per_mtok_in": 1, "usd_per_mtok_out": 1, "lacks": [capability]}
    models = [{"id": name, **prices} for name in ("small", "large")]
    with local.open(models=models, **settings) as client:
        got = chat(client, **needs)

    assert (got.status_code, got.json()["error"]["code"]) == (400, "no_model_left")
    assert f"stated to lack {capability}" in got.json()["error"]["message"]


def test_a_window_is_learned(local, upstream, settings):
    """
    A prompt beyond it goes to the other model at once, a short one as before.
    """
    message = "This model's maximum context length is 2048 tokens. However, you requested 3000."
    long = [{"role": "user", "content": "a sum " * 2_000}]
    with local.open(**settings) as client:
        upstream.behave({"small": {"way": "status", "status": 400, "message": message}})
        first = chat(client, messages=long)
        upstream.behave({})
        second = chat(client, messages=long)
        short = chat(client)

    assert [answer.json()["model"] for answer in (first, second, short)] == [
        "large",
        "large",
        "small",
    ]


def test_where_every_model_refuses_the_client_gets_the_words_of_the_best(local, upstream, settings):
    """
    Also once both refusals are known.
    """
    refusing = {"way": "status", "status": 400, "message": "x does not support tools"}
    with local.open(**settings) as client:
        upstream.behave({"*": refusing})
        answers = [chat(client, **TOOLS) for _ in range(2)]

    for got in answers:
        assert (got.status_code, got.json()["error"]["message"]) == (
            400,
            "x does not support tools",
        )


def test_the_catalogue_knows_the_model_that_an_upstream_serves():
    """
    By the upstream's name for it, else by the pool's.
    """
    registry = UpstreamRegistry()
    address = "http://127.0.0.1:1/v1"
    registry.configure(
        {
            "mine": UpstreamSettings(base_url=address, model="openai/gpt-4o-2024-05-13"),
            "gpt-4o-2024-05-13": UpstreamSettings(base_url=address, model="deployment-7"),
        },
        {},
    )

    for arm in ("mine", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13@3"):
        assert registry.limits(arm).window_tokens == 128_000
    assert registry.limits("other").window_tokens is None
