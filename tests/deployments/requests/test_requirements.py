import pytest

from deployments.requests.chat import ChatRequest
from deployments.requests.requirements import (
    ATTACHMENT_TOKENS,
    MESSAGE_TOKENS,
    Requirements,
)
from scope.token_estimate import estimated_tokens

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}


def needs(content="Who?", **fields):
    """Return what a chat of one message needs."""
    message = {"role": "user", "content": content}
    return Requirements.from_chat(
        ChatRequest.model_validate({"model": "auto", "messages": [message]} | fields)
    )


@pytest.mark.parametrize(
    ("part", "capability"),
    [
        pytest.param(IMAGE, "vision", id="image"),
        pytest.param(
            {"type": "input_audio", "input_audio": {"data": "A" * 10**6, "format": "wav"}},
            "audio_input",
            id="audio",
        ),
        pytest.param({"type": "file", "file": {"file_data": "A" * 10**6}}, "pdf_input", id="file"),
        pytest.param(
            {"type": "video_url", "video_url": {"url": "A" * 10**6}}, "video_input", id="video"
        ),
    ],
)
def test_an_attachment_is_a_need_and_no_text(part, capability):
    """
    Its megabytes of base64 are no tokens.
    """
    got = needs([part, {"type": "text", "text": "Who?"}])

    assert got.attachments == {capability}
    assert got.prompt_tokens == ATTACHMENT_TOKENS + MESSAGE_TOKENS + estimated_tokens(b"Who?")


def test_descriptions_of_tools_take_room():
    """
    An agent's tools are often longer than its prompt.
    """
    tool = {"type": "function", "function": {"name": "f", "description": "word " * 1_000}}

    got = needs(tools=[tool])

    assert got.tools
    assert got.prompt_tokens > needs().prompt_tokens + 1_500


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("text", None), ("json_object", "json_object"), ("json_schema", "json_schema")],
)
def test_the_format_of_the_answer_is_a_need(kind, wanted):
    """
    Plain text is none.
    """
    assert needs(response_format={"type": kind}).answer_format == wanted


def test_room_for_the_answer_counts():
    """
    By its old name or its new one.
    """
    prompt_only = needs().prompt_tokens

    assert needs(max_tokens=100).tokens() == prompt_only + 100
    assert needs(max_completion_tokens=200).tokens() == prompt_only + 200


def test_empty_tools_are_no_need():
    """
    Some clients always send the list.
    """
    assert not needs(tools=[]).tools
