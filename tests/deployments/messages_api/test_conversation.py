"""Messages of Anthropic's API as those of a chat completion, checked by OpenAI's own types."""

import json

import pytest
from openai.types.chat import ChatCompletionMessageParam
from pydantic import TypeAdapter

from deployments.messages_api import MessagesTranslation
from deployments.protocol import RequestError

MESSAGE = TypeAdapter(ChatCompletionMessageParam)
CACHE = {"cache_control": {"type": "ephemeral"}}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
IMAGE_PART = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
NOTE = "[attachment 1 of the user message after the tool results]"


def text(words, **more):
    return {"type": "text", "text": words, **more}


def result(content=None, **more):
    block = {"type": "tool_result", "tool_use_id": "toolu_1", **more}
    return block if content is None else block | {"content": content}


def translated(*messages, **fields):
    """The translation of a request; its messages are valid by OpenAI's types."""
    body = {"model": "auto", "max_tokens": 9, "messages": list(messages), **fields}
    translation = MessagesTranslation.from_json(body)
    for message in translation.chat["messages"]:
        MESSAGE.validate_python(message)
    return translation


def of_user(*blocks):
    """The chat messages of one user message."""
    return translated({"role": "user", "content": list(blocks)}).chat["messages"]


@pytest.mark.parametrize(
    ("system", "content"),
    [
        pytest.param("Be brief.", "Be brief.", id="text"),
        pytest.param([text("Be"), text("brief.")], "Be\n\nbrief.", id="blocks"),
        pytest.param(
            [text("Be"), text("brief.", **CACHE)],
            [text("Be"), text("brief.", **CACHE)],
            id="blocks to cache",
        ),
    ],
)
def test_the_system_text_is_the_first_message(system, content):
    """
    As one text, which every upstream reads, unless a part of it is to be cached.
    """
    got = translated({"role": "user", "content": "hi"}, system=system).chat["messages"]

    assert got == [{"role": "system", "content": content}, {"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("block", "part"),
    [
        pytest.param(IMAGE, IMAGE_PART, id="image by URL"),
        pytest.param(
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,A"}},
            id="image",
        ),
        pytest.param(
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "A"},
            },
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,A"},
            },
            id="PDF",
        ),
        pytest.param(
            {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
            {
                "type": "file",
                "file": {"filename": "document.pdf", "file_data": "https://example.com/a.pdf"},
            },
            id="PDF by URL",
        ),
        pytest.param(
            {
                "type": "document",
                "title": "Notes",
                "source": {"type": "text", "media_type": "text/plain", "data": "Buy milk."},
            },
            text("Notes\nBuy milk."),
            id="text document",
        ),
        pytest.param(
            {
                "type": "search_result",
                "title": "Milk",
                "source": "https://example.com",
                "content": [text("It is white.")],
            },
            text("Milk\nhttps://example.com\nIt is white."),
            id="search result",
        ),
    ],
)
def test_a_block_is_a_part(block, part):
    """
    With its mark for the cache.
    """
    assert of_user(text("a"), block | CACHE) == [
        {"role": "user", "content": [text("a"), part | CACHE]}
    ]


def test_tool_results_come_before_the_rest():
    """
    Each is a tool message; what the user adds follows.
    """
    got = of_user(
        text("Go on."), result("4"), result([text("5"), text("6")], tool_use_id="toolu_2")
    )

    assert got == [
        {"role": "tool", "tool_call_id": "toolu_1", "content": "4"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "5\n\n6"},
        {"role": "user", "content": "Go on."},
    ]


@pytest.mark.parametrize(
    ("block", "content"),
    [
        pytest.param(result(), "", id="nothing"),
        pytest.param(result("no file", is_error=True), "Error: no file", id="error"),
        pytest.param(result("Error: x", is_error=True), "Error: x", id="error that says so"),
        pytest.param(result(is_error=True), "Error: the tool failed", id="error without a word"),
        pytest.param(result("4", **CACHE), [text("4", **CACHE)], id="to cache"),
        pytest.param(
            result([{"type": "tool_reference", "tool_name": "add"}]), "Tool: add", id="reference"
        ),
    ],
)
def test_a_tool_message_holds_text(block, content):
    """
    The mark of an error is part of it.
    """
    assert of_user(block) == [{"role": "tool", "tool_call_id": "toolu_1", "content": content}]


def test_an_image_of_a_tool_is_in_a_user_message():
    """
    The tool message says where; the user message has no text that could pass for the user's.
    """
    got = of_user(result([text("Taken."), IMAGE]), text("And?"))

    assert got == [
        {"role": "tool", "tool_call_id": "toolu_1", "content": f"Taken.\n\n{NOTE}"},
        {"role": "user", "content": [IMAGE_PART, text("And?")]},
    ]
    assert of_user(result([IMAGE]))[1] == {"role": "user", "content": [IMAGE_PART]}


def test_an_answer_comes_back_with_its_reasoning_and_calls():
    """
    Signatures and redacted thinking included; thinking without a signature has none.
    """
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eHh4"},
        {"type": "thinking", "thinking": "Well.", "signature": ""},
        text("I add."),
        {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 2, "b": "é"}},
    ]

    _, got = translated(
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": blocks}
    ).chat["messages"]

    call = got["tool_calls"][0]
    assert got["content"] == "I add."
    assert (call["id"], call["function"]["name"]) == ("toolu_1", "add")
    assert json.loads(call["function"]["arguments"]) == {"a": 2, "b": "é"}
    assert got["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Hm.", "signature": "c2ln", "index": 0},
        {"type": "reasoning.encrypted", "data": "eHh4", "index": 1},
        {"type": "reasoning.text", "text": "Well.", "index": 2},
    ]


def test_blocks_that_no_chat_message_holds_are_named():
    """
    And left out; a message of which nothing is left is left out, too.
    """
    blocks = [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, IMAGE]

    got = translated(
        {"role": "user", "content": [text("hi"), {"type": "container_upload", "file_id": "f"}]},
        {"role": "assistant", "content": blocks},
        {"role": "system", "content": "Be brief."},
    )

    assert [message["role"] for message in got.chat["messages"]] == ["user", "system"]
    assert got.ignored == (
        "messages[0].content[1] (container_upload)",
        "messages[1].content[0] (server_tool_use)",
        "messages[1].content[1] (image)",
    )


def test_a_mark_for_the_whole_request_is_on_its_last_part():
    """
    Anthropic's API puts it there itself.
    """
    got = translated({"role": "user", "content": "hi"}, **CACHE)

    assert got.chat["messages"] == [{"role": "user", "content": [text("hi", **CACHE)]}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(7, "messages[0].content: expected text or a list", id="number"),
        pytest.param([{}], "messages[0].content[0].type: missing, and required", id="no type"),
        pytest.param(
            [{"type": "text"}], "messages[0].content[0].text: missing, and required", id="no text"
        ),
        pytest.param(
            [{"type": "text", "text": [1]}],
            "messages[0].content[0].text: expected text, got a list of 1",
            id="no text but a list",
        ),
        pytest.param(
            [{"type": "image", "source": {"type": "file", "file_id": "f"}}],
            "messages[0].content[0].source.type: 'file' is not read here; expected base64, url",
            id="file",
        ),
        pytest.param(
            [result([7])],
            "messages[0].content[0].content[0]: expected an object with a type",
            id="no block in a result",
        ),
        pytest.param(
            [{"type": "tool_result"}],
            "messages[0].content[0].tool_use_id: missing, and required",
            id="no id",
        ),
        pytest.param([], "messages: no content is left", id="nothing"),
    ],
)
def test_a_mistake_names_its_field(content, message):
    """
    By its path in the body.
    """
    with pytest.raises(RequestError) as caught:
        of_user(*content) if isinstance(content, list) else translated(
            {"role": "user", "content": content}
        )

    assert str(caught.value).startswith(message)
    assert caught.value.param == message.split(":")[0]
