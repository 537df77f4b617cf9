"""Reasoning as a response has it, and as a chat completion has it in ``reasoning_details``.

What a response has no field for (a signature, encrypted data, an id) is its ``encrypted_content``,
which a client sends back unread: nothing is lost between a client and an upstream.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

from deployments.responses_api.fields import JsonObject, objects, optional_text, required_text

TEXT_FIELDS = {"reasoning.text": "text", "reasoning.summary": "summary"}
"""Type of a detail -> its text; the others have none."""

PLAIN = frozenset({"type", "index", "format", "text", "summary"})
"""Fields of a detail that need not be sent back."""


def detail_text(detail: JsonObject) -> str:
    """Return the text of a detail; empty if it has none."""
    text = detail.get(TEXT_FIELDS.get(str(detail.get("type")), ""))
    return text if isinstance(text, str) else ""


def plain_text(message: JsonObject) -> str:
    """Return the reasoning of a message or delta that is plain text; empty if it has none."""
    text = message.get("reasoning_content") or message.get("reasoning")
    return text if isinstance(text, str) else ""


def encrypted_content(detail: JsonObject) -> str | None:
    """Return a detail without its text as one word; None if the text is all of it."""
    if not any(value is not None for name, value in detail.items() if name not in PLAIN):
        return None
    hidden = {name: value for name, value in detail.items() if name not in ("text", "summary")}
    return base64.b64encode(json.dumps(hidden).encode()).decode()


def details_of(item: JsonObject, where: str) -> Iterator[dict[str, Any]]:
    """Yield the details of a reasoning item that a client sends back.

    Raises
    ------
    RequestError
        If a field is wrong.
    """
    parts = [
        required_text(part, "text", f"{where}.{name}[{index}]")
        for name in ("content", "summary")
        for index, part in enumerate(objects(item.get(name), f"{where}.{name}"))
        if name == "content" or not item.get("content")  # a summary says the same again
    ]
    text = "\n\n".join(parts)
    encrypted = optional_text(item, "encrypted_content", where)
    hidden = _decoded(encrypted) if encrypted else None
    if hidden is not None:
        name = TEXT_FIELDS.get(str(hidden["type"]))
        yield hidden | ({name: text} if name else {})
        return
    if text:
        yield {"type": "reasoning.text", "text": text}
    if encrypted:
        yield {"type": "reasoning.encrypted", "data": encrypted}


def _decoded(content: str) -> dict[str, Any] | None:
    """Return what `encrypted_content` was made of; None if it is another provider's."""
    try:
        detail = json.loads(base64.b64decode(content, validate=True))
    except (ValueError, RecursionError):
        return None
    if not isinstance(detail, dict) or not str(detail.get("type")).startswith("reasoning."):
        return None
    return detail
