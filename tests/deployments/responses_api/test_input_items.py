import pytest

from deployments.protocol import RequestError
from deployments.responses_api.input_items import HOSTED_ITEMS
from deployments.responses_api.translation import ResponseTranslation

PNG = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
USER = {"role": "user", "content": "go on"}
CALL = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
SECOND_CALL = CALL | {"call_id": "c2"}


def messages(items, **more):
    """The messages of a chat completion that these items become."""
    body = {"model": "auto", "input": items, **more}
    return ResponseTranslation.from_json(body).chat["messages"]


def output(call_id="c1", value="done"):
    return {"type": "function_call_output", "call_id": call_id, "output": value}


def tool_call(call_id="c1"):
    return {"id": call_id, "type": "function", "function": {"name": "look", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param("2+2?", [{"role": "user", "content": "2+2?"}], id="plain text"),
        pytest.param(
            [{"type": "message", "role": "developer", "content": "Be brief."}, USER],
            [{"role": "system", "content": "Be brief."}, USER],
            id="developers are system",
        ),
        pytest.param(
            [
                {"role": "system", "content": "One."},
                {
                    "role": "developer",
                    "content": [
                        {"type": "input_text", "text": "Two."},
                        {"type": "input_text", "text": "Three."},
                    ],
                },
                USER,
            ],
            [{"role": "system", "content": "One.\n\nTwo.\n\nThree."}, USER],
            id="system texts in a row are one message",
        ),
        pytest.param(
            [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}],
            [{"role": "user", "content": "a"}],
            id="one part of text is text",
        ),
        pytest.param(
            [
                {
                    "type": "message",
                    "id": "msg_1",
                    "status": "completed",
                    "role": "assistant",
                    "content": [
                        {"type": "output_text", "text": "a", "annotations": []},
                        {"type": "refusal", "refusal": "no"},
                    ],
                },
                USER,
            ],
            [{"role": "assistant", "content": "a\nno"}, USER],
            id="an answer and a refusal are text of the assistant",
        ),
        pytest.param(
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_file", "filename": "a.pdf", "file_data": "data:x"},
                        {"type": "input_file", "file_url": "https://a.example/b.pdf"},
                        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
                    ],
                }
            ],
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:x"}},
                        {"type": "file", "file": {"file_data": "https://a.example/b.pdf"}},
                        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
                    ],
                }
            ],
            id="files and recordings",
        ),
        pytest.param(
            [CALL, SECOND_CALL, output("c1"), output("c2", "two"), USER],
            [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [tool_call("c1"), tool_call("c2")],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "done"},
                {"role": "tool", "tool_call_id": "c2", "content": "two"},
                USER,
            ],
            id="calls in a row are one message",
        ),
        pytest.param(
            [{"role": "assistant", "content": "Wait."}, CALL, output(), CALL, output()],
            [
                {"role": "assistant", "content": "Wait.", "tool_calls": [tool_call()]},
                {"role": "tool", "tool_call_id": "c1", "content": "done"},
                {"role": "assistant", "content": None, "tool_calls": [tool_call()]},
                {"role": "tool", "tool_call_id": "c1", "content": "done"},
            ],
            id="calls after an output are another message",
        ),
        pytest.param(
            [
                CALL,
                SECOND_CALL,
                output("c1", [{"type": "input_text", "text": "seen"}, PNG]),
                output("c2"),
            ],
            [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [tool_call("c1"), tool_call("c2")],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "seen"},
                {"role": "tool", "tool_call_id": "c2", "content": "done"},
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": PNG["image_url"]}}],
                },
            ],
            id="images of tools follow all outputs",
        ),
        pytest.param(
            [CALL | {"namespace": "files"}, output(value="")],
            [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        tool_call() | {"function": {"name": "files__look", "arguments": "{}"}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": ""},
            ],
            id="the namespace of a tool is part of its name",
        ),
        pytest.param(
            [{"type": "reasoning", "id": "rs_1", "summary": []}, USER],
            [USER],
            id="reasoning without an answer is nothing",
        ),
    ],
)
def test_items_become_messages(items, expected):
    """
    As a chat completion has the same conversation.
    """
    assert messages(items) == expected


def test_reasoning_belongs_to_the_message_after_it():
    """
    As text for upstreams that read it, and in detail for those that need it back.
    """
    summary = [{"type": "summary_text", "text": "Look first."}]
    items = [{"type": "reasoning", "id": "rs_1", "summary": summary}, CALL, output()]

    got = messages(items)[0]

    assert got["reasoning"] == "Look first."
    assert got["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Look first.", "index": 0}
    ]


def test_instructions_come_first():
    """
    With the system texts of the conversation in one message.
    """
    items = [{"role": "developer", "content": "Two."}, USER]

    assert messages(items, instructions="One.")[0]["content"] == "One.\n\nTwo."


@pytest.mark.parametrize("kind", HOSTED_ITEMS)
def test_items_of_hosted_tools_are_left_out(kind):
    """
    And named.
    """
    body = {"model": "auto", "input": [{"type": kind, "id": "x"}, USER]}

    got = ResponseTranslation.from_json(body)

    assert got.chat["messages"] == [USER]
    assert got.ignored == [f"input[0] ({kind})"]


@pytest.mark.parametrize(
    ("items", "field", "message"),
    [
        pytest.param(7, "input", "expected text or a list of items, got 7", id="a number"),
        pytest.param([], "input", "expected at least 1 message", id="nothing"),
        pytest.param([USER, 7], "input[1]", "expected an object, got 7", id="a number among them"),
        pytest.param(
            [USER, {"type": "mesage"}],
            "input[1].type",
            "'mesage' is no item here; expected one of message, reasoning, function_call,",
            id="unknown type",
        ),
        pytest.param(
            [{"type": ["message"]}], "input[0].type", "a list of 1 is no item", id="type a list"
        ),
        pytest.param([{"content": "x"}], "input[0].role", "missing, and required", id="no role"),
        pytest.param(
            [{"role": "tool", "content": "x"}],
            "input[0].role",
            "expected one of user, system, developer, assistant, got 'tool'",
            id="role of chat completions",
        ),
        pytest.param([{"role": "user"}], "input[0].content", "missing", id="no content"),
        pytest.param(
            [{"role": "user", "content": 7}],
            "input[0].content",
            "expected text or a list of parts, got 7",
            id="content a number",
        ),
        pytest.param(
            [{"role": "user", "content": [{"type": "image_url"}]}],
            "input[0].content[0].type",
            "expected one of input_text, output_text, text, refusal, input_image",
            id="part of chat completions",
        ),
        pytest.param(
            [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}],
            "input[0].content[0].file_id",
            "files are not stored here",
            id="stored file",
        ),
        pytest.param(
            [{"role": "assistant", "content": [PNG]}],
            "input[0].content[0].type",
            "a message of the assistant holds text",
            id="image of the assistant",
        ),
        pytest.param(
            [{"type": "item_reference", "id": "msg_1"}],
            "input[0]",
            "items are not stored here; send the item itself",
            id="reference",
        ),
        pytest.param([{"id": "msg_1"}], "input[0]", "an item_reference", id="only an id"),
        pytest.param(
            [CALL | {"arguments": {}}],
            "input[0].arguments",
            "expected text, got an object",
            id="arguments an object",
        ),
        pytest.param(
            [output() | {"output": None}],
            "input[0].output",
            "missing, and required",
            id="no output",
        ),
        pytest.param(
            [{"type": "reasoning", "summary": [{"text": 7}]}],
            "input[0].summary[0].text",
            "expected text, got 7",
            id="reasoning",
        ),
    ],
)
def test_a_wrong_item_is_named(items, field, message):
    """
    One sentence that begins with the field.
    """
    with pytest.raises(RequestError) as refused:
        messages(items)

    assert refused.value.param == field
    assert str(refused.value).startswith(f"{field}: ")
    assert message in str(refused.value)
