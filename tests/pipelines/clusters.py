"""Ray clusters of several nodes on one machine, for tests that remove nodes or kill the head.

``python -m tests.pipelines.clusters GPUS HEAD_CPUS NODE_CPUS ...`` holds one cluster until its
standard input ends. Tests use it through `cluster_of`, never in the process of pytest: about a
minute after the head of a cluster dies, Ray ends every process that has started it or joined it.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

import ray
from ray.cluster_utils import Cluster

from tests.pipelines.runs import ROOT, TIMEOUT_S, workers


class ClusterProcess:
    """A cluster in a process of its own.

    Attributes
    ----------
    address : str
    pids : list of dict
        Process id of each service of each node, such as ``raylet``; the head is the first.
    """

    def __init__(self, process):
        self._process = process
        fields = self._read()
        self.address, self.pids = fields["address"], fields["pids"]

    def node_with(self, title):
        """Index of the first node beside the head with a worker that has `title` in its name."""
        nodes = range(1, len(self.pids))
        return next(node for node in nodes if workers(self.pids[node]["raylet"], title))

    def remove_node(self, node, *, graceful):
        """Stop a node by its index; returns when its processes are gone."""
        assert self._order({"node": node, "graceful": graceful}) == {"removed": node}

    def add_node(self, *, cpus, gpus=0):
        """Start a node; returns its index."""
        self.pids.append(self._order({"cpus": cpus, "gpus": gpus})["added"])
        return len(self.pids) - 1

    def kill_gcs(self):
        """Kill the control store of the head, with SIGKILL; the head's raylet goes on."""
        assert self._order({"gcs": "kill"}) == {"gcs": "kill"}

    def start_gcs(self):
        """Start the control store again, at its old address."""
        assert self._order({"gcs": "start"}) == {"gcs": "start"}

    def restart_head(self):
        """Start a head at the address of the one that was removed, as Kubernetes would."""
        self.pids[0] = self._order({"head": "start"})["head"]

    def _order(self, fields):
        self._process.stdin.write(json.dumps(fields) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self):
        return json.loads(next(line for line in self._process.stdout if line.startswith("{")))


@contextmanager
def cluster_of(head_cpus, *node_cpus, gpus=0, environment=None):
    """A running cluster, `gpus` on each node but the head; all processes are gone at the end.

    `environment` holds variables for the processes of all nodes.
    """
    numbers = map(str, (gpus, head_cpus, *node_cpus))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.pipelines.clusters", *numbers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    try:
        yield ClusterProcess(process)
        process.communicate(timeout=TIMEOUT_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=TIMEOUT_S)


def placement_groups():
    """State, bundles and nodes of each placement group of the cluster this process has joined."""
    return [
        {
            "state": group["state"],
            "bundles": len(group["bundles"]),
            "nodes": len(set(group["bundles_to_node_id"].values())),
        }
        for group in ray.util.placement_group_table().values()
        if group["state"] != "REMOVED"
    ]


def are_placed(groups, *, created, pending):
    """Whether so many groups hold their bundles, so many wait, and there is no other."""
    wanted = ["CREATED"] * created + ["PENDING"] * pending
    return sorted(group["state"] for group in groups) == wanted


def main(gpus, head_cpus, *node_cpus):
    """Hold a cluster, and change it as standard input says; print its address first."""
    head = {"num_cpus": head_cpus, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.head_node]
    try:
        nodes += [cluster.add_node(num_cpus=cpus, num_gpus=gpus) for cpus in node_cpus]
        cluster.wait_for_nodes()
        _print({"address": cluster.address, "pids": [_pids(node) for node in nodes]})
        for line in sys.stdin:
            _print(_follow(json.loads(line), cluster, nodes))
    finally:
        for node in reversed(cluster.list_all_nodes()):
            node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


def _follow(order, cluster, nodes):
    if "cpus" in order:
        nodes.append(cluster.add_node(num_cpus=order["cpus"], num_gpus=order["gpus"]))
        return {"added": _pids(nodes[-1])}
    if "head" in order:
        port = int(nodes[0].gcs_address.rpartition(":")[2])
        nodes[0] = cluster.add_node(num_cpus=0, include_dashboard=False, gcs_server_port=port)
        return {"head": _pids(nodes[0])}
    if "gcs" in order:
        head = cluster.head_node
        (head.kill_gcs_server if order["gcs"] == "kill" else head.start_gcs_server)()
        return order
    cluster.remove_node(nodes[order["node"]], allow_graceful=order["graceful"])
    return {"removed": order["node"]}


def _pids(node):
    return {service: found[0].process.pid for service, found in node.all_processes.items()}


def _print(fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
