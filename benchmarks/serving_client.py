"""A separate instance of Ray Serve with its own environment flags, for the length of a block."""

import contextlib
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LOGICAL_CPUS = 4
"""Replicas reserve shares of these; the machine may have fewer."""
SAME_PRIORITY = {"RAY_worker_niceness": "0"}
"""By default Ray's workers have a lower priority than other processes, here the client."""
START_TIMEOUT_S = 180.0
LOG = Path(tempfile.gettempdir()) / "serving_client.log"
Socket = tuple[int, str]
"""Process and the address it listens on."""


@dataclass(frozen=True)
class Site:
    """A running instance of Serve."""

    url: str
    listeners: dict[str, set[str]]
    """Address and port of every TCP socket it listens on, by process."""
    pid: int
    """Process that started all others."""

    def cpu_s(self) -> float:
        """Return the CPU time of all its running processes so far."""
        ticks = sum(sum(_stat(pid)[1:]) for pid in _process_tree(self.pid))
        return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def site(config: dict[str, Any], flags: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Serve a config (as in serve_config.yaml), with these flags in all processes of Ray."""
    before = _listening()
    port = _free_port()
    ours, theirs = multiprocessing.Pipe()
    config = {
        "proxy_location": "HeadOnly",
        **config,
        "http_options": {**config.get("http_options", {}), "host": "127.0.0.1", "port": port},
    }
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(config, theirs))
    with _environment(SAME_PRIORITY | dict(flags or {})):
        process.start()
    theirs.close()
    new: set[Socket] = set()
    try:
        if not ours.poll(START_TIMEOUT_S) or ours.recv() != "ready":
            raise RuntimeError(f"Serve did not start; see {LOG}")
        time.sleep(2)  # some sockets open later
        new = _listening() - before
        listeners: dict[str, set[str]] = {}
        for pid, address in new:
            listeners.setdefault(_name(pid), set()).add(address)
        yield Site(f"http://127.0.0.1:{port}", listeners, process.pid or 0)
    finally:
        ours.close()  # tells the child to stop Ray
        process.join(60)
        for pid, _ in _listening() & new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _serve(config: dict[str, Any], parent: Connection) -> None:
    with LOG.open("w") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    import ray
    from ray import serve
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    try:
        ray.init(address="local", num_cpus=LOGICAL_CPUS, namespace="serve", include_dashboard=False)
        checked = ServeDeploySchema.model_validate(config)
        serve.start(
            proxy_location=checked.proxy_location, http_options=checked.http_options.model_dump()
        )
        _get_global_client().deploy_apps(checked, _blocking=True)
        parent.send("ready")
        with contextlib.suppress(EOFError):
            parent.recv()  # until the parent closes the pipe or dies
    finally:
        ray.shutdown()


def _listening() -> set[Socket]:
    """Return every listening TCP socket with a known process."""
    lines = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
    return {
        (int(pid), line.split()[3])
        for line in lines.splitlines()
        for pid in re.findall(r"pid=(\d+)", line)
    }


def _process_tree(pid: int) -> set[int]:
    """Return a process with all its descendants."""
    parent = {int(path.name): 0 for path in Path("/proc").glob("[0-9]*")}
    for child in parent:
        parent[child] = _stat(child)[0]
    tree, n_before = {pid}, 0
    while len(tree) > n_before:
        n_before = len(tree)
        tree |= {child for child, of in parent.items() if of in tree}
    return tree


def _stat(pid: int) -> tuple[int, int, int]:
    """Return the parent of a process, and its user and system ticks; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0, 0
    return int(fields[1]), int(fields[11]), int(fields[12])


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").split()
        return " ".join(Path(word).name for word in words[:2])[:48]
    return "?"


@contextlib.contextmanager
def _environment(flags: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(flags)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
