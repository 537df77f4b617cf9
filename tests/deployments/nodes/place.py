"""Where the replicas of both Serve configurations land, on a cluster with four logical GPUs.

``python -m tests.deployments.nodes.place``. The head has no CPUs; two nodes have CPUs alone.
"""

from ray.serve.context import _get_global_client

from tests.deployments.nodes.graph import (
    deploy_holding,
    joined,
    nodes_with,
    places,
    print_result,
    replicas,
    running,
    until,
)
from tests.pipelines.clusters import cluster_of, placement_groups

FULL_GPU_NODE = {"Router": 2, "Embedder": 4, "Predictor": 2, "ScopeEngine": 3}


def land(file, n_of):
    """Deploy a file in place of the one before; return where its replicas run."""
    _get_global_client().delete_apps(["scope"])
    application = deploy_holding(file, n_of=n_of)
    wanted = {
        block["name"]: block["autoscaling_config"]["min_replicas"]
        for block in application["deployments"]
    }
    until(lambda: running() == wanted, f"{wanted} run")
    return {
        name: [
            {"n": n, "on": "gpu" if node in nodes_with("GPU") else "cpu"}
            for node, n in nodes.items()
        ]
        for name, nodes in places().items()
    }


def main():
    with cluster_of(0, 4, 4) as cluster:
        cluster.add_node(cpus=16, gpus=4)
        with joined(cluster):
            result = {
                "cpu": land("serve_config.yaml", {}),
                "gpu": land("serve_config.gpu.yaml", {}),
            }
            result["full"] = land("serve_config.gpu.yaml", FULL_GPU_NODE)
            deploy_holding("serve_config.gpu.yaml", n_of=FULL_GPU_NODE | {"ScopeEngine": 4})
            until(lambda: len(replicas("ScopeEngine")) == 4, "a fourth engine is wanted")
            until(lambda: len(placement_groups()) == 4, "a fourth engine asks for its bundle")
            result["groups"] = placement_groups()
            result["engines"] = [one["state"] for one in replicas("ScopeEngine")]
            print_result(result)


if __name__ == "__main__":
    main()
