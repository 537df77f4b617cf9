"""The application of serve_config.yaml on a real Serve, on a free port."""

import asyncio
import copy
import logging
import os
import signal
import socket
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml
from httpx_aiohttp import HttpxAiohttpClient
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "serve_config.yaml").read_text())
READY_S = 90.0

figures = logging.getLogger("figures")
"""What tests measure; shown with ``-o log_cli=true --log-cli-level=INFO``."""
logging.getLogger("httpx").setLevel(logging.WARNING)  # else a line for every request


def fixed(n):
    """Settings of a deployment that always has so many replicas."""
    return {"autoscaling_config": {"min_replicas": n, "max_replicas": n}}


class Served:
    """The application, with what tests do to it.

    Parameters
    ----------
    url : str
    """

    def __init__(self, url):
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=60)

    def deploy(self, *, args=None, timeout_s=READY_S, **deployments):
        """Deploy serve_config.yaml with changes, such as ``Router={"user_config": {...}}``.

        A setting that is a mapping is joined with the one in the file; a deployment that is not
        in the file is added. Waits until it runs.
        """
        config = copy.deepcopy(CONFIG)
        (application,) = config["applications"]
        application["args"] |= args or {}
        for block in application["deployments"]:
            for name, value in deployments.get(block["name"], {}).items():
                joined = isinstance(value, dict) and isinstance(block.get(name), dict)
                block[name] = block[name] | value if joined else value
        there = {block["name"] for block in application["deployments"]}
        more = [{"name": name, **block} for name, block in deployments.items() if name not in there]
        application["deployments"] += more
        schema = {"applications": [application], "logging_config": config["logging_config"]}
        _get_global_client().deploy_apps(ServeDeploySchema.model_validate(schema))
        self.until(lambda: self.status() == "RUNNING", "the application runs", timeout_s)
        self.until(self.ready, "it is ready")

    def ready(self):
        """Whether /ready says so."""
        try:
            return self.http.get("/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def status(self):
        """State of the application."""
        return serve.status().applications["scope"].status.value

    def replicas(self, deployment):
        """How many replicas run."""
        status = serve.status().applications["scope"].deployments[deployment]
        return status.replica_states.get("RUNNING", 0)

    def runs(self, counts):
        """Whether so many replicas of each deployment run, and none is still on its way out."""
        return all(self.replicas(name) == len(self.pids(name)) == n for name, n in counts.items())

    def pids(self, deployment):
        """Process ids of the replicas of a deployment."""
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _is_replica(entry, f"scope:{deployment}")
        ]

    def kill(self, deployment):
        """Kill one replica as the system would: SIGKILL, no goodbye; returns its process id."""
        pid = self.pids(deployment)[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    @staticmethod
    def until(condition, what, timeout_s=READY_S):
        """Wait for a condition."""
        ends_at = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < ends_at, f"{timeout_s:g} s have passed, and not: {what}"
            time.sleep(0.1)


def _is_replica(entry, name):
    try:
        words = (entry / "cmdline").read_bytes().decode(errors="replace")
    except OSError:  # it has ended
        return False
    return words.startswith(f"ray::ServeReplica:{name}")


@contextmanager
def serving():
    """Start Serve on a free port of this machine; yields a `Served` with nothing deployed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port}, proxy_location="HeadOnly")
    served = Served(f"http://127.0.0.1:{port}")
    try:
        yield served
    finally:
        served.http.close()
        serve.shutdown()


@dataclass
class Load:
    """The responses of clients that send one request after another, in parallel.

    Attributes
    ----------
    statuses : Counter
        Of answers; ``error`` where there was none.
    latencies_s : list of float
        Of answers with status 200.
    answers : list
        Bodies of answers with status 200.
    refused : list of httpx.Response
        All other answers.
    """

    statuses: Counter = field(default_factory=Counter)
    latencies_s: list = field(default_factory=list)
    answers: list = field(default_factory=list)
    refused: list = field(default_factory=list)

    @property
    def n(self):
        """Requests that were sent."""
        return sum(self.statuses.values())

    def share(self, *statuses):
        """Share of requests that ended so."""
        return sum(self.statuses[status] for status in statuses) / self.n

    def quantile_s(self, level):
        """Latency that a share of the answers did not exceed."""
        return sorted(self.latencies_s)[int(level * (len(self.latencies_s) - 1))]


async def load(url, ask, *, clients, seconds, meanwhile=None, timeout_s=30.0):
    """Have clients ask for so long, each one request after another.

    Parameters
    ----------
    url : str
    ask : async callable
        ``(client, n) -> response`` for the n-th request of all.
    clients : int
    seconds : float
    meanwhile : callable, optional
        Runs in a thread while they ask; they stop when both are over.
    """
    seen, ends_at, n = Load(), time.monotonic() + seconds, iter(range(10**9))
    limits = httpx.Limits(max_connections=None)

    async def ask_on(client):
        while time.monotonic() < ends_at or (task is not None and not task.done()):
            began_at = time.monotonic()
            try:
                response = await ask(client, next(n))
            except httpx.HTTPError as error:
                seen.statuses[f"error: {type(error).__name__}"] += 1
                await asyncio.sleep(0.05)
                continue
            seen.statuses[response.status_code] += 1
            if response.status_code == 200:
                seen.latencies_s.append(time.monotonic() - began_at)
                seen.answers.append(response.json())
            else:
                seen.refused.append(response)

    # On two cores the CPU of clients is what the server lacks: aiohttp's take the least.
    async with HttpxAiohttpClient(base_url=url, timeout=timeout_s, limits=limits) as client:
        task = asyncio.create_task(asyncio.to_thread(meanwhile)) if meanwhile else None
        await asyncio.gather(*(ask_on(client) for _ in range(clients)))
        if task is not None:
            await task
    return seen
