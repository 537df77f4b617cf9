"""Time an empty Serve graph under each arrangement of Ray's flags, and list the ports it opens.

``python -m benchmarks.serve_flags [NAME ...]``; the first arrangement is the baseline.
"""

import sys
from typing import Any

import numpy as np

from benchmarks.load import Target, load, prompts
from benchmarks.serving_client import Site, site

GRPC = {
    "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
    # an answer to 512 prompts is 4.5 MB: beyond the default of 4 MiB it becomes a 500
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(64 * 2**20),
}
ONE_LOOP = {"RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0"}
NO_THREAD = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}
BUFFER = {"RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000"}
QUIET = {"RAY_SERVE_LOG_TO_STDERR": "0"}
ALL = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
HAPROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "1"}
NO_LOG = {"access log": "off"}  # no flag: ``logging_config`` of the application
ARRANGEMENTS = {
    "defaults": {},
    "grpc": GRPC,
    "one loop": ONE_LOOP,
    "no thread": NO_THREAD,
    "buffer": BUFFER,
    "quiet": QUIET,
    "no access log": NO_LOG,
    "grpc, one loop": GRPC | ONE_LOOP,
    "grpc, one loop, no access log": GRPC | ONE_LOOP | NO_LOG,
    "grpc, one loop, quiet": GRPC | ONE_LOOP | QUIET,
    "grpc, one loop, quiet, no access log": GRPC | ONE_LOOP | QUIET | NO_LOG,
    "grpc, one loop, no thread": GRPC | ONE_LOOP | NO_THREAD,
    "grpc, one loop, no thread, no access log": GRPC | ONE_LOOP | NO_THREAD | NO_LOG,
    "all": ALL,
    "all, thread": ALL | {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "1"},
    "all, HAProxy": ALL | HAPROXY,
    "grpc, one loop, HAProxy": GRPC | ONE_LOOP | HAPROXY,
    "defaults again": {},
}
CLIENTS, ROUNDS, SECONDS = 16, 3, 4.0
EPHEMERAL = 32_768
"""Ports from here on are assigned by the system."""


CHOSEN = GRPC | ONE_LOOP
"""What `make serve` sets."""


def graph(name: str, *, access_log: bool = True, **args: str) -> dict[str, Any]:
    """Return a graph of `serving_baselines` as an application of serve_config.yaml."""
    return {
        "name": name,
        "route_prefix": f"/{name}",
        "import_path": f"benchmarks.serving_baselines:{name}",
        "args": {"ray_actor_options": {"num_cpus": 0.1}, "max_ongoing_requests": 64, **args},
        "logging_config": {"enable_access_log": access_log},
    }


def main() -> None:
    """Print a table."""
    print("| arrangement | p50, ms | 16 clients, req/s | CPU per request, ms | ports |")
    print("|---|---|---|---|---|")
    for name in sys.argv[1:] or ARRANGEMENTS:
        flags = dict(ARRANGEMENTS[name])
        access_log = flags.pop("access log", "on") == "on"
        with site({"applications": [graph("empty", access_log=access_log)]}, flags) as serving:
            print(_row(name, serving), flush=True)


def _row(name: str, serving: Site) -> str:
    prompt = prompts()
    target = Target(f"{serving.url}/empty/", lambda: {"prompt": next(prompt)})
    load(target, CLIENTS, 3)  # warm up
    latency_ms, rates, cpu_ms = [], [], []
    for _ in range(ROUNDS):
        latency_ms.append(load(target, 1, SECONDS).p50_ms)
        before_s = serving.cpu_s()
        result = load(target, CLIENTS, SECONDS)
        cpu_ms.append(1e3 * (serving.cpu_s() - before_s) / len(result.latency_s))
        rates.append(result.per_s)
    columns = _median(latency_ms, ".1f"), _median(rates, ".0f"), _median(cpu_ms, ".1f")
    return f"| {name} | {' | '.join(columns)} | {_open_ports(serving)} |"


def _median(values: list[float], form: str) -> str:
    return f"{np.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def _open_ports(serving: Site) -> str:
    """Count the ports that other machines can reach, and list those with a fixed number."""
    parts, total = [], 0
    for process, addresses in sorted(serving.listeners.items()):
        public = [at for at in addresses if not at.startswith(("127.", "[::1]", "[::ffff:127."))]
        fixed = sorted(at for at in public if int(at.rpartition(":")[2]) < EPHEMERAL)
        total += len(public)
        if public:
            parts.append(" ".join([process, str(len(public)), *fixed]))
    return f"{total}: {', '.join(parts)}"


if __name__ == "__main__":
    main()
