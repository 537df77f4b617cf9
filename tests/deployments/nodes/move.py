"""A node that dies under load, and one that is added: ``python -m tests.deployments.nodes.move``.

The head has no CPUs. Each other node has two, room for one Embedder and all Routers and
Predictors; the load needs two Embedders.
"""

import asyncio
import time
from collections import Counter

from tests.deployments.nodes.graph import joined, print_result, replicas, running, until
from tests.deployments.serving import fixed, load
from tests.deployments.test_app import questions
from tests.pipelines.clusters import cluster_of

CLIENTS = 8
EMBEDDER = {
    "autoscaling_config": {"min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 2},
    "ray_actor_options": {"num_cpus": 1.25},
}
FULL = {"Router": 2, "Embedder": 2, "Predictor": 1}
PROMPTS = questions(200, seed=3)


def main():
    with cluster_of(0, 2, 2) as cluster, joined(cluster) as served:
        served.deploy(
            Router=fixed(2) | {"user_config": {"max_cached_predictions": 0}},
            Embedder=EMBEDDER,
            Predictor=fixed(1),
        )
        result, again, down_at = {}, [], []

        async def ask(client, n):
            body = {"prompt": PROMPTS[n % len(PROMPTS)]}
            response = await client.post("/v1/route", json=body)
            if response.status_code >= 500:  # as OpenAI's clients do
                again.append(response.status_code)
                await asyncio.sleep(0.5)
                response = await client.post("/v1/route", json=body)
            if "down" in str(response.json().get("degraded")):
                down_at.append(time.monotonic())
            return response

        def change():
            result["grown_s"] = _timed(lambda: running() == FULL)
            result.update(_remove(cluster))
            result["added"] = _add(cluster)

        seen = asyncio.run(load(served.url, ask, clients=CLIENTS, seconds=1, meanwhile=change))
        killed_at = result.pop("killed_at")
        result |= {
            "statuses": {str(status): n for status, n in seen.statuses.items()},
            "again": Counter(map(str, again)),
            "degraded": Counter(str(answer["degraded"]) for answer in seen.answers),
            "down_s": round(max(down_at, default=killed_at) - killed_at, 1),
            "longest_s": seen.quantile_s(1),
            "p50_s": seen.quantile_s(0.5),
        }
        print_result(result)


def _timed(condition, timeout_s=90):
    return round(until(condition, "as many replicas as wanted", timeout_s), 1)


def _remove(cluster):
    """Kill the node of the Predictor; wait until all that fits runs on the other one."""
    dead = cluster.node_with("ServeReplica:scope:Predictor")
    (of_predictor,) = replicas("Predictor")
    lost = [one for one in replicas() if one["node"] == of_predictor["node"]]
    began_at = time.monotonic()
    cluster.remove_node(dead, graceful=False)
    gone = {one["pid"] for one in lost}
    until(lambda: not gone & {one["pid"] for one in replicas()}, "the dead replicas are gone")
    noticed_s = time.monotonic() - began_at
    left = {"Router": 2, "Embedder": 1, "Predictor": 1}
    _timed(lambda: running() == left)
    moved_s = time.monotonic() - began_at
    time.sleep(5)
    return {
        "killed_at": began_at,
        "lost": Counter(one["deployment"] for one in lost),
        "noticed_s": round(noticed_s, 1),
        "moved_s": round(moved_s, 1),
        "left": running(),
        "nodes_left": len({one["node"] for one in replicas() if one["state"] == "RUNNING"}),
    }


def _add(cluster):
    """Add a node; wait until the Embedder that had no room runs."""
    before = {one["node"] for one in replicas() if one["state"] == "RUNNING"}
    cluster.add_node(cpus=2)
    took_s = _timed(lambda: running() == FULL)
    new = [one for one in replicas() if one["node"] not in before]
    return {"took_s": took_s, "on_it": Counter(one["deployment"] for one in new)}


if __name__ == "__main__":
    main()
