"""Tools and the choice among them, as fields of a chat completion."""

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.messages_api.fields import Ignored
from deployments.protocol import field_error, optional, required, short_repr
from scope.errors import join_names

READ_FIELDS = frozenset({"name", "description", "input_schema", "strict", "type", "cache_control"})
CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def tool_fields(body: Mapping[str, Any], ignored: Ignored) -> dict[str, Any]:
    """Return the fields ``tools``, ``tool_choice`` and ``parallel_tool_calls`` of a chat.

    Anthropic's own tools (``web_search_…``, ``bash_…``) are left out: no chat completion runs
    them, and they have no schema.

    Raises
    ------
    RequestError
        If a field is wrong, or the choice demands a tool that is left out.
    """
    tools = []
    for place, tool in enumerate(body.get("tools") or ()):
        if tool.get("type") in (None, "custom"):
            tools.append(_function(tool, f"tools[{place}]", ignored))
        else:
            kind = required(tool, "type", str, f"tools[{place}]")
            ignored.add(f"tools[{place}] ({kind})")
    choice = body.get("tool_choice")
    names = [tool["function"]["name"] for tool in tools]
    fields: dict[str, Any] = {"tools": tools} if tools else {}
    if choice is None:
        return fields
    chosen = _choice(choice, names)
    if tools:
        fields["tool_choice"] = chosen
        if choice.get("disable_parallel_tool_use"):
            fields["parallel_tool_calls"] = False
    return fields


def _function(tool: Mapping[str, Any], where: str, ignored: Ignored) -> dict[str, Any]:
    function: dict[str, Any] = {"name": required(tool, "name", str, where)}
    if description := optional(tool, "description", str, where):
        function["description"] = description
    function["parameters"] = required(tool, "input_schema", dict, where)
    if tool.get("strict") is not None:
        function["strict"] = tool["strict"]
    for name in tool:
        if name not in READ_FIELDS and tool[name] is not None:
            ignored.add(f"tools[].{name}")
    cache = optional(tool, "cache_control", dict, where)
    return {"type": "function", "function": function} | ({"cache_control": cache} if cache else {})


def _choice(choice: Mapping[str, Any], names: Sequence[str]) -> str | dict[str, Any]:
    kind = choice["type"]
    if kind == "tool":
        name = required(choice, "name", str, "tool_choice")
        if name not in names:
            expected = f"expected one of {join_names(names)}" if names else "there are none"
            sentence = f"{short_repr(name)} is not among the tools that can be called; {expected}"
            raise field_error("tool_choice.name", sentence)
        return {"type": "function", "function": {"name": name}}
    if kind == "any" and not names:
        raise field_error("tool_choice", "demands a call, and no tool of `tools` can be called")
    return CHOICES[kind]
