"""Fields beyond OpenAI's that a translated request has, and upstreams that do not know them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

OF_BODY = frozenset({"reasoning", "cache_control"})
OF_MESSAGE = frozenset({"reasoning", "reasoning_details", "cache_control"})
OF_PART = frozenset({"cache_control"})
"""Fields of OpenRouter's API that our translation of a request adds, by where they stand."""


def takes_extensions(base_url: str) -> bool:
    """Return whether an upstream of chat completions is known to take OpenRouter's fields.

    Examples
    --------
    >>> takes_extensions("https://openrouter.ai/api/v1"), takes_extensions("http://vllm:8000/v1")
    (True, False)
    """
    host = urlsplit(base_url).hostname or ""
    return host == "openrouter.ai" or host.endswith(".openrouter.ai")


def without_extensions(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat completion with fields of OpenAI's API only; `body` stays as it is.

    An effort that is set the way of OpenRouter is set the way of OpenAI. Parts that are all text
    become one text: many upstreams read nothing else in messages of the system and of tools.

    Examples
    --------
    >>> without_extensions({"reasoning": {"effort": "low"}, "messages": []})
    {'messages': [], 'reasoning_effort': 'low'}
    """
    fields = _without(body, OF_BODY)
    if isinstance(body.get("messages"), list):
        fields["messages"] = [_plain_message(message) for message in body["messages"]]
    if isinstance(body.get("tools"), list):
        fields["tools"] = [_without(tool, OF_PART) for tool in body["tools"]]
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else None
    if effort is not None:
        fields.setdefault("reasoning_effort", effort)
    return fields


def _plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    plain = _without(message, OF_MESSAGE)
    content = message.get("content")
    if isinstance(content, list):
        texts = [part["text"] for part in content if part.get("type") == "text"]
        parts = [_without(part, OF_PART) for part in content]
        plain["content"] = "\n".join(texts) if len(texts) == len(content) else parts
    return plain


def _without(fields: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}
