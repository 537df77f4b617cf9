"""
Errors of requests that are refused before a model is called.

* RequestError              a field of the request is wrong
  - NoEligibleModelError    no model of the pool may or can answer it
  - ModelNotFoundError      it names a model that is not in the pool
  - DecisionNotFoundError   it scores a decision that no replica remembers, or another client's
  - ScoreConflictError      it scores a decision that has another score
  - PayloadTooLargeError    its body exceeds the limit
  - ContentEncodingError    its body is compressed in a way that is not read here
  - AuthenticationError     its API key is missing or unknown
  - RateLimitError          its API key exceeds its rate
  - OverloadedError         too many requests are in flight
  - NotConfiguredError      the service has no settings or upstreams

The messages are sentences for the client and never contain the text of a prompt.
"""

from scope.errors import ScopeError


class RequestError(ScopeError, ValueError):
    """A field of a request is wrong.

    Parameters
    ----------
    message : str
        One sentence: field, value and the allowed values.
    param : str, optional
        The field.
    code : str, optional
        Machine-readable code, as in the OpenAI API.
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


class DecisionNotFoundError(RequestError):
    """The request scores a decision that is unknown, or another client's."""


class ScoreConflictError(RequestError):
    """The request scores a decision that has another score."""


class PayloadTooLargeError(RequestError):
    """The body exceeds the limit."""


class ContentEncodingError(RequestError):
    """The body is compressed in a way that is not read here."""


class AuthenticationError(RequestError):
    """The API key is missing or unknown."""


class RateLimitError(RequestError):
    """The API key exceeds its rate.

    Parameters
    ----------
    message : str
    retry_after_s : int
        Seconds until the next request is admitted.
    """

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message, None, "rate_limit_exceeded")
        self.args = (message, retry_after_s)  # arguments of the constructor, for pickle
        self.retry_after_s = retry_after_s


class OverloadedError(RequestError):
    """The replica has as many requests in flight as allowed.

    Parameters
    ----------
    message : str
    retry_after_s : int
        Seconds until a retry.
    """

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message, None, "overloaded")
        self.args = (message, retry_after_s)
        self.retry_after_s = retry_after_s


class NotConfiguredError(RequestError):
    """The service cannot answer until its operator changes the configuration."""
