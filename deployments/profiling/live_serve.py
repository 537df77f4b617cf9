"""What Serve itself adds to a request: measured on a small Serve of one replica each."""

import http.client
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from deployments.profiling.process_cpu import OTHER, PROXY, cpu_seconds
from deployments.profiling.prompts import distinct_prompts
from deployments.profiling.service_times import RequestTimes, ServeTimes
from scope.errors import ClusterError

START_TIMEOUT_S, STOP_TIMEOUT_S, REQUEST_TIMEOUT_S = 180.0, 60.0, 60.0
WARM_UP_REQUESTS = 30
MEAN_PAUSE_S = 0.05
"""Between two requests. Processes fall asleep meanwhile, as they do under a real load, and to wake
them takes time and work that requests one right after the other do not show."""


def measure_serve(
    command: Sequence[str],
    application: Mapping[str, Any],
    called: Sequence[str],
    *,
    prompt_tokens: int,
    seconds: float,
    tell: Callable[[str], None],
) -> ServeTimes:
    """Measure requests to a Serve of one replica each, one after another, with random pauses.

    Parameters
    ----------
    command : sequence of str
        Starts ``scope serve``; ``--config`` and ``--port`` are added.
    application : mapping
        Of serve_config.yaml.
    called : sequence of str
        The deployments that the Router calls for a prompt.
    prompt_tokens : int
        Length of each prompt.
    seconds : float
        Duration of each of three parts: idle, prompts never seen before, one prompt again and
        again.
    tell : callable
        Receives a line about each step.

    Raises
    ------
    ClusterError
        If Serve does not start.
    """
    tell("starting a Serve with one replica of each deployment")
    names = ("Router", *called)
    with serving(command, small_config(application, called)) as (pid, port):
        prompts = distinct_prompts(prompt_tokens, seed=1)
        client = _Client(port)
        for prompt in itertools.islice(prompts, WARM_UP_REQUESTS):
            client.ask(prompt)
        tell(f"Serve: {seconds:g} s without a request")
        idle_cores = _idle_cores(pid, seconds)
        tell(f"Serve: {seconds:g} s of prompts that it has not seen")
        uncached = _measure(pid, lambda: client.ask(next(prompts)), names, seconds, idle_cores)
        tell(f"Serve: {seconds:g} s of a prompt that it has seen")
        cached = _measure(pid, lambda: client.ask("the same prompt?"), names, seconds, idle_cores)
        client.close()
    return ServeTimes(
        prompt_tokens=prompt_tokens,
        idle_cores=sum(idle_cores.values()),
        cached=cached,
        uncached=uncached,
    )


def small_config(application: Mapping[str, Any], called: Sequence[str]) -> dict[str, Any]:
    """Return a Serve configuration with one replica of each deployment, open to this machine.

    It keeps the bank. Engine, Selector and learned routers are left out, since a request may not
    reach them; upstreams are, since only decisions are measured.
    """
    args = application.get("args") or {}
    options = {
        block["name"]: block.get("ray_actor_options", {})
        for block in application.get("deployments") or []
    }
    one = {"min_replicas": 1, "max_replicas": 1}
    blocks = [
        {
            "name": name,
            "max_ongoing_requests": 64,
            "autoscaling_config": one,
            "ray_actor_options": {"num_cpus": 0.1, **_gpus(options.get(name, {}))},
        }
        for name in ("Router", *called)
    ]
    blocks[0]["user_config"] = {
        "access": {"anonymous": True},
        "policy": {"alpha": 0.6},
        # What is slow is measured, too, where an endpoint would decide without it.
        "limits": {"requests_per_minute": 1e9, "deadline_ms": 60_000, "decision_ms": 30_000},
    }
    return {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": 8000, "request_timeout_s": 60},
        "logging_config": {"encoding": "JSON", "enable_access_log": False},
        "applications": [
            {
                "name": "scope",
                "route_prefix": "/",
                "import_path": application["import_path"],
                "args": {"bank": args["bank"]} if "bank" in args else {},
                "deployments": blocks,
            }
        ],
    }


def _gpus(options: Mapping[str, Any]) -> dict[str, float]:
    """Return the GPUs of a deployment's actors, where this machine has any."""
    has_gpu = Path("/dev/nvidia0").exists()
    return {"num_gpus": options["num_gpus"]} if has_gpu and options.get("num_gpus") else {}


class _Client:
    """Sends one request after another over one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_S)

    def ask(self, prompt: str) -> None:
        """Ask for a decision.

        Raises
        ------
        ClusterError
            If there is none, or a degraded one.
        """
        headers = {"content-type": "application/json"}
        body = json.dumps({"prompt": prompt})
        self._connection.request("POST", "/v1/route", body, headers)
        response = self._connection.getresponse()
        text = response.read()
        degraded = response.getheader("x-scope-degraded")
        if response.status != 200 or degraded:
            problem = degraded or text.decode(errors="replace")[:200]
            raise ClusterError(f"Serve answered {response.status}, {problem}; nothing is measured")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _idle_cores(pid: int, seconds: float) -> dict[str, float]:
    """Return the cores that each group of processes takes while there is no request."""
    before_s, began_s = cpu_seconds(pid), time.perf_counter()
    time.sleep(seconds)
    return _used(before_s, cpu_seconds(pid), time.perf_counter() - began_s)


def _measure(
    pid: int,
    ask: Callable[[], None],
    names: Sequence[str],
    seconds: float,
    idle_cores: Mapping[str, float],
) -> RequestTimes:
    """Return latency and CPU time of requests, without what Serve takes when it is idle."""
    latency_s: list[float] = []
    pauses = random.Random(0)
    ask()
    before_s, began_s = cpu_seconds(pid), time.perf_counter()
    while time.perf_counter() < began_s + seconds:
        time.sleep(pauses.expovariate(1 / MEAN_PAUSE_S))
        sent_s = time.perf_counter()
        ask()
        latency_s.append(time.perf_counter() - sent_s)
    took_s = time.perf_counter() - began_s
    used = _used(before_s, cpu_seconds(pid), took_s)
    per_request_s = {
        group: max(0.0, used.get(group, 0.0) - idle_cores.get(group, 0.0)) * took_s / len(latency_s)
        for group in (*names, PROXY, OTHER)
    }
    return RequestTimes(
        n=len(latency_s),
        median_s=float(np.median(latency_s)),
        p95_s=float(np.quantile(latency_s, 0.95)),
        cpu_s=per_request_s,
    )


def _used(
    before_s: Mapping[str, float], after_s: Mapping[str, float], seconds: float
) -> dict[str, float]:
    return {group: (end - before_s.get(group, 0.0)) / seconds for group, end in after_s.items()}


@contextmanager
def serving(command: Sequence[str], config: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Serve a configuration in another process; yields its process id and port.

    A SIGTERM meanwhile stops it, too: it is in a session of its own and would go on.
    """
    before = signal.signal(signal.SIGTERM, _exit)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="scope-bench-") as folder:
        file, log = Path(folder) / "serve_config.yaml", Path(folder) / "log"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        words = [*command, "--config", str(file), "--port", str(port)]
        # Workers of Ray have a lower priority by default; a load generator has not.
        environment = {**os.environ, "RAY_worker_niceness": "0"}
        with log.open("wb") as output:
            process = subprocess.Popen(
                words, stdout=output, stderr=output, env=environment, start_new_session=True
            )
        try:
            _wait_until_ready(process, port, log)
            yield process.pid, port
        finally:
            _stop(process)
            signal.signal(signal.SIGTERM, before)


def _exit(signal_number: int, _: object) -> None:
    """Leave by an exception, as ctrl-c does, so that blocks are closed."""
    raise SystemExit(128 + signal_number)


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    ends_at = time.monotonic() + START_TIMEOUT_S
    while not _is_ready(port):
        if process.poll() is not None or time.monotonic() > ends_at:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = lines[-1] if lines else "it printed nothing"
            raise ClusterError(f"Serve did not start within {START_TIMEOUT_S:g} s: {last}")
        time.sleep(0.3)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Stop a Serve as ctrl-c does; if it does not end, kill its whole session."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
