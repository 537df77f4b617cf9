"""Clients that leave, in every way there is."""

import asyncio
import gc

import anyio
import pytest

from tests.deployments.conftest import read


def test_a_cancelled_request_hangs_up(site):
    """
    At once, and its place is free again.
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


async def cancelled_again_and_again(answer):
    with anyio.move_on_after(0.02):  # as Starlette does: every await that follows is cancelled
        await read(answer)


async def forgotten(answer):
    answer.chunks = None
    gc.collect()


LEAVING = [closed, closed_unread, cancelled, cancelled_again_and_again, forgotten]


@pytest.mark.parametrize("leave", LEAVING)
def test_a_client_that_leaves_hangs_up(site, leave):
    """
    At once, however it leaves; the place is free, and the upstream is not to blame.
    """

    async def run():
        async with site.open({"*": {"way": "held"}}, breaker_failures=1):
            await leave(await site.execute(stream=True))
            await site.hung_up()
            small = site.upstreams["small"]
            return small.in_flight, small.breaker.state

    assert asyncio.run(run()) == (0, "closed")
