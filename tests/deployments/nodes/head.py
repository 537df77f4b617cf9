"""The head's control store dies under load: ``python -m tests.deployments.nodes.head WITH``.

WITH is ``redis`` (its address in ``RAY_REDIS_ADDRESS``, as for a real head) or ``nothing``. The
replicas are on a node of their own, the proxy on the head. This process joins no cluster: Ray
ends those that do when a head is lost.
"""

import asyncio
import socket
import sys
import time
from collections import Counter

import httpx

from tests.deployments.nodes.graph import print_result
from tests.deployments.nodes.steps import step
from tests.deployments.serving import fixed
from tests.pipelines.clusters import cluster_of

AWAY_S = 8.0
"""The store is gone for so long: a pod of Kubernetes takes longer, a process less."""
AFTER_S = 15.0
PER_S = 8.0
ALPHA = {"user_config": {"sessions": {"margin": 1e9}, "max_cached_predictions": 0}}
ONE_EACH = {"Router": fixed(1) | ALPHA, "Embedder": fixed(1), "Predictor": fixed(1)}
MORE = ONE_EACH | {"Embedder": fixed(2)}
SESSION = {"x-session-id": "kept"}


def free_port():
    """A port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Asking:
    """One request after the other, sent on time whatever becomes of those before.

    Attributes
    ----------
    seen : list of tuple
        ``(phase, status, seconds)``; the status is the name of the error where there is none.
    """

    def __init__(self, url):
        self.phase, self.seen, self._url = "before", [], url
        self._ends = asyncio.Event()

    async def run(self):
        """Ask until `stop`."""
        async with (
            httpx.AsyncClient(base_url=self._url, timeout=20) as client,
            asyncio.TaskGroup() as group,
        ):
            while not self._ends.is_set():
                group.create_task(self._ask(client, len(self.seen), self.phase))
                await asyncio.sleep(1 / PER_S)

    def stop(self):
        """Send no more requests."""
        self._ends.set()

    async def _ask(self, client, n, phase):
        began_at = time.monotonic()
        try:
            body = {"prompt": f"What is {n} + {n}?"}
            status = str((await client.post("/v1/route", json=body)).status_code)
        except httpx.HTTPError as error:
            status = type(error).__name__
        self.seen.append((phase, status, time.monotonic() - began_at))

    def counts(self):
        """Phase -> status -> number, and the longest answer in seconds."""
        phases = {}
        for phase, status, seconds in self.seen:
            counts = phases.setdefault(phase, Counter())
            counts[status] += 1
            counts["longest_s"] = round(max(counts["longest_s"], seconds), 2)
        return phases


def turn(url, alpha):
    """Model of one turn of a session, and whether the session decided."""
    body = {"prompt": "What is 2 + 2?", "scope": {"alpha": alpha}}
    decision = httpx.post(f"{url}/v1/route", json=body, headers=SESSION, timeout=20).json()
    return decision["model"], decision["sticky"]


async def fail(cluster, asking):
    """Kill the control store and start it again, under load."""
    task = asyncio.create_task(asking.run())
    await asyncio.sleep(3)
    asking.phase = "away"
    await asyncio.to_thread(cluster.kill_gcs)
    await asyncio.sleep(AWAY_S)
    await asyncio.to_thread(cluster.start_gcs)
    asking.phase = "after"
    await asyncio.sleep(AFTER_S)
    asking.stop()
    await task


def main(with_what):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with cluster_of(0, 4) as cluster:
        before = step(cluster.address, port, "HeadOnly", ONE_EACH)
        first = turn(url, 1.0)
        asking = Asking(url)
        asyncio.run(fail(cluster, asking))
        result = {"requests": asking.counts(), "before": before}
        if with_what == "redis":
            result["after"] = step(cluster.address, port, "HeadOnly")
            result["turns"] = [first, turn(url, 0.2)]
            began_at = time.monotonic()
            result["deployed"] = step(cluster.address, port, "HeadOnly", MORE)
            result["deployed_s"] = round(time.monotonic() - began_at, 1)
        print_result(result)


if __name__ == "__main__":
    main(sys.argv[1])
