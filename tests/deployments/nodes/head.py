"""The head dies under load, in part or whole: ``python -m tests.deployments.nodes.head WHAT``.

WHAT is ``store`` (its control store, GCS) or ``node`` (all its processes). The replicas are on a
node of their own; each node has a proxy, the head's on PORT, the other one on the next. The state
is in Redis if ``RAY_REDIS_ADDRESS`` names one, as for a real head. This process joins no cluster:
Ray ends those that do when a head is lost.
"""

import asyncio
import os
import socket
import sys
import time
from collections import Counter
from functools import partial

import httpx

from tests.deployments.nodes.graph import print_result, until
from tests.deployments.nodes.steps import step
from tests.deployments.serving import fixed
from tests.pipelines.clusters import cluster_of

AWAY_S = 8.0
"""The store is gone for so long: a pod of Kubernetes takes longer, a process less."""
AFTER_S = 15.0
PER_S = 8.0
SETTINGS = {"user_config": {"sessions": {"margin": 1e9}, "max_cached_predictions": 0}}
ONE_EACH = {"Router": fixed(1) | SETTINGS, "Embedder": fixed(1), "Predictor": fixed(1)}
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


def is_ready(url):
    """Whether the application answers there."""
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.HTTPError:
        return False


def turn(url, alpha):
    """Model of one turn of a session, and whether the session decided."""
    body = {"prompt": "What is 2 + 2?", "scope": {"alpha": alpha}}
    decision = httpx.post(f"{url}/v1/route", json=body, headers=SESSION, timeout=20).json()
    return decision["model"], decision["sticky"]


async def fail(what, cluster, askings):
    """Kill the head or its store and start it again, under load."""
    kill, start = {
        "store": (cluster.kill_gcs, cluster.start_gcs),
        "node": (partial(cluster.remove_node, 0, graceful=False), cluster.restart_head),
    }[what]
    tasks = [asyncio.create_task(asking.run()) for asking in askings]
    for phase, change, seconds in (
        ("before", None, 3.0),
        ("away", kill, AWAY_S),
        ("after", start, AFTER_S),
    ):
        for asking in askings:
            asking.phase = phase
        if change is not None:
            await asyncio.to_thread(change)
        await asyncio.sleep(seconds)
    for asking in askings:
        asking.stop()
    await asyncio.gather(*tasks)


def main(what):
    port = free_port()
    urls = [f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"]
    worker_port = {"RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(port + 1)}
    with cluster_of(0, 4, environment=worker_port) as cluster:
        before = step(cluster.address, port, "EveryNode", ONE_EACH)
        until(lambda: is_ready(urls[1]), "the proxy of the other node is ready")
        first = turn(urls[1], 1.0)
        askings = [Asking(url) for url in urls]
        try:
            asyncio.run(fail(what, cluster, askings))
        finally:
            at_head, at_node = (asking.counts() for asking in askings)
            sys.stderr.write(f"at the head {at_head}, at the node {at_node}\n")
        result = {"at_head": at_head, "at_node": at_node, "before": before}
        if "RAY_REDIS_ADDRESS" in os.environ:
            result["after"] = step(cluster.address, port, "EveryNode")
            result["turns"] = [first, turn(urls[1], 0.2)]
            began_at = time.monotonic()
            result["deployed"] = step(cluster.address, port, "EveryNode", MORE)
            result["deployed_s"] = round(time.monotonic() - began_at, 1)
        print_result(result)


if __name__ == "__main__":
    main(sys.argv[1])
