"""Join a cluster of several nodes, deploy on it and see where the replicas are."""

import copy
import json
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import ray
import yaml
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema

from tests.deployments.serving import serving

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 60


@contextmanager
def joined(cluster):
    """Serve on a cluster, its proxy on the head; this process is the driver."""
    ray.init(address=cluster.address, namespace="serve", log_to_driver=False)
    try:
        with serving() as served:
            yield served
    finally:
        ray.shutdown()


def deploy_holding(file, *, n_of=None):
    """Deploy the graph of a file with replicas that only hold their resources.

    `n_of` gives the number of replicas where it is not that of the file.
    """
    (application,) = copy.deepcopy(yaml.safe_load((ROOT / file).read_text())["applications"])
    engine = application["args"].get("reasoner", {}).get("engine")
    application |= {"import_path": "tests.deployments.nodes.holding:build"}
    application["args"] = {"engine": engine}
    for block in application["deployments"]:
        n = (n_of or {}).get(block["name"], block["autoscaling_config"]["min_replicas"])
        block["autoscaling_config"] |= {"min_replicas": n, "max_replicas": n}
    schema = ServeDeploySchema.model_validate({"applications": [application]})
    _get_global_client().deploy_apps(schema)
    return application


def replicas(deployment=None):
    """Deployment, state, process and node of the replicas that Serve lists."""
    details = _get_global_client().get_serve_details()["applications"].get("scope", {})
    found = [
        {
            "deployment": name,
            "state": replica["state"],
            "pid": replica.get("pid"),
            "node": replica.get("node_id"),
        }
        for name, block in details.get("deployments", {}).items()
        for replica in block["replicas"]
    ]
    return [one for one in found if deployment in (None, one["deployment"])]


def running(deployment=None):
    """How many replicas of each deployment run."""
    found = replicas(deployment)
    return Counter(one["deployment"] for one in found if one["state"] == "RUNNING")


def places():
    """Deployment -> how many of its running replicas are on each node, most first."""
    counts = {}
    for one in replicas():
        if one["state"] == "RUNNING":
            counts.setdefault(one["deployment"], Counter())[one["node"]] += 1
    return {name: dict(nodes.most_common()) for name, nodes in counts.items()}


def nodes_with(resource):
    """Ids of the living nodes that have some of a resource."""
    return [
        node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get(resource)
    ]


def until(condition, what, timeout_s=TIMEOUT_S):
    """Wait for a condition; return the seconds it took."""
    began_at = time.monotonic()
    while not condition():
        assert time.monotonic() < began_at + timeout_s, f"{timeout_s} s, and not: {what}"
        time.sleep(0.1)
    return time.monotonic() - began_at


def print_result(result):
    """Print the result of a scenario for the test that runs it."""
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
