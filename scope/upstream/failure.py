"""Read a failed call of an OpenAI-compatible API: the only place that knows how failures look."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from scope.errors import ScopeError
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
"""Removes the key of the upstream from a text."""

_EVENT = re.compile(rb".*?\n\r?\n", re.DOTALL)
_ERROR_EVENT = re.compile(rb'^data:\s*\{\s*"error"\s*:\s*\{', re.MULTILINE)


class UpstreamError(ScopeError):
    """A call of an upstream that failed.

    Attributes
    ----------
    kind : str
        ``http 429``, ``timeout``, ``no connection``, ``cut connection`` or ``garbage``.
    status : int or None
        HTTP status; None where there was none.
    body : dict or None
        The upstream's ``{"error": {"message": …}}`` without the key; None if it has another shape.
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
        body = json.loads(text)
        error = body["error"]
        message = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError, RecursionError):
        error, message = None, text
    failed = _status_error(status, message, body if isinstance(error, dict) else None, redact)
    failed.wait_s = retry_after_s(retry_after, datetime.now(UTC))
    return failed


@contextmanager
def read_completion(content: bytes, redact: Redact) -> Iterator[dict[str, Any]]:
    """Parse the body of an answer with status 200, a chat completion.

    A field that the block does not find in it, or finds with another type, is the upstream's
    failure, too.

    Raises
    ------
    UpstreamError
        If it holds an error object in place of choices, as OpenRouter's do, or no completion.
    """
    try:
        data = json.loads(content)
        if "choices" not in data and isinstance(data.get("error"), dict):
            raise _reported_error(data["error"], redact)
        yield data
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        start = one_line(redact(content.decode(errors="replace")))
        raise UpstreamError(GARBAGE, f"expected a chat completion, got {start!r}") from error


def split_error_event(events: bytes, redact: Redact) -> tuple[bytes, UpstreamError | None]:
    """Split whole server-sent events before the first that reports an error.

    Returns
    -------
    events : bytes
        Those before it; all of them if none reports an error.
    error : UpstreamError or None
    """
    found = _ERROR_EVENT.search(events)
    if found is None:
        return events, None
    event = split_events(events[found.start() :])[0]
    return events[: found.start()], _reported_error(
        (event_data(event) or {}).get("error", {}), redact
    )


def split_events(events: bytes) -> list[bytes]:
    """Return each of several whole server-sent events, with the empty line at its end."""
    return _EVENT.findall(events)


def event_data(event: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a server-sent event; None where it has none.

    Examples
    --------
    >>> event_data(b'data: {"a": 1}')
    {'a': 1}
    >>> event_data(b": keep-alive")
    """
    lines = (line[5:] for line in event.splitlines() if line.startswith(b"data:"))
    try:
        data = json.loads(b"\n".join(lines))
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


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


def _reported_error(error: Mapping[str, Any], redact: Redact) -> UpstreamError:
    """Return the error of an error object that came with status 200; 502 if it has no status."""
    code = error.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 502
    return _status_error(status, error.get("message"), {"error": error}, redact)


def _status_error(
    status: int, message: object, body: dict[str, Any] | None, redact: Redact
) -> UpstreamError:
    error = UpstreamError(f"http {status}", one_line(redact(str(message))), status)
    details = (body or {}).get("error")
    error.refusal = read_refusal(
        status, str(message), details if isinstance(details, dict) else None
    )
    error.body = None if body is None else json.loads(redact(json.dumps(body)))
    return error
