"""Blocks of Anthropic's Messages API, made of the parts of chat messages."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from deployments.upstream_api.not_supported import not_supported

Block = dict[str, Any]

NOT_TAKEN = {
    "input_audio": ("audio", "audio_input"),
    "video_url": ("video", "video_input"),
}
"""Type of a part -> what it is, and the capability that it needs."""


def content_blocks(content: object) -> list[Block]:
    """Return the blocks of a message's content, a text or a list of parts.

    A text without a word is left out: the API refuses it.

    Raises
    ------
    UpstreamError
        ``not supported``: a part that the API has no block for.

    Examples
    --------
    >>> content_blocks("Hello")
    [{'type': 'text', 'text': 'Hello'}]
    >>> content_blocks(" ")
    []
    """
    if isinstance(content, str):
        return [text_block(content)] if content.strip() else []
    parts = content if isinstance(content, list) else []
    return [block for part in parts for block in _blocks(part)]


def text_block(text: str) -> Block:
    """Return the block of a text."""
    return {"type": "text", "text": text}


def _blocks(part: Mapping[str, Any]) -> Iterator[Block]:
    """Yield the block of a part; none of an empty text."""
    kind = part.get("type")
    if kind in ("text", "refusal"):
        text = part.get(kind)
        if isinstance(text, str) and text.strip():
            yield _cached(part, text_block(text))
    elif kind == "image_url":
        yield _cached(part, {"type": "image", "source": _image_source(part["image_url"])})
    elif kind == "file":
        yield _cached(part, _document(part["file"]))
    elif kind in NOT_TAKEN:
        needed, capability = NOT_TAKEN[kind]
        raise not_supported("messages", needed, capability)
    else:
        raise not_supported("messages", f"content of type {kind}")


def _cached(part: Mapping[str, Any], block: Block) -> Block:
    marker = part.get("cache_control")
    return block if marker is None else {**block, "cache_control": marker}


def _image_source(image: Mapping[str, Any] | str) -> Block:
    url = image if isinstance(image, str) else image["url"]
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    media_type, data = _data_url(url)
    return _base64_source({"image/jpg": "image/jpeg"}.get(media_type, media_type), data)


def _document(file: Mapping[str, Any]) -> Block:
    """Return the block of a PDF or of a text file."""
    data_url, title = file.get("file_data"), file.get("filename")
    if not isinstance(data_url, str):
        raise not_supported("messages", "a file by its file_id")
    named = {} if title is None else {"title": title}
    if data_url.startswith(("https://", "http://")):
        return {"type": "document", "source": {"type": "url", "url": data_url}, **named}
    media_type, data = _data_url(data_url)
    if media_type == "application/pdf":
        return {"type": "document", "source": _base64_source(media_type, data), **named}
    if not media_type.startswith("text/") and media_type != "application/json":
        raise not_supported("messages", f"a file of type {media_type or 'unknown'}")
    text = _decoded(data).decode(errors="replace")
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source, **named}


def _base64_source(media_type: str, data: str) -> Block:
    return {"type": "base64", "media_type": media_type, "data": data}


def _data_url(url: str) -> tuple[str, str]:
    """Return the media type of a data URL, and its content in base64."""
    head, _, data = url.partition(",")
    media_type = head.removeprefix("data:").partition(";")[0].lower()
    if head.endswith(";base64"):
        return media_type, data
    return media_type, base64.b64encode(unquote_to_bytes(data)).decode()


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data)
    except binascii.Error as error:
        raise not_supported("messages", "a file whose base64 is broken") from error
