"""Notice that the Ray a job runs on is gone, and end the job with a sentence.

Left alone, Ray waits a minute for its head and then ends the process without a word.
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

RERUN_ADVICE = "run the same command again: it goes on with what is finished"


@dataclass(frozen=True, slots=True)
class MonitoredNode:
    """A part of Ray that a job cannot do without, and where it listens."""

    name: str
    host: str
    port: int
    lost_after_s: float
    patience_s: float
    """Time for the job to end in its own way before its process is ended."""

    def is_reachable(self) -> bool:
        """Say whether it can be connected to."""
        try:
            with socket.create_connection((self.host, self.port), timeout=CHECK_S):
                return True
        except OSError:
            return False


@contextmanager
def watchdog() -> Iterator[None]:
    """Raise `ClusterError` in the main thread if Ray's head, or this machine's Ray, is lost.

    Elsewhere than in the main thread nothing is watched, as only that one can be interrupted,
    nor is a Ray that is used through ``ray://``.
    """
    if threading.current_thread() is not threading.main_thread() or _is_remote():
        yield
        return
    watch = _WatchdogThread(_places())
    watch.start()
    try:
        yield
    except KeyboardInterrupt:
        if watch.lost is None:
            raise
        raise ClusterError(watch.lost) from None
    finally:
        watch.left.set()


class _WatchdogThread(threading.Thread):
    """Tries to connect to each place in turn; one that refuses for long is lost."""

    def __init__(self, places: Sequence[MonitoredNode]) -> None:
        super().__init__(name="scope-watch", daemon=True)
        self.left = threading.Event()
        self.lost: str | None = None
        self._places = places

    def run(self) -> None:
        answered = dict.fromkeys(self._places, time.monotonic())
        while not self.left.wait(CHECK_S):
            for place in self._places:
                if place.is_reachable():
                    answered[place] = time.monotonic()
                elif time.monotonic() - answered[place] > place.lost_after_s:
                    self._end(place)
                    return

    def _end(self, place: MonitoredNode) -> None:
        self.lost = f"{place.name} has been gone for {place.lost_after_s:.0f} s; {RERUN_ADVICE}"
        # Ray's own farewell would wait for what is gone.
        atexit.unregister(ray._private.worker.shutdown)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if not self.left.wait(place.patience_s):
            sys.stderr.write(f"scope: {self.lost}\n")
            os._exit(2)


def _places() -> tuple[MonitoredNode, MonitoredNode]:
    """Return Ray's head, and the node that the job holds its blocks on.

    Ray ends the process on its own a minute after the head has gone, and about fifteen
    seconds after the node, which never comes back.
    """
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    here = next(node for node in nodes if node["NodeID"] == context.get_node_id())
    return (
        MonitoredNode("the cluster's head", host.strip("[]"), int(port), 20.0, 20.0),
        MonitoredNode(
            "this job's node", here["NodeManagerAddress"], here["NodeManagerPort"], 4.0, 4.0
        ),
    )


def _is_remote() -> bool:
    return bool(ray.util.client.ray.is_connected())  # type: ignore[no-untyped-call]
