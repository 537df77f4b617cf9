"""Ray clusters of several nodes on one machine, to be taken apart."""

from contextlib import contextmanager

from ray.cluster_utils import Cluster

from tests.pipelines.runs import workers


@contextmanager
def cluster_of(head_cpus, *node_cpus, gpus=0):
    """A running cluster, `gpus` on each node but the head; all processes are gone at the end."""
    head = {"num_cpus": head_cpus, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for cpus in node_cpus:
            cluster.add_node(num_cpus=cpus, num_gpus=gpus)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        for node in reversed(cluster.list_all_nodes()):
            node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


def pid_of(node, service):
    """The process number of ``raylet`` or ``gcs_server`` of a node."""
    (found,) = node.all_processes[service]
    return found.process.pid


def hosts(cluster, name):
    """The nodes beside the head with a worker whose title has `name`."""
    return [node for node in cluster.worker_nodes if workers(pid_of(node, "raylet"), name)]
