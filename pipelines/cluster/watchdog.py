"""Detect that the Ray cluster of a job is lost, and end the job with an error message.

Without it, Ray waits a minute for its head and then ends the process without a message.

Private names of ``ray`` are used in this module only.
"""

import atexit
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from scope.errors import ClusterError

CHECK_S = 1.0

RERUN_ADVICE = "run the same command again: it continues with what is finished"


@dataclass(frozen=True, slots=True)
class MonitoredNode:
    """A process of Ray that a job depends on, with its address."""

    name: str
    host: str
    port: int
    lost_after_s: float
    grace_s: float
    """Time for the job to end by an exception before its process is ended."""

    def is_reachable(self) -> bool:
        """Return whether a connection can be opened."""
        try:
            with socket.create_connection((self.host, self.port), timeout=CHECK_S):
                return True
        except OSError:
            return False


@contextmanager
def watchdog() -> Iterator[None]:
    """Raise `ClusterError` in the main thread if the head or the node of the job is lost.

    It does nothing outside the main thread, as only that can be interrupted, and nothing for a
    cluster joined through ``ray://``.
    """
    if threading.current_thread() is not threading.main_thread() or _is_remote():
        yield
        return
    thread = _WatchdogThread(_monitored_nodes())
    thread.start()
    try:
        yield
    except KeyboardInterrupt:
        if thread.lost is None:
            raise
        raise ClusterError(thread.lost) from None
    finally:
        thread.stopped.set()


class _WatchdogThread(threading.Thread):
    """Connects to each node in turn; one that refuses for `lost_after_s` is lost."""

    def __init__(self, nodes: Sequence[MonitoredNode]) -> None:
        super().__init__(name="scope-watch", daemon=True)
        self.stopped = threading.Event()
        self.lost: str | None = None
        self._nodes = nodes

    def run(self) -> None:
        reached_s = dict.fromkeys(self._nodes, time.monotonic())
        while not self.stopped.wait(CHECK_S):
            for node in self._nodes:
                if node.is_reachable():
                    reached_s[node] = time.monotonic()
                elif time.monotonic() - reached_s[node] > node.lost_after_s:
                    self._end_job(node)
                    return

    def _end_job(self, node: MonitoredNode) -> None:
        self.lost = f"{node.name} has been lost for {node.lost_after_s:.0f} s; {RERUN_ADVICE}"
        # Ray's own shutdown would wait for the lost node.
        atexit.unregister(ray._private.worker.shutdown)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if not self.stopped.wait(node.grace_s):
            sys.stderr.write(f"scope: {self.lost}\n")
            os._exit(2)


def _monitored_nodes() -> tuple[MonitoredNode, MonitoredNode]:
    """Return the head of the cluster, and the node that holds the blocks of the job.

    Ray ends the process a minute after the loss of the head, and about fifteen seconds after
    that of the node, which never comes back.
    """
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    own = next(node for node in nodes if node["NodeID"] == context.get_node_id())
    return (
        MonitoredNode("the head of the cluster", host.strip("[]"), int(port), 20.0, 20.0),
        MonitoredNode(
            "the node of this job", own["NodeManagerAddress"], own["NodeManagerPort"], 4.0, 4.0
        ),
    )


def _is_remote() -> bool:
    return bool(ray.util.client.ray.is_connected())  # type: ignore[no-untyped-call]
