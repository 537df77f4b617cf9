"""Chat completions from an OpenAI-compatible endpoint: the only module of `scope` that uses HTTP.

The key is sent in one header and appears nowhere else: it is excluded from every repr and removed
from the answers and errors of the upstream.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import TYPE_CHECKING, Any, Self
from urllib.request import getproxies

from scope.prices import TokenUsage
from scope.upstream.addresses import redirect_words
from scope.upstream.endpoint import CompletionResult, EndpointConfig
from scope.upstream.failure import (
    CUT_CONNECTION,
    NO_CONNECTION,
    TIMEOUT,
    UpstreamError,
    http_error,
    one_line,
    read_completion,
)
from scope.upstream.parameters import OTHER_NAMES, ParameterRules

if TYPE_CHECKING:
    import httpx
    from httpx_aiohttp import AiohttpTransport

CONNECT_S = 10.0


class ChatClient:
    """A client of one endpoint; use it as ``async with ChatClient(endpoint) as client``."""

    def __init__(self, endpoint: EndpointConfig) -> None:
        self._endpoint = endpoint
        self._key = endpoint.key.strip()
        self._renamed: dict[str, dict[str, str]] = {}
        """Of each model the fields that it knows by another name."""

    async def __aenter__(self) -> Self:
        import httpx
        from aiolimiter import AsyncLimiter

        endpoint = self._endpoint
        self._transport = open_transport(endpoint.concurrency)
        self._url = httpx.URL(endpoint.base_url.rstrip("/") + "/chat/completions")
        self._headers = httpx.Headers(
            {
                "authorization": f"Bearer {self._key}",
                "content-type": "application/json",
                "accept-encoding": "gzip, deflate",
            }
        )
        self._slots = asyncio.Semaphore(endpoint.concurrency)
        # One at a time, evenly spaced: a larger bucket would release requests in bursts.
        self._limiter = AsyncLimiter(1, 1 / endpoint.rate) if endpoint.rate else None
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    async def complete(self, model: str, prompt: str, **settings: object) -> CompletionResult:
        """Return the answer of one model to one prompt.

        A field that the model refuses and that has another name is sent under that from then on.

        Parameters
        ----------
        model : str
            Name of the model at the upstream.
        prompt : str
        **settings : JSON
            Further fields of the request, such as ``max_tokens`` and ``temperature``.

        Raises
        ------
        UpstreamError
            If all attempts fail, or one in a way that a retry does not fix.
        """
        fitted = ParameterRules(self._renamed.get(model, {})).fit(settings)
        try:
            return await self._complete(model, prompt, fitted)
        except UpstreamError as error:
            other = self._other_name(model, fitted, error)
            if other is None:
                raise
            self._renamed.setdefault(model, {}).update(other)
            result = await self._complete(model, prompt, ParameterRules(other).fit(fitted))
            return replace(result, attempts=result.attempts + error.attempts)

    def _other_name(
        self, model: str, sent: Mapping[str, object], error: UpstreamError
    ) -> dict[str, str] | None:
        """Return the field that a model refuses and its other name; None if there is none."""
        field = error.refusal.subject if error.refusal else None
        other = OTHER_NAMES.get(field or "")
        if field is None or field not in sent or other is None:
            return None
        return None if other in self._renamed.get(model, {}) else {field: other}

    async def _complete(
        self, model: str, prompt: str, fields: Mapping[str, object]
    ) -> CompletionResult:
        messages = [{"role": "user", "content": prompt}]
        body = json.dumps({"model": model, "messages": messages, **fields}).encode()
        try:
            # The first attempt is outside the loop: most calls need no other, and tenacity's
            # bookkeeping takes a tenth of the CPU of a call.
            return await self._attempt(body)
        except UpstreamError as error:
            return await self._retry(body, error)

    async def _retry(self, body: bytes, failed: UpstreamError) -> CompletionResult:
        """Continue after a first attempt that failed."""
        attempts = possibly_billed_attempts = 0
        try:
            async for attempt in self._endpoint.retries.retrying():
                with attempt:
                    attempts += 1
                    try:
                        if attempts == 1:
                            raise failed
                        result = await self._attempt(body)
                    except UpstreamError as error:
                        possibly_billed_attempts += (
                            error.status is None and error.kind != NO_CONNECTION
                        )
                        raise
        except UpstreamError as error:
            error.attempts, error.possibly_billed_attempts = attempts, possibly_billed_attempts
            raise
        return replace(result, attempts=attempts, possibly_billed_attempts=possibly_billed_attempts)

    async def _attempt(self, body: bytes) -> CompletionResult:
        """Send one request; every failure is an `UpstreamError`."""
        import httpx

        if self._limiter is not None:
            await self._limiter.acquire()
        try:
            async with self._slots, asyncio.timeout(self._endpoint.timeout_s):
                response = await self._post(body)
        except (httpx.HTTPError, OSError) as error:
            mapped = map_transport_error(error, self._endpoint.timeout_s)
            raise UpstreamError(mapped.kind, one_line(self._redact(mapped.message))) from error
        # Text is UTF-8, as JSON is: a header may name an encoding that only fails to decode.
        content = response.content
        if response.status_code != 200:
            text = content.decode(errors="replace")
            if response.has_redirect_location:
                text = redirect_words(str(self._url), response.headers["location"])
            retry_after = response.headers.get("retry-after")
            raise http_error(response.status_code, text, retry_after, self._redact)
        with read_completion(content, self._redact) as data:
            return self._result(data)

    async def _post(self, body: bytes) -> "httpx.Response":
        import httpx

        request = httpx.Request(
            "POST",
            self._url,
            content=body,
            headers=self._headers,
            extensions={"timeout": {"connect": CONNECT_S}},
        )
        response = await self._transport.handle_async_request(request)
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response

    def _result(self, data: Mapping[str, Any]) -> CompletionResult:
        choice = data["choices"][0]
        return CompletionResult(
            self._redact(content_text(choice["message"]["content"])),
            TokenUsage.from_json(data.get("usage")),
            truncated=choice.get("finish_reason") == "length",
        )

    def _redact(self, text: str) -> str:
        return text.replace(self._key, "***")


def open_transport(connections: int) -> "AiohttpTransport":
    """Return a pool of at most `connections` connections, 0: no limit; it keeps no cookies."""
    # httpx's own pool looks at every connection for every request: at 64 in flight that is
    # five milliseconds of CPU a call. aiohttp's does not, and the transport alone, without
    # httpx's client around it, saves another fifth.
    import httpx
    from aiohttp import ClientResponseError, ClientSession, DummyCookieJar, TCPConnector
    from httpx_aiohttp import AiohttpTransport

    class Transport(AiohttpTransport):
        """Raises for a reply that is no HTTP what it raises for a broken connection."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            try:
                return await super().handle_async_request(request)
            except ClientResponseError as error:
                raise httpx.ReadError(f"no HTTP: {error.message}") from error

    session = ClientSession(
        connector=TCPConnector(limit=connections),
        cookie_jar=DummyCookieJar(),
        trust_env=bool(getproxies()),
    )
    # The session has its own context; without a cheap one here the transport would read all
    # certificates.
    unused = SSLContext(PROTOCOL_TLS_CLIENT)
    return Transport(verify=unused, client=session)


def map_transport_error(error: Exception, timeout_s: float) -> UpstreamError:
    """Return the `UpstreamError` of an exception of `open_transport` or ``asyncio.timeout``."""
    import httpx
    from aiohttp import ClientConnectorError, ConnectionTimeoutError

    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout | TimeoutError):
        return UpstreamError(TIMEOUT, f"no complete answer within {timeout_s:g} s")
    # The transport raises the same class for a refused connection and for a broken one.
    refused = isinstance(error.__cause__, ClientConnectorError | ConnectionTimeoutError)
    kind = NO_CONNECTION if refused else CUT_CONNECTION
    return UpstreamError(kind, str(error) or type(error).__name__)


def content_text(content: object) -> str:
    """Return the text of an answer: as it is, or that of its parts, without lone surrogates.

    Raises
    ------
    TypeError
        If it is neither text nor a list of parts of which one is text.
    """
    if isinstance(content, list):
        texts = [
            part["text"]
            for part in content
            if isinstance(part, dict) and part.get("type") == "text"
        ]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise TypeError("content has no part with text")
        content = "".join(texts)
    if not isinstance(content, str | None):
        raise TypeError("content is not text")
    return (content or "").encode(errors="replace").decode()
