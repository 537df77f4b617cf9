"""Deploys engines that only hold their bundles on a cluster of its own.

``python -m tests.deployments.placed TENSOR_PARALLEL REPLICAS`` waits until all engines that fit
run, the others pend and Serve says why, then prints as JSON the placement groups and the status.
A process of its own, since pytest may have joined another Ray.
"""

import json
import os
import sys

import ray
from ray import serve

from deployments.replicas.engine import DEPLOYMENT_NAME, build_engine
from deployments.replicas.reasoner import ReasonerArgs
from scope.reasoner.engine import EngineConfig
from tests.pipelines.clusters import are_placed, cluster_of, placement_groups
from tests.pipelines.runs import wait_until

TIMEOUT_S, N_GPUS = 60, 8


class Holding:
    """An engine without a model: it is up as soon as its bundle is there."""

    def __init__(self, llm_config):
        """Load nothing."""


def main(tensor_parallel, replicas):
    ray.init(log_to_driver=False)  # on the cluster below
    engine = EngineConfig(tensor_parallel=tensor_parallel)
    built = build_engine(ReasonerArgs(checkpoint="no/weights", engine=engine))
    # The options of the real engine, for another class.
    scaling = {"min_replicas": replicas, "max_replicas": replicas}
    deployment = built._bound_deployment.options(func_or_class=Holding, autoscaling_config=scaling)
    serve.start(proxy_location="Disabled")
    serve._run(deployment.bind(None), name="scope", route_prefix=None, _blocking=False)
    n_fit = N_GPUS // tensor_parallel

    def settled():
        status = serve.status().applications["scope"].deployments.get(DEPLOYMENT_NAME)
        groups = placement_groups()
        if (
            status is None
            or status.replica_states.get("RUNNING") != n_fit
            or not (status.message or replicas == n_fit)
            or not are_placed(groups, created=n_fit, pending=replicas - n_fit)
        ):
            return None
        return {"groups": groups, "replicas": status.replica_states, "message": status.message}

    sys.stdout.write(json.dumps(wait_until(settled, TIMEOUT_S, every_s=0.2)) + "\n")


if __name__ == "__main__":
    with cluster_of(2, 8, 8, gpus=4) as cluster:
        os.environ["RAY_ADDRESS"] = cluster.address
        main(*map(int, sys.argv[1:]))
