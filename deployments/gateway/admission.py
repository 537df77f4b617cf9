"""Admission of requests: API key, rate, and the limit of requests in flight."""

from collections.abc import Callable, Mapping

from deployments.gateway.live_settings import LiveSettings
from deployments.gateway.request_context import RequestContext
from deployments.protocol import OverloadedError
from deployments.settings import RateLimiter


class Admission:
    """Admits the requests of one replica and counts those in flight.

    Parameters
    ----------
    settings : LiveSettings
    on_closed : callable
        Receives each admitted request when it is over.
    """

    def __init__(self, settings: LiveSettings, on_closed: Callable[[RequestContext], None]) -> None:
        self._settings, self._on_closed = settings, on_closed
        self._rates, self._in_flight = RateLimiter(), 0

    async def admit(self, endpoint: str, headers: Mapping[str, str]) -> RequestContext:
        """Return the context of an admitted request; the caller must close it.

        Parameters
        ----------
        endpoint : str
        headers : mapping of str to str
            Of the request, names in lower case.

        Raises
        ------
        RequestError
            If the API key is wrong or over its rate, or too many requests are in flight.
        """
        current = self._settings.current
        limits = current.settings.limits
        key = current.keyring.authenticate(headers)
        if self._in_flight >= limits.max_in_flight:
            raise OverloadedError(
                f"{self._in_flight} requests are in flight on this replica; try again in 1 s"
            )
        rate = key.requests_per_minute or limits.requests_per_minute
        if rate is not None:
            await self._rates.acquire(key.name, rate)
        self._in_flight += 1
        return RequestContext(endpoint, key.name, current, self._close, key.metadata)

    def _close(self, context: RequestContext) -> None:
        self._in_flight -= 1
        self._on_closed(context)
