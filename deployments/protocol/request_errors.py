"""
Every reason for which a request is turned away before any model sees it.

* RefusedError        a field of it is wrong
  - NoModelLeftError  no model of the pool may or can answer it
  - NoSuchModelError  it names a model that is not in the pool
  - TooLargeError     its body is over the limit
  - NoAccessError     its API key is missing or unknown
  - TooManyError      its API key has used up its rate
  - BusyError         too many requests are under way
  - NotReadyError     the service lacks settings or upstreams

The messages are sentences for the client. None of them holds the text of a prompt.
"""

from scope.errors import ScopeError


class RequestError(ScopeError, ValueError):
    """A field of a request is wrong.

    Parameters
    ----------
    message : str
        One sentence: field, value and what is allowed.
    param : str, optional
        The field.
    code : str, optional
        What OpenAI's clients tell errors apart by.
    """

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message, param, code)
        self.message = message
        self.param = param
        self.code = code

    def __str__(self) -> str:
        return self.message


class NoEligibleModelError(RequestError):
    """No model of the pool may or can answer the request."""


class ModelNotFoundError(RequestError):
    """The request names a model that is not in the pool."""


class PayloadTooLargeError(RequestError):
    """The body is over the limit."""


class AuthenticationError(RequestError):
    """The API key is missing or unknown."""


class RateLimitError(RequestError):
    """The API key has used up its rate.

    Parameters
    ----------
    message : str
    retry_after_s : int
        After this long the next request is let in.
    """

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message, None, "rate_limit_exceeded")
        self.args = (message, retry_after_s)  # what pickling calls the constructor with
        self.retry_after_s = retry_after_s


class OverloadedError(RequestError):
    """More requests are under way than the replica may have.

    Parameters
    ----------
    message : str
    retry_after_s : int
        When to come again.
    """

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message, None, "overloaded")
        self.args = (message, retry_after_s)
        self.retry_after_s = retry_after_s


class NotConfiguredError(RequestError):
    """The service cannot answer for a reason that its operator must mend."""
