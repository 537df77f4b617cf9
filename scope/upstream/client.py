"""Chat completions from any OpenAI-compatible endpoint: the only module that speaks HTTP.

The key goes into one header and nowhere else: it is left out of every repr, and taken out of
whatever the upstream says.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.request import getproxies

from scope.upstream.endpoint import CompletionResult, EndpointConfig, UpstreamError, retry_after_s

if TYPE_CHECKING:
    import httpx
    from httpx_aiohttp import AiohttpTransport
    from tenacity import AsyncRetrying, RetryCallState

CONNECT_S = 10.0
MAX_ERROR_CHARS = 300
"""How much of what an upstream says about an error is kept."""


class ChatClient:
    """An open client; use it as ``async with Upstream(endpoint) as upstream``."""

    def __init__(self, endpoint: EndpointConfig) -> None:
        self._endpoint = endpoint
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        import httpx
        from aiolimiter import AsyncLimiter

        endpoint = self._endpoint
        self._transport = await self._stack.enter_async_context(
            open_transport(endpoint.concurrency)
        )
        self._url = httpx.URL(endpoint.base_url.rstrip("/") + "/chat/completions")
        self._headers = httpx.Headers(
            {
                "authorization": f"Bearer {endpoint.key.strip()}",
                "content-type": "application/json",
                "accept-encoding": "gzip, deflate",
            }
        )
        self._slots = asyncio.Semaphore(endpoint.concurrency)
        # One at a time, evenly spaced: a bucket of many would let them out in bursts.
        self._limiter = AsyncLimiter(1, 1 / endpoint.rate) if endpoint.rate else None
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def complete(self, model: str, prompt: str, **settings: float) -> CompletionResult:
        """Return the answer of one model to one prompt.

        Parameters
        ----------
        model : str
            As the upstream calls it.
        prompt : str
        **settings : float
            Further fields of the request, such as ``max_tokens`` and ``temperature``.

        Raises
        ------
        UpstreamError
            If there is none after all attempts, or trying again is of no use.
        """
        messages = [{"role": "user", "content": prompt}]
        body = json.dumps({"model": model, "messages": messages, **settings}).encode()
        try:
            # The first attempt stands alone: most need no other, and tenacity's bookkeeping takes
            # a tenth of the CPU of a call.
            return await self._attempt(body)
        except UpstreamError as error:
            return await self._retry(body, error)

    async def _retry(self, body: bytes, failed: UpstreamError) -> CompletionResult:
        """Try on after a first attempt that failed."""
        tries = possibly_billed_attempts = 0
        try:
            async for attempt in self._retrying():
                with attempt:
                    tries += 1
                    try:
                        if tries == 1:
                            raise failed
                        reply = await self._attempt(body)
                    except UpstreamError as error:
                        possibly_billed_attempts += (
                            error.status is None and error.kind != "no connection"
                        )
                        raise
        except UpstreamError as error:
            error.attempts, error.possibly_billed_attempts = tries, possibly_billed_attempts
            raise
        return replace(reply, attempts=tries, possibly_billed_attempts=possibly_billed_attempts)

    def _retrying(self) -> "AsyncRetrying":
        from tenacity import (
            AsyncRetrying,
            retry_if_exception,
            stop_after_attempt,
            wait_exponential_jitter,
        )

        endpoint = self._endpoint
        backoff = wait_exponential_jitter(
            multiplier=endpoint.initial_backoff_s,
            max=endpoint.max_backoff_s,
            jitter=endpoint.initial_backoff_s,
        )

        def worth_it(error: BaseException) -> bool:
            if not isinstance(error, UpstreamError) or not error.is_retryable:
                return False
            return error.wait_s is None or error.wait_s <= endpoint.max_backoff_s

        def wait(state: "RetryCallState") -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.wait_s if isinstance(error, UpstreamError) else None
            return backoff(state) if asked is None else asked

        return AsyncRetrying(
            stop=stop_after_attempt(endpoint.attempts),
            retry=retry_if_exception(worth_it),
            wait=wait,
            reraise=True,
        )

    async def _attempt(self, body: bytes) -> CompletionResult:
        """Send one request; whatever goes wrong is a `UpstreamError`."""
        import httpx

        if self._limiter is not None:
            await self._limiter.acquire()
        try:
            async with self._slots, asyncio.timeout(self._endpoint.timeout_s):
                response = await self._post(body)
        except (httpx.HTTPError, OSError) as error:
            named = map_transport_error(error, self._endpoint.timeout_s)
            raise UpstreamError(named.kind, self._redact(named.message)) from error
        if response.status_code != 200:
            raise self._http_error(response)
        try:
            return self._read(json.loads(response.content))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            start = self._redact(response.text)
            raise UpstreamError("garbage", f"expected a chat completion, got {start!r}") from error

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

    def _read(self, data: Mapping[str, Any]) -> CompletionResult:
        if "choices" not in data and isinstance(data.get("error"), dict):  # OpenRouter, with 200
            error = data["error"]
            code = error.get("code")
            status = code if isinstance(code, int) and 400 <= code < 600 else 502
            raise UpstreamError(f"http {status}", self._redact(str(error.get("message"))), status)
        choice = data["choices"][0]
        content = choice["message"]["content"]
        if not isinstance(content, str | None):
            raise TypeError("content is not text")
        usage = data.get("usage") or {}
        return CompletionResult(
            (content or "").replace(self._endpoint.key.strip(), "***"),
            token_count(usage.get("prompt_tokens")),
            token_count(usage.get("completion_tokens")),
            truncated=choice.get("finish_reason") == "length",
        )

    def _http_error(self, response: "httpx.Response") -> UpstreamError:
        try:
            data = json.loads(response.content)
            said = data["error"]["message"] if isinstance(data["error"], dict) else data["error"]
        except (ValueError, KeyError, TypeError):
            said = response.text
        status = response.status_code
        error = UpstreamError(f"http {status}", self._redact(str(said)), status)
        error.wait_s = retry_after_s(response.headers.get("retry-after"), datetime.now(UTC))
        return error

    def _redact(self, text: str) -> str:
        """Return `text` on one line, short, and without the key."""
        return " ".join(text.replace(self._endpoint.key.strip(), "***").split())[:MAX_ERROR_CHARS]


def open_transport(connections: int) -> "AiohttpTransport":
    """Return pooled connections, none of which remembers a cookie; 0: as many as asked for."""
    # httpx's own pool looks at every connection for every request: at 64 in flight that is
    # five milliseconds of CPU a call. aiohttp's does not, and the transport alone, without
    # httpx's client around it, saves another fifth.
    from aiohttp import ClientSession, DummyCookieJar, TCPConnector
    from httpx_aiohttp import AiohttpTransport

    session = ClientSession(
        connector=TCPConnector(limit=connections),
        cookie_jar=DummyCookieJar(),
        trust_env=bool(getproxies()),
    )
    # The session has its own; without one that costs nothing the transport reads all certificates.
    unused = SSLContext(PROTOCOL_TLS_CLIENT)
    return AiohttpTransport(verify=unused, client=session)


def map_transport_error(error: Exception, timeout_s: float) -> UpstreamError:
    """Name what `open_transport` raised, or `asyncio.timeout` around it."""
    import httpx
    from aiohttp import ClientConnectorError, ConnectionTimeoutError

    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout | TimeoutError):
        return UpstreamError("timeout", f"no complete answer within {timeout_s:g} s")
    # The transport calls a refused connection and a broken one by the same name.
    refused = isinstance(error.__cause__, ClientConnectorError | ConnectionTimeoutError)
    kind = "no connection" if refused else "cut connection"
    return UpstreamError(kind, str(error) or type(error).__name__)


def token_count(value: object) -> int | None:
    """Return a token count; what is none is unknown, not zero."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
