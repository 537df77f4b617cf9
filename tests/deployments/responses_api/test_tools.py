import pytest

from deployments.protocol import RequestError
from deployments.responses_api.tools import HOSTED_TOOLS, ToolSet
from deployments.responses_api.translation import ResponseTranslation

LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}}
READ = {"type": "function", "name": "read", "parameters": {"type": "object"}}
SHELL = {"type": "custom", "name": "shell"}
SEARCH = {"type": "web_search"}


def chat(tools, **more):
    body = {"model": "auto", "input": "x", "tools": tools, **more}
    return ResponseTranslation.from_json(body).chat


def names(got):
    return [tool["function"]["name"] for tool in got.get("tools", [])]


@pytest.mark.parametrize(
    ("choice", "expected", "offered"),
    [
        pytest.param(None, None, ["look", "read", "shell"], id="none given"),
        pytest.param("auto", "auto", ["look", "read", "shell"], id="auto"),
        pytest.param("none", "none", ["look", "read", "shell"], id="none"),
        pytest.param("required", "required", ["look", "read", "shell"], id="required"),
        pytest.param(
            {"type": "function", "name": "read"},
            {"type": "function", "function": {"name": "read"}},
            ["look", "read", "shell"],
            id="a function",
        ),
        pytest.param(
            {"type": "custom", "name": "shell"},
            {"type": "function", "function": {"name": "shell"}},
            ["look", "read", "shell"],
            id="a custom tool",
        ),
        pytest.param(
            {"type": "allowed_tools", "mode": "required", "tools": [READ, SEARCH]},
            "required",
            ["read"],
            id="allowed tools are the only ones that are offered",
        ),
    ],
)
def test_a_choice_of_tools(choice, expected, offered):
    """
    In fields that every upstream knows.
    """
    got = chat([LOOK, SEARCH, READ, SHELL], tool_choice=choice, parallel_tool_calls=False)

    assert got.get("tool_choice") == expected
    assert names(got) == offered
    assert got["parallel_tool_calls"] is False


@pytest.mark.parametrize("kind", [*HOSTED_TOOLS, "web_search_2025_08_26"])
def test_hosted_tools_are_left_out(kind):
    """
    No upstream with chat completions runs them; without tools there is no choice either.
    """
    body = {"model": "auto", "input": "x", "tools": [{"type": kind}], "tool_choice": "auto"}

    got = ResponseTranslation.from_json(body)

    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(got.chat)
    assert got.ignored == [f"tools[0] ({kind.removesuffix('_2025_08_26')})"]


def test_many_ignored_things_fit_into_a_header():
    """
    The first ones are named, the others counted.
    """
    body = {"model": "auto", "input": "x", "tools": [SEARCH] * 500}

    got = ResponseTranslation.from_json(body).ignored

    assert len(got) == 17
    assert got[-1] == "484 more"


def test_tools_of_a_namespace_are_functions_with_its_name():
    """
    A call of one is told by name and namespace again.
    """
    tools = [{"type": "namespace", "name": "files", "description": "", "tools": [LOOK, SHELL]}]

    got = ToolSet.from_json(tools)

    assert [tool["function"]["name"] for tool in got.functions] == ["files__look", "files__shell"]
    assert got.called["files__look"] == ("look", False, "files")
    assert got.called["files__shell"] == ("shell", True, "files")


def test_the_grammar_of_a_custom_tool_is_in_its_description():
    """
    A function has no field for it.
    """
    form = {"type": "grammar", "syntax": "regex", "definition": "[0-9]+"}
    tool = SHELL | {"description": "A number.", "format": form}

    got = chat([tool])["tools"][0]["function"]

    assert got["description"] == ("A number.\n\nThe input must match this grammar (regex):\n[0-9]+")


@pytest.mark.parametrize(
    ("tools", "choice", "field", "message"),
    [
        pytest.param([{"type": "func"}], None, "tools[0].type", "'func' is no tool", id="type"),
        pytest.param([{}], None, "tools[0].type", "missing, and required", id="no type"),
        pytest.param(
            [{"type": "function", "function": {"name": "x"}}],
            None,
            "tools[0].name",
            "missing, and required",
            id="nested as in chat completions",
        ),
        pytest.param(
            [LOOK], "any", "tool_choice", "expected one of auto, none, required", id="choice"
        ),
        pytest.param(
            [SEARCH], "required", "tool_choice", "no tool can be called", id="only hosted"
        ),
        pytest.param([LOOK, SEARCH], SEARCH, "tool_choice", "is not run here", id="hosted"),
        pytest.param(
            [LOOK],
            {"type": "function", "name": "lock"},
            "tool_choice.name",
            "'lock' is not in tools; expected one of look",
            id="a tool that is not there",
        ),
        pytest.param(
            [LOOK],
            {"type": "allowed_tools", "mode": "some", "tools": [LOOK]},
            "tool_choice.mode",
            "expected one of auto, required, got 'some'",
            id="mode",
        ),
        pytest.param([LOOK], {"type": "x"}, "tool_choice.type", "got 'x'", id="type of choice"),
    ],
)
def test_a_wrong_tool_is_named(tools, choice, field, message):
    """
    One sentence that begins with the field.
    """
    with pytest.raises(RequestError) as refused:
        chat(tools, tool_choice=choice)

    assert refused.value.param == field
    assert message in str(refused.value)
