"""Clients that disconnect."""

import asyncio
import gc

import anyio
import pytest

from tests.deployments.conftest import read


def test_a_cancelled_request_closes_the_connection(site):
    """
    At once, and its slot is free again.
    """

    async def run():
        async with site.open({"*": {"way": "silent"}}):
            task = asyncio.create_task(site.execute())
            while not await asyncio.to_thread(site.log):
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])
            await site.hung_up()
            return task.cancelled(), site.upstreams["small"].in_flight

    assert asyncio.run(run()) == (True, 0)


async def closed(answer):
    await anext(answer.chunks)
    await answer.chunks.aclose()


async def closed_unread(answer):
    await answer.chunks.aclose()


async def cancelled(answer):
    task = asyncio.create_task(read(answer))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task])


async def cancelled_at_every_await(answer):
    with anyio.move_on_after(0.02):  # as in Starlette: all further awaits are cancelled
        await read(answer)


async def garbage_collected(answer):
    answer.chunks = None
    gc.collect()


DISCONNECTS = [closed, closed_unread, cancelled, cancelled_at_every_await, garbage_collected]


@pytest.mark.parametrize("disconnect", DISCONNECTS)
def test_a_disconnect_closes_the_connection(site, disconnect):
    """
    At once; the slot is free, and the breaker counts no failure.
    """

    async def run():
        async with site.open({"*": {"way": "held"}}, breaker_failures=1):
            await disconnect(await site.execute(stream=True))
            await site.hung_up()
            small = site.upstreams["small"]
            return small.in_flight, small.breaker.state

    assert asyncio.run(run()) == (0, "closed")
