"""Read why a model refuses a request that another model may answer."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

RefusalKind = Literal[
    "context window", "content filter", "body size", "capability", "parameter", "credit"
]

MAX_CHARS = 4_000
"""Length to which an error is read: some quote the whole prompt."""

MAX_WINDOW_TOKENS = 1 << 30
"""No model reads more."""

CREDIT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
CONTEXT_CODES = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded"}
)
FILTER_CODES = frozenset(
    {"content_filter", "content_policy_violation", "data_inspection_failed", "moderation_blocked"}
)
PARAMETER_CODES = frozenset({"unsupported_parameter", "unknown_parameter"})
LENGTH_FIELDS = ("max_tokens", "max_completion_tokens")
"""Their largest value is that of the model; other invalid values are the client's mistake."""

_NOT_ABOUT_CONTENT = frozenset({401, 402, 408, 409, 425, 429})
"""Statuses about the caller or the moment, whatever their text says."""

_CREDIT = re.compile(r"credit balance is too low|insufficient (credit|balance)", re.IGNORECASE)
_CONTEXT = re.compile(
    r"context (length|window|size|limit)|(prompt|input) is too long|too many (input )?tokens"
    r"|(input|prompt) token count|maximum (prompt|input|model) length|max_model_len"
    r"|exceeds? the (model's )?(maximum|max)\w* (number of )?tokens",
    re.IGNORECASE,
)
_FILTER = re.compile(
    r"content (management )?(policy|filter)|content_filter|safety (system|policy)", re.IGNORECASE
)
_COUNT = r"(\d[\d,]{0,15})"
_WINDOWS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"maximum (?:context|prompt|input|model) length (?:is|of)?\W*(?:only )?{_COUNT}",
        rf"{_COUNT} (?:tokens? )?maximum context length",
        rf">\W*{_COUNT} (?:tokens? )?maximum",
        rf"maximum (?:number of )?(?:input )?tokens? allowed\W*{_COUNT}",
        rf"available context size\W*{_COUNT}",
        rf"context (?:length|window|size)(?: limit)?(?: is| of)?\W*(?:only )?{_COUNT}",
        rf"cannot exceed\W*{_COUNT}",
        rf"context limit: \d+ \+ \d+ > {_COUNT}",
    )
)

_UNSUPPORTED = re.compile(
    r"(not|n't|no|without|never)\b.{0,80}\b(support|accept|allow|enabled|capab)"
    r"|unsupported|at most 0 |not a multimodal|no endpoints found that support"
    r"|requires --enable-auto-tool-choice|not available (for|with) th",
    re.IGNORECASE | re.DOTALL,
)
_CAPABILITY_WORDS = (
    (re.compile(r"json_object|json mode", re.IGNORECASE), "json_mode"),
    (
        re.compile(
            r"json_schema|response_format|output_(?:config\.)?format|structured output|json schema",
            re.IGNORECASE,
        ),
        "response_schema",
    ),
    (
        re.compile(r"\btools?\b|\btool[_ -]\w+|function[_ -]?call", re.IGNORECASE),
        "function_calling",
    ),
    (re.compile(r"\bimages?\b|image_url|\bvision\b|multi-?modal", re.IGNORECASE), "vision"),
    (re.compile(r"\baudio\b|input_audio", re.IGNORECASE), "audio_input"),
    (re.compile(r"\bvideo\b|video_url", re.IGNORECASE), "video_input"),
    (re.compile(r"\bpdfs?\b|\bfiles?\b|\bdocuments?\b", re.IGNORECASE), "pdf_input"),
)
"""What a text about something unsupported names -> the capability, as LiteLLM calls it."""

_LENGTH = re.compile(r"maximum allowed number of output tokens", re.IGNORECASE)
_PARAMETER = re.compile(
    r"(?:unsupported|unrecogni[sz]ed|unknown|unexpected)"
    r"(?: request)? (?:parameter|argument|field|name|property)s?(?: supplied)?\W*(?P<a>\w+)"
    r"|\W(?P<b>\w+)['`\"]? (?:is|was|are) (?:not supported|unsupported|unexpected|not permitted)"
    r"|does not support (?:the )?parameters?\W*(?P<c>\w+)"
    r"|['\"]body['\"], ?['\"](?P<d>\w+)['\"]\W.*extra (?:inputs|fields)",
    re.IGNORECASE | re.DOTALL,
)


class Refusal(NamedTuple):
    """Why a model refuses a request.

    Attributes
    ----------
    kind : str
        ``credit``: the account is empty, so that no later call will succeed either.
    window_tokens : int or None
        The context window that the error names.
    subject : str or None
        The capability that the model lacks, as LiteLLM's catalogue names it, or the field that
        it does not know. None where only a value is refused.
    """

    kind: RefusalKind
    window_tokens: int | None = None
    subject: str | None = None


def read_refusal(
    status: int, message: str, error: Mapping[str, Any] | None = None
) -> Refusal | None:
    """Return why a model refuses a request; None where it is another failure.

    Parameters
    ----------
    status : int
        HTTP status.
    message : str
        Text of the error.
    error : mapping, optional
        The upstream's error object: its ``code``, ``type`` and ``param`` are read.

    Examples
    --------
    >>> read_refusal(400, "This model's maximum context length is 2048 tokens.")
    Refusal(kind='context window', window_tokens=2048, subject=None)
    >>> read_refusal(400, "phi4:14b does not support tools").subject
    'function_calling'
    >>> read_refusal(400, "messages: expected a list")
    """
    message, error = message[:MAX_CHARS], error or {}
    codes = {code for code in (error.get("code"), error.get("type")) if isinstance(code, str)}
    if status == 402 or codes & CREDIT_CODES or _CREDIT.search(message):
        return Refusal("credit")
    if status in _NOT_ABOUT_CONTENT or status < 400:
        return None
    if codes & CONTEXT_CODES or _CONTEXT.search(message):
        return Refusal("context window", _window_tokens(message, error))
    if status >= 500:
        return None
    if codes & FILTER_CODES or _FILTER.search(message):
        return Refusal("content filter")
    return _unsupported(message, error, codes) or (Refusal("body size") if status == 413 else None)


def _unsupported(message: str, error: Mapping[str, Any], codes: set[str]) -> Refusal | None:
    """Return the capability or the field that the model does not support, if the error says so."""
    field = next(_fields(message, error), None)
    capability = next((name for words, name in _CAPABILITY_WORDS if words.search(message)), None)
    if capability is not None and _UNSUPPORTED.search(message):
        return Refusal("capability", subject=capability)
    if "unsupported_value" in codes:
        return Refusal("parameter", subject=field)
    if "invalid_value" in codes:
        return Refusal("parameter") if field in LENGTH_FIELDS else None
    if _LENGTH.search(message):
        return Refusal("parameter")
    if codes & PARAMETER_CODES or _PARAMETER.search(message):
        return Refusal("parameter", subject=field)
    return None


def _fields(message: str, error: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(param := error.get("param"), str) and param:
        yield param
    if found := _PARAMETER.search(message):
        yield from (name for name in found.groupdict().values() if name)


def _window_tokens(message: str, error: Mapping[str, Any]) -> int | None:
    """Return the context window that an error names; None for one that no model has."""
    window = error.get("n_ctx")  # llama.cpp
    if type(window) is not int and "per min" not in message:  # that is a rate, not a window
        found = next((match for window in _WINDOWS if (match := window.search(message))), None)
        window = int(found[1].replace(",", "")) if found else None
    return window if type(window) is int and 0 < window <= MAX_WINDOW_TOKENS else None
