"""Tools of a response as functions of a chat completion, and calls of them back."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from deployments.protocol import field_error, short_repr
from deployments.responses_api.fields import JsonObject, objects, required_text

HOSTED_TOOLS = (
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use",
    "computer_use_preview",
    "file_search",
    "image_generation",
    "local_shell",
    "mcp",
    "programmatic_tool_calling",
    "shell",
    "tool_search",
    "web_search",
    "web_search_preview",
)
"""Types of tools that OpenAI runs, or that only its models know; no chat completion has them."""

TOOL_TYPES = ("function", "custom", "namespace", *HOSTED_TOOLS)
CHOICES = ("auto", "none", "required")
DATE = re.compile(r"_\d{4}_\d{2}_\d{2}$")
"""End of the type of a dated tool, such as ``web_search_2025_08_26``."""

CUSTOM_PARAMETERS = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input, as plain text."}},
    "required": ["input"],
    "additionalProperties": False,
}
"""Parameters of the function that stands for a custom tool."""


class CalledTool(NamedTuple):
    """What a function of the chat completion is in the request."""

    name: str
    is_custom: bool = False
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class ToolSet:
    """The tools of a request.

    Attributes
    ----------
    functions : list of dict
        As a chat completion has them.
    called : dict of str to CalledTool
        By the name of the function.
    ignored : list of str
        Tools that are left out.
    """

    functions: list[dict[str, Any]] = field(default_factory=list)
    called: dict[str, CalledTool] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    @classmethod
    def from_json(cls, tools: object) -> "ToolSet":
        """Return the tools of a request.

        Raises
        ------
        RequestError
            If one is no tool of this API.
        """
        found = cls()
        for index, tool in enumerate(objects(tools, "tools")):
            found._add(tool, f"tools[{index}]")
        return found

    def _add(self, tool: JsonObject, where: str, namespace: str | None = None) -> None:
        kind = DATE.sub("", required_text(tool, "type", where))
        if kind == "namespace" and namespace is None:
            name = required_text(tool, "name", where)
            for index, inner in enumerate(objects(tool.get("tools"), f"{where}.tools")):
                self._add(inner, f"{where}.tools[{index}]", name)
        elif kind in HOSTED_TOOLS:
            self.ignored.append(f"{where} ({kind})")
        elif kind in ("function", "custom"):
            name = required_text(tool, "name", where)
            full = function_name(name, namespace)
            self.called[full] = CalledTool(name, kind == "custom", namespace)
            self.functions.append(_function(tool, full, where))
        else:
            message = f"{short_repr(kind)} is no tool; expected one of {', '.join(TOOL_TYPES)}"
            raise field_error(f"{where}.type", message)

    def chat_fields(self, choice: object) -> dict[str, Any]:
        """Return the fields ``tools`` and ``tool_choice`` of the chat completion.

        Raises
        ------
        RequestError
            If the choice demands a tool that cannot be called.
        """
        functions, chosen = self.functions, None
        if isinstance(choice, dict):
            functions, chosen = self._chosen(choice)
        elif choice is not None:
            if choice not in CHOICES:
                expected = f"expected one of {', '.join(CHOICES)}, or an object"
                raise field_error("tool_choice", f"{expected}, got {short_repr(choice)}")
            chosen = choice
        if functions:
            return {"tools": functions} | ({} if chosen is None else {"tool_choice": chosen})
        if chosen == "required":
            raise field_error("tool_choice", "required, but no tool can be called here")
        return {}  # a choice without tools is refused by upstreams

    def _chosen(self, choice: JsonObject) -> tuple[list[dict[str, Any]], Any]:
        kind = required_text(choice, "type", "tool_choice")
        if kind in ("function", "custom"):
            name = self._known(choice, "tool_choice")
            return self.functions, {"type": "function", "function": {"name": name}}
        if kind == "allowed_tools":
            return self._allowed(choice)
        if DATE.sub("", kind) in HOSTED_TOOLS:
            raise field_error("tool_choice", f"{kind} is not run here; expected a function")
        expected = "expected one of function, custom, allowed_tools"
        raise field_error("tool_choice.type", f"{expected}, got {short_repr(kind)}")

    def _allowed(self, choice: JsonObject) -> tuple[list[dict[str, Any]], str]:
        """Return the allowed tools: leaving the others out says the same to every upstream."""
        mode = choice.get("mode", "auto")
        if mode not in ("auto", "required"):
            message = f"expected one of auto, required, got {short_repr(mode)}"
            raise field_error("tool_choice.mode", message)
        names = set(self._allowed_names(choice))
        return [tool for tool in self.functions if tool["function"]["name"] in names], mode

    def _allowed_names(self, choice: JsonObject) -> Iterator[str]:
        for index, tool in enumerate(objects(choice.get("tools"), "tool_choice.tools")):
            where = f"tool_choice.tools[{index}]"
            kind = DATE.sub("", required_text(tool, "type", where))
            if kind in HOSTED_TOOLS:
                continue
            yield self._known(tool, where)

    def _known(self, tool: JsonObject, where: str) -> str:
        name = function_name(required_text(tool, "name", where), tool.get("namespace"))
        if name not in self.called:
            names = ", ".join(self.called) or "none"
            message = f"{short_repr(name)} is not in tools; expected one of {names}"
            raise field_error(f"{where}.name", message)
        return name


def function_name(name: str, namespace: object) -> str:
    """Return the name of the function that stands for a tool.

    Examples
    --------
    >>> function_name("read", None), function_name("read", "files")
    ('read', 'files__read')
    """
    if not isinstance(namespace, str):
        return name
    return f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"


def custom_arguments(text: str) -> str:
    """Return the arguments of the function that stands for a custom tool."""
    return json.dumps({"input": text}, ensure_ascii=False)


def custom_input(arguments: str) -> str:
    """Return the input of a custom tool; the arguments as they are if they have none.

    Examples
    --------
    >>> custom_input('{"input": "ls"}'), custom_input("ls")
    ('ls', 'ls')
    """
    try:
        text = json.loads(arguments)["input"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return arguments
    return text if isinstance(text, str) else arguments


def _function(tool: JsonObject, name: str, where: str) -> dict[str, Any]:
    function: dict[str, Any] = {"name": name}
    if tool["type"] == "custom":
        description = _custom_description(tool, where)
        function |= {"description": description} if description else {}
        function |= {"parameters": CUSTOM_PARAMETERS}
    else:
        given = {name: tool.get(name) for name in ("description", "parameters", "strict")}
        function |= {name: value for name, value in given.items() if value is not None}
    return {"type": "function", "function": function}


def _custom_description(tool: JsonObject, where: str) -> str:
    """Return the description, with the grammar of the input: a function has no field for it."""
    parts = [tool.get("description"), None]
    form = tool.get("format")
    if isinstance(form, Mapping) and form.get("type") == "grammar":
        definition = required_text(form, "definition", f"{where}.format")
        syntax = form.get("syntax", "lark")
        parts[1] = f"The input must match this grammar ({syntax}):\n{definition}"
    return "\n\n".join(part for part in parts if isinstance(part, str) and part)
