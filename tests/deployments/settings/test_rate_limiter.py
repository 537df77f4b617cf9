import asyncio

import pytest

from deployments.protocol.request_errors import RateLimitError
from deployments.settings.access import RateLimiter


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time stands until it is told to go on."""

    now = 1_000.0

    def time(self):
        return self.now


def run(coroutine):
    """Run a coroutine in a loop of standing time."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(coroutine)


def test_a_key_that_calls_too_often_is_told_when_to_come_back():
    """
    Two a minute: after a burst of two, one every 30 seconds.
    """

    async def calls():
        rates = RateLimiter()
        await rates.acquire("ann", 2)
        await rates.acquire("ann", 2)
        with pytest.raises(RateLimitError, match="more than 2 requests a minute") as refused:
            await rates.acquire("ann", 2)
        assert refused.value.retry_after_s == 30
        asyncio.get_running_loop().now += refused.value.retry_after_s
        await rates.acquire("ann", 2)
        with pytest.raises(RateLimitError):
            await rates.acquire("ann", 2)

    run(calls())


def test_keys_do_not_use_up_each_others_rate():
    """
    Each has a bucket of its own.
    """

    async def calls():
        rates = RateLimiter()
        await rates.acquire("ann", 1)
        await rates.acquire("bob", 1)

    run(calls())


def test_a_changed_rate_holds_at_once():
    """
    Without a restart.
    """

    async def calls():
        rates = RateLimiter()
        await rates.acquire("ann", 1)
        await rates.acquire("ann", 60)

    run(calls())


def test_a_rate_below_one_a_minute_admits_one():
    """
    One in two minutes.
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
