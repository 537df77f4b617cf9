"""Content blocks of users, systems and tools, as parts of chat messages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deployments.messages_api.fields import Ignored
from deployments.protocol import field_error, optional, required

Block = Mapping[str, Any]
Part = dict[str, Any]

JOINT = "\n\n"
"""Between the texts of several blocks that become one text."""


def parts_of(block: Block, where: str, ignored: Ignored) -> list[Part]:
    """Return the parts that a block stands for; one that is ignored has none.

    Parameters
    ----------
    block : mapping
    where : str
        Its path in the body.
    ignored : Ignored
        Gets a block that no chat message can hold.

    Raises
    ------
    RequestError
        If a field of the block is wrong.
    """
    read = _READERS.get(block["type"])
    if read is None:
        ignored.add(f"{where} ({block['type']})")
        return []
    parts = read(block, where, ignored)
    if parts and (cache := optional(block, "cache_control", dict, where)):
        parts[-1]["cache_control"] = cache
    return parts


def content_of(parts: Sequence[Part]) -> str | list[Part]:
    """Return the content of a message: one text if that says all, as any upstream reads it."""
    return joined(parts) if len(parts) == 1 else list(parts)


def joined(parts: Sequence[Part]) -> str | list[Part]:
    """Return parts as one text, unless one of them is none or ends what is to be cached."""
    if all(part["type"] == "text" and "cache_control" not in part for part in parts):
        return JOINT.join(part["text"] for part in parts)
    return list(parts)


def _text(block: Block, where: str, _: Ignored) -> list[Part]:
    return [{"type": "text", "text": required(block, "text", str, where)}]


def _image(block: Block, where: str, _: Ignored) -> list[Part]:
    url = _url(required(block, "source", dict, where), f"{where}.source", ("base64", "url"))
    return [{"type": "image_url", "image_url": {"url": url}}]


def _document(block: Block, where: str, ignored: Ignored) -> list[Part]:
    source, at = required(block, "source", dict, where), f"{where}.source"
    title = optional(block, "title", str, where)
    heading = [text for text in (title, optional(block, "context", str, where)) if text]
    if (optional(block, "citations", dict, where) or {}).get("enabled"):
        ignored.add(f"{where}.citations")
    if source.get("type") == "text":
        return [_text_part([*heading, required(source, "data", str, at)])]
    if source.get("type") == "content":
        inner = _inner(source, at, ignored)
        return [*([_text_part(heading)] if heading else []), *inner]
    data = _url(source, at, ("base64", "content", "text", "url"))
    context = [_text_part(heading[1:])] if heading[1:] else []
    return [*context, {"type": "file", "file": {"filename": _file(title), "file_data": data}}]


def _search_result(block: Block, where: str, ignored: Ignored) -> list[Part]:
    heading = [required(block, name, str, where) for name in ("title", "source")]
    texts = [part["text"] for part in _inner(block, where, ignored) if part["type"] == "text"]
    return [_text_part([*heading, *texts])]


def _tool_reference(block: Block, where: str, _: Ignored) -> list[Part]:
    return [_text_part([f"Tool: {required(block, 'tool_name', str, where)}"])]


def _inner(holder: Block, where: str, ignored: Ignored) -> list[Part]:
    """Return the parts of the blocks inside a block."""
    content = holder.get("content")
    if isinstance(content, str):
        return [_text_part([content])]
    parts = []
    for place, block in enumerate(required(holder, "content", list, where)):
        at = f"{where}.content[{place}]"
        parts += parts_of(checked(block, at), at, ignored)
    return parts


def checked(block: object, where: str) -> Block:
    """Return an entry of a list of blocks that no model has checked; raises `RequestError`."""
    if not isinstance(block, dict):
        raise field_error(where, "expected an object with a type")
    required(block, "type", str, where)
    return block


def _text_part(texts: Sequence[str]) -> Part:
    return {"type": "text", "text": "\n".join(texts)}


def _url(source: Block, where: str, kinds: Sequence[str]) -> str:
    kind = required(source, "type", str, where)
    if kind == "url":
        return required(source, "url", str, where)
    if kind == "base64":
        media_type = required(source, "media_type", str, where)
        return f"data:{media_type};base64,{required(source, 'data', str, where)}"
    raise field_error(
        f"{where}.type", f"{kind[:40]!r} is not read here; expected {', '.join(kinds)}"
    )


def _file(title: str | None) -> str:
    return title or "document.pdf"


_READERS: Mapping[str, Callable[[Block, str, Ignored], list[Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
}
"""Type of a block -> what its parts are."""
