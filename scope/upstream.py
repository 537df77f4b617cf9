"""Chat completions from any OpenAI-compatible endpoint: the only module that speaks HTTP.

The key goes into one header and nowhere else: it is left out of every repr, and taken out of
whatever the upstream says.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from scope.endpoint import CallError, Endpoint, Reply, retry_after_s

if TYPE_CHECKING:
    import httpx
    from tenacity import AsyncRetrying, RetryCallState

CONNECT_S = 10.0
SHOWN_CHARS = 300
"""How much of what an upstream says about an error is kept."""


class Upstream:
    """An open client; use it as ``async with Upstream(endpoint) as upstream``."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        # httpx's own pool looks at every connection for every request: at 64 in flight that is
        # five milliseconds of CPU a call. aiohttp's does not.
        import httpx
        from aiolimiter import AsyncLimiter
        from httpx_aiohttp import AiohttpTransport

        endpoint = self._endpoint
        limits = httpx.Limits(
            max_connections=endpoint.concurrency, max_keepalive_connections=endpoint.concurrency
        )
        self._client = await self._stack.enter_async_context(
            httpx.AsyncClient(
                transport=AiohttpTransport(limits=limits),
                headers={"authorization": f"Bearer {endpoint.key.strip()}"},
                timeout=httpx.Timeout(endpoint.timeout_s, connect=CONNECT_S, pool=None),
            )
        )
        self._url = httpx.URL(endpoint.base_url.rstrip("/") + "/chat/completions")
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

    async def ask(self, model: str, prompt: str, **settings: float) -> Reply:
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
        CallError
            If there is none after all attempts, or trying again is of no use.
        """
        messages = [{"role": "user", "content": prompt}]
        body = json.dumps({"model": model, "messages": messages, **settings}).encode()
        tries = maybe_billed = 0
        try:
            async for attempt in self._retrying():
                with attempt:
                    tries += 1
                    try:
                        reply = await self._attempt(body)
                    except CallError as error:
                        maybe_billed += error.status is None and error.kind != "no connection"
                        raise
        except CallError as error:
            error.attempts, error.maybe_billed = tries, maybe_billed
            raise
        return Reply(*reply, attempts=tries, maybe_billed=maybe_billed)

    def _retrying(self) -> "AsyncRetrying":
        from tenacity import (
            AsyncRetrying,
            retry_if_exception,
            stop_after_attempt,
            wait_exponential_jitter,
        )

        endpoint = self._endpoint
        backoff = wait_exponential_jitter(
            multiplier=endpoint.first_wait_s,
            max=endpoint.longest_wait_s,
            jitter=endpoint.first_wait_s,
        )

        def worth_it(error: BaseException) -> bool:
            if not isinstance(error, CallError) or not error.retried:
                return False
            return error.wait_s is None or error.wait_s <= endpoint.longest_wait_s

        def wait(state: "RetryCallState") -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.wait_s if isinstance(error, CallError) else None
            return backoff(state) if asked is None else asked

        return AsyncRetrying(
            stop=stop_after_attempt(endpoint.attempts),
            retry=retry_if_exception(worth_it),
            wait=wait,
            reraise=True,
        )

    async def _attempt(self, body: bytes) -> tuple[str, int | None, int | None]:
        """Send one request; whatever goes wrong is a `CallError`."""
        import httpx
        from aiohttp import ClientConnectorError, ConnectionTimeoutError

        if self._limiter is not None:
            await self._limiter.acquire()
        headers = {"content-type": "application/json"}
        try:
            async with self._slots, asyncio.timeout(self._endpoint.timeout_s):
                response = await self._client.post(self._url, content=body, headers=headers)
        except (httpx.ReadTimeout, httpx.WriteTimeout, TimeoutError) as error:
            waited = f"no complete answer within {self._endpoint.timeout_s:g} s"
            raise CallError("timeout", waited) from error
        except (httpx.HTTPError, OSError) as error:
            # The transport calls a refused connection and a broken one by the same name.
            refused = isinstance(error.__cause__, (ClientConnectorError, ConnectionTimeoutError))
            told = self._clean(str(error) or type(error).__name__)
            raise CallError("no connection" if refused else "cut connection", told) from error
        if response.status_code != 200:
            raise self._refusal(response)
        try:
            return self._read(json.loads(response.content))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            start = self._clean(response.text)
            raise CallError("garbage", f"expected a chat completion, got {start!r}") from error

    def _read(self, data: Mapping[str, Any]) -> tuple[str, int | None, int | None]:
        if "choices" not in data and isinstance(data.get("error"), dict):  # OpenRouter, with 200
            error = data["error"]
            code = error.get("code")
            status = code if isinstance(code, int) and 400 <= code < 600 else 502
            raise CallError(f"http {status}", self._clean(str(error.get("message"))), status)
        content = data["choices"][0]["message"]["content"]
        if not isinstance(content, str | None):
            raise TypeError("content is not text")
        usage = data.get("usage") or {}
        counts = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
        return ((content or "").replace(self._endpoint.key.strip(), "***"), *counts)  # type: ignore[return-value]

    def _refusal(self, response: "httpx.Response") -> CallError:
        try:
            data = json.loads(response.content)
            said = data["error"]["message"] if isinstance(data["error"], dict) else data["error"]
        except (ValueError, KeyError, TypeError):
            said = response.text
        status = response.status_code
        error = CallError(f"http {status}", self._clean(str(said)), status)
        error.wait_s = retry_after_s(response.headers.get("retry-after"), datetime.now(UTC))
        return error

    def _clean(self, text: str) -> str:
        """Return `text` on one line, short, and without the key."""
        return " ".join(text.replace(self._endpoint.key.strip(), "***").split())[:SHOWN_CHARS]


def _count(value: object) -> int | None:
    """Return a token count; what is none is unknown, not zero."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
