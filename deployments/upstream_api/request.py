"""A request of Anthropic's Messages API, made of a chat completion."""

from collections.abc import Iterator, Mapping
from typing import Any

from deployments.upstream_api.claude import ClaudeModel, claude_model
from deployments.upstream_api.content import text_block
from deployments.upstream_api.not_supported import malformed_request, not_supported
from deployments.upstream_api.thinking import resumes_without_thinking, thinking_fields
from deployments.upstream_api.turns import conversation

JsonObject = Mapping[str, Any]

JSON_ONLY = "Answer with one JSON object, and with nothing before or after it."
"""What ``response_format: json_object`` becomes: the API has no such mode."""
SAMPLING = ("temperature", "top_p", "top_k")
SERVICE_TIERS = ("auto", "standard_only")
MIN_TOP_P = 0.95
"""Of a model that thinks."""


def messages_request(chat: JsonObject, model: str) -> dict[str, Any]:
    """Return the request of Anthropic's Messages API for a chat completion.

    What the API does not know and an answer does not need (``seed``, penalties, ``logit_bias``,
    ``store``, …) is left out.

    Parameters
    ----------
    chat : mapping
        Body of a chat completion.
    model : str
        Name of the model at the upstream.

    Raises
    ------
    UpstreamError
        ``not supported``: the request asks for what no answer of the API has.
    """
    with malformed_request():
        return _request(chat, model)


def _request(chat: JsonObject, model: str) -> dict[str, Any]:
    _check(chat)
    known = claude_model(model)
    system, turns = conversation(chat["messages"])
    tools = _tools(chat, known)
    tool_choice = _tool_choice(chat) if tools else None
    max_tokens = _max_tokens(chat, known)
    forced = tool_choice is not None and tool_choice["type"] in ("any", "tool")
    resumes = resumes_without_thinking(turns)
    fields = thinking_fields(chat, known, max_tokens, forced=forced, resumes=resumes)
    answer_format = chat.get("response_format") or {}
    if answer_format.get("type") == "json_object":
        system = [*system, text_block(JSON_ONLY)]
    elif answer_format.get("type") == "json_schema":
        schema = {"type": "json_schema", "schema": answer_format["json_schema"].get("schema", {})}
        fields["output_config"] = {**fields.get("output_config", {}), "format": schema}
    thinks = fields.get("thinking", {}).get("type") in ("enabled", "adaptive")
    optional = {
        "system": system,
        "tools": tools,
        "tool_choice": tool_choice,
        "stop_sequences": _stop_sequences(chat.get("stop")),
        "stream": chat.get("stream"),
    }
    return {
        "model": model,
        "max_tokens": max_tokens,
        "messages": turns,
        **{name: value for name, value in optional.items() if value},
        **dict(_sampling(chat, known, thinks=thinks)),
        **fields,
        **dict(_account_fields(chat)),
    }


def _check(chat: JsonObject) -> None:
    """Raise the refusal of a request whose answer the API cannot give."""
    if (chat.get("n") or 1) != 1:
        raise not_supported("n", "more than one choice")
    if chat.get("logprobs") or chat.get("top_logprobs"):
        raise not_supported("logprobs", "a log probability of each token")
    if chat.get("functions"):
        raise not_supported("functions", "a function (in place of a tool)")
    if "audio" in (chat.get("modalities") or ()):
        raise not_supported("modalities", "spoken output", "audio_output")


def _max_tokens(chat: JsonObject, model: ClaudeModel) -> int:
    """Return the limit of the answer, which the API requires."""
    given = chat.get("max_completion_tokens") or chat.get("max_tokens")
    return given if isinstance(given, int) else model.default_max_tokens


def _tools(chat: JsonObject, model: ClaudeModel) -> list[dict[str, Any]]:
    return [_tool(tool, model) for tool in chat.get("tools") or ()]


def _tool(tool: JsonObject, model: ClaudeModel) -> dict[str, Any]:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        raise not_supported("tools", f"a tool of type {tool.get('type')}")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    fields = {"name": function.get("name"), "input_schema": schema}
    if function.get("description"):
        fields["description"] = function["description"]
    if function.get("strict") and model.takes_strict_tools:
        fields["strict"] = True
    if tool.get("cache_control") is not None:
        fields["cache_control"] = tool["cache_control"]
    return fields


def _tool_choice(chat: JsonObject) -> dict[str, Any] | None:
    """Return which tools the model may call; None: as it likes."""
    choice, parallel = chat.get("tool_choice"), chat.get("parallel_tool_calls")
    kinds = {"auto": "auto", "none": "none", "required": "any"}
    if isinstance(choice, Mapping) and isinstance(choice.get("function"), Mapping):
        found = {"type": "tool", "name": choice["function"].get("name")}
    elif choice in (None, *kinds):
        found = {"type": kinds[choice or "auto"]}
    else:
        raise not_supported("tool_choice", "this choice of tools")
    if parallel is False and found["type"] != "none":
        return {**found, "disable_parallel_tool_use": True}
    return None if choice is None else found


def _stop_sequences(stop: object) -> list[str]:
    """Return the texts that end an answer; the API refuses those of white space alone."""
    listed = [stop] if isinstance(stop, str) else stop
    return [text for text in listed if text.strip()] if isinstance(listed, list) else []


def _sampling(chat: JsonObject, model: ClaudeModel, *, thinks: bool) -> Iterator[tuple[str, Any]]:
    """Yield the parameters of sampling that the model accepts in this request.

    A temperature is at most 1. A model that thinks has none, and Claude 4 takes no ``top_p``
    beside it.
    """
    if not model.takes_sampling:
        return
    given = {name: chat[name] for name in SAMPLING if chat.get(name) is not None}
    if thinks:
        if given.get("top_p", 0) >= MIN_TOP_P:
            yield "top_p", given["top_p"]
        return
    if "temperature" in given:
        given["temperature"] = min(given["temperature"], 1.0)
        if model.takes_one_of_sampling:
            given.pop("top_p", None)
    yield from given.items()


def _account_fields(chat: JsonObject) -> Iterator[tuple[str, Any]]:
    """Yield the fields about the caller and the queue."""
    user = chat.get("user") or chat.get("safety_identifier")
    if user is not None:
        yield "metadata", {"user_id": user}
    if chat.get("service_tier") in SERVICE_TIERS:
        yield "service_tier", chat["service_tier"]
