"""How often each API key may call."""

import math

from aiolimiter import AsyncLimiter

from deployments.refusals import RateLimitError

MINUTE_S = 60.0


class RateLimiter:
    """One leaky bucket for each key; they live in this replica only.

    A bucket holds one minute's requests, so that a key that was silent may send them at once.
    """

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, AsyncLimiter]] = {}

    async def acquire(self, name: str, requests_per_minute: float) -> None:
        """Count one request of a key; nobody waits.

        Parameters
        ----------
        name : str
            Of the key; configured, not chosen by requests, so that buckets are bounded.
        requests_per_minute : float
            A changed rate starts with an empty bucket.

        Raises
        ------
        RateLimitError
            If the bucket is full. After its `retry_after_s` there is room for one.
        """
        rate, bucket = self._buckets.get(name, (None, None))
        if bucket is None or rate != requests_per_minute:
            size = max(requests_per_minute, 1.0)
            bucket = AsyncLimiter(size, MINUTE_S * size / requests_per_minute)
            self._buckets[name] = requests_per_minute, bucket
        if not bucket.has_capacity():
            wait_s = math.ceil(MINUTE_S / requests_per_minute)
            raise RateLimitError(
                f"more than {requests_per_minute:g} requests a minute with this key; "
                f"try again in {wait_s} s",
                wait_s,
            )
        await bucket.acquire()
