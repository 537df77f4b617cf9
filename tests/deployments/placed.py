"""Deploys engines that only hold their bundles on a cluster of its own.

``python -m tests.deployments.placed TENSOR_PARALLEL REPLICAS`` prints as JSON where each of them
stands and what ``serve status`` says, as soon as all are up or Serve tells why they are not. A
process of its own, since one that is on a Ray already loses it with a second.
"""

import json
import os
import sys
import time

import ray
from ray import serve

from deployments.replicas.engine import DEPLOYMENT_NAME, build_engine
from deployments.replicas.reasoner import ReasonerArgs
from scope.reasoner.engine import EngineConfig
from tests.pipelines.clusters import cluster_of

PATIENCE_S = 60


class Holding:
    """An engine without a model: it is up as soon as its bundle is there."""

    def __init__(self, llm_config):
        """Load nothing."""


def main(tensor_parallel, replicas):
    ray.init(log_to_driver=False)  # on the cluster below
    engine = EngineConfig(tensor_parallel=tensor_parallel)
    built = build_engine(ReasonerArgs(checkpoint="no/weights", engine=engine))
    # All that Serve is told of the real engine, for another class.
    scaling = {"min_replicas": replicas, "max_replicas": replicas}
    deployment = built._bound_deployment.options(func_or_class=Holding, autoscaling_config=scaling)
    serve.start(proxy_location="Disabled")
    serve._run(deployment.bind(None), name="scope", route_prefix=None, _blocking=False)
    status = settled(replicas)
    groups = [
        {
            "state": group["state"],
            "bundles": len(group["bundles"]),
            "nodes": len(set(group["bundles_to_node_id"].values())),
        }
        for group in ray.util.placement_group_table().values()
    ]
    told = {"groups": groups, "replicas": status.replica_states, "message": status.message}
    sys.stdout.write(json.dumps(told) + "\n")


def settled(replicas):
    """Wait until all replicas run, or Serve says why not."""
    ends_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at:
        status = serve.status().applications["scope"].deployments.get(DEPLOYMENT_NAME)
        if status and (status.message or status.replica_states.get("RUNNING") == replicas):
            return status
        time.sleep(0.2)
    raise SystemExit(f"{PATIENCE_S} s have passed: {serve.status().applications['scope']}")


if __name__ == "__main__":
    with cluster_of(2, 8, 8, gpus=4) as cluster:
        os.environ["RAY_ADDRESS"] = cluster.address
        main(*map(int, sys.argv[1:]))
