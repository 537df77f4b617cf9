"""Notice that the Ray a job runs on is gone, and end the job with a sentence.

Left alone, Ray waits a minute for its head and then ends the process without a word.
"""

import atexit
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from scope.errors import ClusterError

CHECK_S = 1.0
LOST_AFTER_S = 20.0
"""A head that comes back sooner is not lost; Ray itself gives up after 60."""
PATIENCE_S = 20.0
"""Time for the job to end in its own way before its process is ended."""


@contextmanager
def watched() -> Iterator[None]:
    """Raise `ClusterError` in the main thread if Ray's head, or this machine's Ray, is lost.

    Elsewhere than in the main thread nothing is watched, as only that one can be interrupted,
    nor is a Ray that is used through ``ray://``.
    """
    if threading.current_thread() is not threading.main_thread() or _is_remote():
        yield
        return
    watch = _Watch(_places())
    watch.start()
    try:
        yield
    except KeyboardInterrupt:
        if watch.lost is None:
            raise
        raise ClusterError(watch.lost) from None
    finally:
        watch.left.set()


class _Watch(threading.Thread):
    """Tries to connect to each place in turn; one that refuses for long is lost."""

    def __init__(self, places: dict[str, tuple[str, int]]) -> None:
        super().__init__(name="scope-watch", daemon=True)
        self.left = threading.Event()
        self.lost: str | None = None
        self._places, self._refused = places, dict.fromkeys(places, 0.0)

    def run(self) -> None:
        while not self.left.wait(CHECK_S):
            for name, place in self._places.items():
                self._refused[name] = 0.0 if _answers(place) else self._refused[name] + CHECK_S
                if self._refused[name] >= LOST_AFTER_S:
                    self._end(name)
                    return

    def _end(self, name: str) -> None:
        self.lost = (
            f"{name} of the cluster has been gone for {LOST_AFTER_S:.0f} s; "
            "run the same command again: it goes on with what is finished"
        )
        # Ray's own farewell would wait for what is gone.
        atexit.unregister(ray._private.worker.shutdown)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if not self.left.wait(PATIENCE_S):
            sys.stderr.write(f"scope: {self.lost}\n")
            os._exit(2)


def _places() -> dict[str, tuple[str, int]]:
    """Return where Ray's head and this machine's Ray listen."""
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    here = next(node for node in nodes if node["NodeID"] == context.get_node_id())
    return {
        "the head": (host.strip("[]"), int(port)),
        "this machine's node": (here["NodeManagerAddress"], here["NodeManagerPort"]),
    }


def _is_remote() -> bool:
    return bool(ray.util.client.ray.is_connected())  # type: ignore[no-untyped-call]


def _answers(place: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(place, timeout=CHECK_S):
            return True
    except OSError:
        return False
