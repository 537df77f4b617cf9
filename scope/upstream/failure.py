"""Read a failed call of an OpenAI-compatible API: the only place that knows how failures look.

Whole answers, the events of a stream and bodies with an HTTP status are read alike.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from scope.errors import ScopeError
from scope.json_text import parse_reply
from scope.upstream.events import (
    Chunk,
    OpenChoices,
    chat_form,
    choices_of,
    event_data,
    event_text,
    has_bare_returns,
    holds_events,
    is_chunk,
    join_chunks,
    line_events,
    split_events,
)
from scope.upstream.failure_fields import client_error, failure_message, failure_status
from scope.upstream.refusal import Refusal, read_refusal

TIMEOUT, NO_CONNECTION, CUT_CONNECTION = "timeout", "no connection", "cut connection"
GARBAGE = "garbage"
TRANSIENT_KINDS = frozenset({TIMEOUT, NO_CONNECTION, CUT_CONNECTION, GARBAGE})
"""Kinds of failures without a status that may pass."""

RETRIED_STATUSES = frozenset({408, 409, 425, 429, *range(500, 600)})
OPERATOR_STATUSES = frozenset({401, 402, 403, 404})
"""About the key, the credit or the settings: the author of the request cannot fix them."""

MAX_ERROR_CHARS = 300
"""Length at which an upstream's error message is cut."""

Redact = Callable[[str], str]
"""Removes the key of the upstream, and what else is private, from a text."""

_ERROR_EVENT = re.compile(rb"^event:\s*error\s*$", re.MULTILINE)


class UpstreamError(ScopeError):
    """A call of an upstream that failed.

    Attributes
    ----------
    kind : str
        ``http 429``, ``timeout``, ``no connection``, ``cut connection`` or ``garbage``.
    status : int or None
        HTTP status; None where there was none.
    body : dict or None
        The upstream's ``{"error": {"message": …}}`` without what is private; None if it has
        another shape.
    refusal : Refusal or None
        Why this model refuses a request that another may answer, where the error says so.
    wait_s : float or None
        Seconds that the upstream asks to wait before the next call.
    attempts, possibly_billed_attempts : int
        Attempts in all; the number of them that may have been billed.
    """

    def __init__(self, kind: str, message: str, status: int | None = None) -> None:
        super().__init__(kind, message, status)
        self.kind, self.message, self.status = kind, message, status
        self.body: dict[str, Any] | None = None
        self.refusal: Refusal | None = None
        self.wait_s: float | None = None
        self.attempts = self.possibly_billed_attempts = 1

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed later."""
        if self.lacks_credit:
            return False
        if self.status is None:
            return self.kind in TRANSIENT_KINDS
        return self.status in RETRIED_STATUSES

    @property
    def lacks_credit(self) -> bool:
        """Whether the account is empty; OpenAI says so with 429, Anthropic with 400."""
        return self.refusal is not None and self.refusal.kind == "credit"

    @property
    def is_fatal(self) -> bool:
        """Whether all other calls would fail alike: the key or the credit is refused."""
        return self.status in (401, 402) or self.lacks_credit

    @property
    def is_client_error(self) -> bool:
        """Whether the request is at fault: for all models, unless there is a `refusal`."""
        status = self.status or 0
        if self.lacks_credit:
            return False
        return 400 <= status < 500 and status not in RETRIED_STATUSES | OPERATOR_STATUSES


def http_error(status: int, text: str, retry_after: str | None, redact: Redact) -> UpstreamError:
    """Return the error of an answer whose HTTP status is not 200.

    Parameters
    ----------
    status : int
    text : str
        Body of the answer.
    retry_after : str or None
        Header ``Retry-After``.
    redact : callable
    """
    try:
        body = parse_reply(text)
    except ValueError:
        body = None
    reported = reported_error(body, redact) if isinstance(body, dict) else None
    message, shape = (reported.message, reported.body) if reported else (text, None)
    failed = _status_error(status, message, shape, redact)
    failed.wait_s = retry_after_s(retry_after, datetime.now(UTC))
    if failed.wait_s is None and reported is not None:
        failed.wait_s = reported.wait_s
    return failed


@contextmanager
def read_completion(content: bytes, redact: Redact) -> Iterator[dict[str, Any]]:
    """Parse the body of an answer with status 200, a chat completion.

    A field that the block does not find in it, or finds with another type, is the upstream's
    failure, too.

    Raises
    ------
    UpstreamError
        If it reports a failure, or is no completion.
    """
    try:
        data = _whole(content, redact)
        if error := reported_error(data, redact):
            raise error
        yield chat_form(data, "message")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        start = one_line(redact(content.decode(errors="replace")))
        raise UpstreamError(GARBAGE, f"expected a chat completion, got {start!r}") from error


def cut_stream() -> UpstreamError:
    """Return the error of a stream that is over while a choice has no finish reason."""
    return UpstreamError(CUT_CONNECTION, "the stream ended before the answer did")


def read_event(event: bytes, redact: Redact) -> Chunk | None:
    """Return the JSON object of a server-sent event; None where it has none.

    Raises
    ------
    UpstreamError
        If it reports a failure.
    """
    try:
        data = event_data(event)
    except ValueError as problem:
        raise UpstreamError(GARBAGE, f"expected a chunk, got JSON: {problem}") from problem
    error = reported_error(data, redact) if data else None
    if error is None and _ERROR_EVENT.search(event):
        text = event_text(event).decode(errors="replace")
        error = _status_error(failure_status(data or {}) or 502, text, None, redact)
    if error is not None:
        raise error
    return data


def reported_error(data: Mapping[str, Any], redact: Redact) -> UpstreamError | None:
    """Return the failure that a JSON object reports; None if it reports none.

    It is under ``error`` at the top or in a choice, a text or an object; or it is the finish
    reason ``error``; or, without choices, the object itself: ``{"code": 429, "message": …}``,
    ``{"detail": …}``, ``{"object": "error", …}``. A failure without a status is a 502.
    """
    choices = choices_of(data)
    for holder in (data, *choices):
        error = holder.get("error")
        if any(error.values()) if isinstance(error, dict) else error:
            return _reported_error(error, holder, redact)
    if any(choice.get("finish_reason") == "error" for choice in choices):
        return _status_error(502, "finish reason 'error'", None, redact)
    if data.get("object") == "error" or (not choices and failure_message(data) is not None):
        return _reported_error(data, data, redact)
    return None


def one_line(text: str) -> str:
    """Return an error message of an upstream on one line, cut at `MAX_ERROR_CHARS`."""
    return " ".join(text.split())[:MAX_ERROR_CHARS]


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` asks to wait; None where it is not valid.

    Examples
    --------
    >>> retry_after_s("1.5", datetime.now(UTC))
    1.5
    >>> retry_after_s("Wed, 21 Oct 2026 07:28:00 GMT", datetime(2026, 10, 21, 7, 27, tzinfo=UTC))
    60.0
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return None
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (aware - now).total_seconds()
    return max(seconds, 0.0) if abs(seconds) < float("inf") else None


def _whole(content: bytes, redact: Redact) -> Any:  # noqa: ANN401 - whatever was sent
    """Return the answer that a body is, or that its events or lines are the pieces of."""
    content = content.removeprefix(BOM_UTF8)
    if holds_events(content):
        content = content.replace(b"\r", b"\n") if has_bare_returns(content) else content
        return _joined(content + b"\n\n", redact)
    first_line, _, rest = content.strip().partition(b"\n")
    if rest and is_chunk(first_line):
        return _joined(line_events(content), redact)
    return parse_reply(content)


def _joined(events: bytes, redact: Redact) -> Chunk:
    """Return the whole answer of a stream that was sent in place of one."""
    choices, chunks, done = OpenChoices(), [], False
    for event in split_events(events):
        done = done or event_text(event).strip() == b"[DONE]"
        if chunk := read_event(event, redact):
            chunks.append(chat_form(chunk, "delta"))
            choices.note(chunk)
    if not choices.all_finished(done=done):
        raise cut_stream()
    return join_chunks(chunks)


def _reported_error(error: object, holder: Mapping[str, Any], redact: Redact) -> UpstreamError:
    """Return the error that `holder` has: an object, or a text with its status beside it."""
    if not isinstance(error, dict):
        return _status_error(failure_status(holder) or 502, error, None, redact)
    message = failure_message(error)
    shaped = error is not holder and isinstance(error.get("message"), str)
    body = {"error": error} if shaped else None
    failed = _status_error(
        failure_status(error) or failure_status(holder) or 502,
        json.dumps(client_error(error, str)) if message is None else message,
        body,
        redact,
    )
    if (seconds := error.get("retry_after")) is not None:
        failed.wait_s = retry_after_s(str(seconds), datetime.now(UTC))
    return failed


def _status_error(
    status: int, message: object, body: dict[str, Any] | None, redact: Redact
) -> UpstreamError:
    error = UpstreamError(f"http {status}", one_line(redact(str(message))), status)
    details = (body or {}).get("error")
    fields = details if isinstance(details, dict) else None
    error.refusal = read_refusal(status, str(message), fields)
    error.body = None if fields is None else {"error": client_error(fields, redact)}
    return error
