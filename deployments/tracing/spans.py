"""The spans of a request, without a word about where they go; with tracing off there are none."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self

Attributes = Mapping[str, object]
"""Name -> text, number, truth value or list of texts; None is left out."""

NO_ATTRIBUTES: Attributes = {}


class Span:
    """A part of a request, with a beginning and an end; this class records nothing."""

    @property
    def records(self) -> bool:
        """Whether attributes are kept: without it there is no need to compute them."""
        return False

    @property
    def records_content(self) -> bool:
        """Whether the texts of prompts and answers are asked for."""
        return False

    def child(
        self, name: str, attributes: Attributes = NO_ATTRIBUTES, *, calls_out: bool = False
    ) -> "Span":
        """Begin a part of this span; `calls_out` if it waits for another service."""
        return self

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""

    def fail(self, error_type: str) -> None:
        """Mark the span as failed, by a word such as ``timeout``; no message is kept."""

    def end(self) -> None:
        """End the span now."""

    def headers(self) -> dict[str, str]:
        """Return the W3C headers by which another service continues the trace."""
        return {}

    @contextmanager
    def active(self) -> Iterator[Self]:
        """Be the current span during the block, and end with it; an error of it is noted."""
        token = _CURRENT.set(self)
        try:
            yield self
        except BaseException as error:
            self.fail(error_type(error))
            raise
        finally:
            _CURRENT.reset(token)
            self.end()


NO_SPAN = Span()

# A value of each request, which tasks inherit: to pass it by hand, every function between HTTP
# and upstream would have a parameter more.
_CURRENT: ContextVar[Span] = ContextVar("span", default=NO_SPAN)


def current_span() -> Span:
    """Return the innermost span that is active; `NO_SPAN` if there is none."""
    return _CURRENT.get()


@contextmanager
def span(name: str, attributes: Attributes = NO_ATTRIBUTES) -> Iterator[Span]:
    """Record the block as a part of the current span, if there is one."""
    parent = _CURRENT.get()
    if parent is NO_SPAN:
        yield NO_SPAN
        return
    with parent.child(name, attributes).active() as child:
        yield child


def error_type(error: BaseException) -> str:
    """Return a word for an error: the kind that remote and upstream calls give, else its class.

    Examples
    --------
    >>> error_type(KeyError("secret")), error_type(GeneratorExit())
    ('KeyError', 'cancelled')
    """
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return "cancelled"
    return str(getattr(error, "kind", type(error).__name__))
