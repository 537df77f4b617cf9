"""A pool whose models speak different APIs, and a client that sees one."""

import pytest

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


@pytest.fixture
def settings(upstream):
    """The cheap model speaks Anthropic's API, the other one OpenAI's."""
    upstream.behave({})
    messages = {"api": "messages", "base_url": upstream.base_url}
    chat = {"base_url": upstream.base_url}
    return {"policy": {"alpha": 0.0}, "upstreams": {"small": messages, "large": chat}}


def chat(client, *parts, **fields):
    """Ask for an answer of either model; the cheap one is chosen."""
    content = [{"type": "text", "text": "a sum"}, *parts]
    body = {"model": "auto", "messages": [{"role": "user", "content": content}]}
    return client.post("/v1/chat/completions", json=body | fields)


def test_the_client_does_not_see_the_api(local, upstream, settings):
    """
    A question with an image and tools goes to the chosen model in its words.
    """
    with local.open(**settings) as client:
        got = chat(client, IMAGE, tools=TOOLS)
    call = upstream.log()[-1]

    assert (got.status_code, got.json()["model"]) == (200, "small")
    assert got.json()["object"] == "chat.completion"
    assert got.json()["scope"]["cost_usd"] > 0
    assert call["path"] == "/v1/messages"
    assert call["body"]["messages"][0]["content"][1]["source"]["media_type"] == "image/png"


@pytest.mark.parametrize(
    ("parts", "fields"), [((SOUND,), {}), ((), {"n": 2}), ((), {"logprobs": True})],
    ids=["a recording", "several choices", "log probabilities"],
)  # fmt: skip
def test_what_one_api_cannot_say_another_model_answers(local, upstream, settings, parts, fields):
    """
    The model behind Anthropic's API is not called, and answers the next question.
    """
    with local.open(**settings) as client:
        first = chat(client, *parts, **fields)
        path = upstream.log()[-1]["path"]
        second = chat(client)

    assert (first.json()["model"], path) == ("large", "/v1/chat/completions")
    assert second.json()["model"] == "small"


def test_a_model_that_the_client_names_says_what_it_cannot(local, settings):
    """
    In one sentence with the field.
    """
    with local.open(**settings) as client:
        got = chat(client, model="small", n=2)

    assert got.status_code == 400
    assert got.json()["error"]["param"] == "n"
    assert got.json()["error"]["message"].startswith("n: more than one choice is not supported")
