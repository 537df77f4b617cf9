"""Upstreams that are full, or whose circuit is open."""

import asyncio

from tests.deployments.conftest import failing, outcomes, read


def test_a_short_deadline_opens_no_circuit(site):
    """
    Reaching the deadline of the client is no failure of the upstream.
    """

    async def run():
        async with site.open({"*": failing("silent")}, breaker_failures=1):
            await site.execute(["small"], deadline_s=0.05)
            return site.upstreams["small"].breaker.state

    assert asyncio.run(run()) == "closed"


def test_an_open_circuit_is_skipped(site):
    """
    The model is not called, and the attempt does not count.
    """

    async def run():
        async with site.open({"small": failing()}, breaker_failures=1, attempts=1):
            await site.execute(["small"])
            return await site.execute()

    answer = asyncio.run(run())

    assert outcomes(answer) == [("small", "open circuit"), ("large", "ok")]


def test_with_all_circuits_open_the_client_gets_a_retry_after(site):
    """
    With status 503, without a call.
    """

    async def run():
        async with site.open({"*": failing()}, breaker_failures=1, attempts=1):
            await site.execute(["small"])
            return await site.execute(["small"])

    answer = asyncio.run(run())

    assert (answer.status, answer.headers) == (503, {"retry-after": "30"})
    assert answer.body["error"]["code"] == "upstreams_down"


def test_a_full_upstream_is_skipped(site):
    """
    The third of three requests finds the only slot of each model occupied.
    """

    async def run():
        async with site.open({"*": {"delay_s": 0.2}}, max_concurrency=1):
            return await asyncio.gather(*(site.execute() for _ in range(3)))

    first, second, third = asyncio.run(run())

    assert outcomes(first) == [("small", "ok")]
    assert outcomes(second) == [("small", "full"), ("large", "ok")]
    assert (third.status, third.body["error"]["code"]) == (503, "upstreams_full")
    assert third.headers == {"retry-after": "1"}


def test_a_stream_holds_its_slot_until_it_ends(site):
    """
    Not only until its first byte.
    """

    async def run():
        async with site.open(max_concurrency=1):
            first = await site.execute(["small"], stream=True)
            second = await site.execute(["small"])
            await read(first)
            return second, await site.execute(["small"])

    second, third = asyncio.run(run())

    assert (second.status, third.status) == (503, 200)
