import asyncio

import pytest

from deployments.protocol.request_errors import RateLimitError
from deployments.settings.access import RateLimiter


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock is moved by hand."""

    now = 1_000.0

    def time(self):
        return self.now


def run(coroutine):
    """Run a coroutine in a loop with this clock."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(coroutine)


def test_a_key_over_its_rate_gets_a_retry_time():
    """
    Two per minute: after a burst of two, one every 30 seconds.
    """

    async def calls():
        rates = RateLimiter()
        await rates.acquire("ann", 2)
        await rates.acquire("ann", 2)
        with pytest.raises(RateLimitError, match="more than 2 requests per minute") as refused:
            await rates.acquire("ann", 2)
        assert refused.value.retry_after_s == 30
        asyncio.get_running_loop().now += refused.value.retry_after_s
        await rates.acquire("ann", 2)
        with pytest.raises(RateLimitError):
            await rates.acquire("ann", 2)

    run(calls())


def test_keys_have_separate_rates():
    """
    Each key has its own bucket.
    """

    async def calls():
        rates = RateLimiter()
        await rates.acquire("ann", 1)
        await rates.acquire("bob", 1)
        for name in ("ann", "bob"):
            with pytest.raises(RateLimitError):
                await rates.acquire(name, 1)

    run(calls())


def test_a_changed_rate_applies_at_once():
    """
    Without a restart.
    """

    async def calls():
        rates = RateLimiter()
        await rates.acquire("ann", 1)
        with pytest.raises(RateLimitError):
            await rates.acquire("ann", 1)
        await rates.acquire("ann", 2)
        await rates.acquire("ann", 2)
        with pytest.raises(RateLimitError) as refused:
            await rates.acquire("ann", 2)
        assert refused.value.retry_after_s == 30

    run(calls())


def test_a_rate_below_one_per_minute_admits_one():
    """
    One request in two minutes.
    """

    async def calls():
        rates = RateLimiter()
        await rates.acquire("ann", 0.5)
        with pytest.raises(RateLimitError) as refused:
            await rates.acquire("ann", 0.5)
        assert refused.value.retry_after_s == 120
        asyncio.get_running_loop().now += 120
        await rates.acquire("ann", 0.5)

    run(calls())
