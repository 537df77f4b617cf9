"""Refuse what an API cannot say, before a call: another model may answer the request."""

from collections.abc import Iterator
from contextlib import contextmanager

from scope.upstream import Refusal, UpstreamError

NOT_SUPPORTED = "not supported"
"""Kind of the error; the upstream was not called."""


def not_supported(param: str, needed: str, capability: str | None = None) -> UpstreamError:
    """Return the error of a request that Anthropic's Messages API cannot express.

    Parameters
    ----------
    param : str
        Field of the chat completion.
    needed : str
        What the request asks for, as a noun.
    capability : str, optional
        The capability that the model lacks, as LiteLLM's catalogue names it. None: a field is in
        the way, and the model may get other requests.
    """
    message = f"{param}: {needed} is not supported by models behind Anthropic's Messages API"
    error = _request_error(message, param, "unsupported_parameter")
    if capability is None:
        error.refusal = Refusal("parameter")
    else:
        error.refusal = Refusal("capability", subject=capability)
    return error


@contextmanager
def malformed_request() -> Iterator[None]:
    """Report a request whose fields have other types than a chat completion's.

    Raises
    ------
    UpstreamError
        ``not supported``, the client's mistake.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        problem = f"{type(error).__name__} {error}"
        message = f"the request is no chat completion that can be translated: {problem}"
        raise _request_error(message, None, None) from error


def _request_error(message: str, param: str | None, code: str | None) -> UpstreamError:
    error = UpstreamError(NOT_SUPPORTED, message, 400)
    details = {"message": message, "type": "invalid_request_error", "code": code, "param": param}
    error.body = {"error": details}
    return error
