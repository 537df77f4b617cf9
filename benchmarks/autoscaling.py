"""Time what clients see of a step to four times the load, under three ways to scale.

``python -m benchmarks.autoscaling [TURNS]``: the policy of serve_config.yaml, Serve's default, and
Serve's default with the delays of serve_config.yaml take turns in one instance of Serve, on a
graph whose replicas wait (`waiting_graph`). With ``SCOPE_RECORDED_POLICY`` set to a file, what
Serve tells the policy is recorded there.
"""

import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import yaml

from benchmarks.recorded_policy import FILE
from benchmarks.serve_flags import CHOSEN
from benchmarks.serving_client import site

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "serve_config.yaml").read_text())
POLICY = CONFIG["applications"][0]["autoscaling_policy"]
RECORDED = {"policy_function": "benchmarks.recorded_policy:scale_and_record"}
DELAYS = {
    name: next(b for b in CONFIG["applications"][0]["deployments"] if b["name"] == "Embedder")[
        "autoscaling_config"
    ][name]
    for name in ("metrics_interval_s", "look_back_period_s", "upscale_delay_s")
}
WAYS = {"ours": (DELAYS, True), "default": ({}, False), "default, our delays": (DELAYS, False)}
"""Way to scale -> settings of each deployment, and whether `POLICY` is in force."""
BASE_PER_S, STEP, BASE_S, STEP_S = 4.0, 4, 10.0, 50.0
TARGET_S = 2.0
"""Of the 95th percentile; it is 0.9 s at the load before the step."""
WINDOW_S = 5.0
GIVE_UP_S = 60.0
MAX_REPLICAS = 5
REPLICAS = {"Router": 1, "Embedder": MAX_REPLICAS, "Predictor": MAX_REPLICAS}


@dataclass(frozen=True)
class Turn:
    """What happened after a step, with times since the step.

    Attributes
    ----------
    sent_s, latency_s : ndarray of shape (n,)
        Of each request; the latency of a failed one is infinite.
    replica_s : float
        Sum over the replicas of the time that their processes existed during the step.
    """

    sent_s: np.ndarray
    latency_s: np.ndarray
    replica_s: float

    @property
    def recovered_s(self) -> float:
        """From when on the 95th percentile of every window meets the target; infinite if never."""
        late = [
            start_s + 1.0
            for start_s in np.arange(0.0, STEP_S - WINDOW_S + 1)
            if self.p95_s(start_s) > TARGET_S
        ]
        last_s = max(late, default=0.0)
        return float("inf") if last_s > STEP_S - WINDOW_S else last_s

    def p95_s(self, start_s: float) -> float:
        """Return the 95th percentile of the requests sent in the window from then."""
        window = (start_s <= self.sent_s) & (self.sent_s < start_s + WINDOW_S)
        return float(np.quantile(self.latency_s[window], 0.95, method="higher"))

    def trace(self) -> str:
        """Return the 95th percentiles, window after window, in seconds."""
        starts_s = np.arange(-WINDOW_S, STEP_S, WINDOW_S)
        return " ".join(f"{self.p95_s(start_s):.1f}" for start_s in starts_s)

    @property
    def over_target(self) -> int:
        """Requests that took longer than the target."""
        return int((self.latency_s[self.sent_s >= 0] > TARGET_S).sum())


def main() -> None:
    """Print a table."""
    turns = compare(tuple(WAYS), int(sys.argv[1]) if sys.argv[1:] else 1)
    print(f"| way | p95 under {TARGET_S:g} s after | requests over it | replica-seconds |")
    print("|---|---|---|---|")
    for way, found in turns.items():
        columns = (
            [f"{turn.recovered_s:.0f} s" for turn in found],
            [f"{turn.over_target} of {(turn.sent_s >= 0).sum()}" for turn in found],
            [f"{turn.replica_s:.0f}" for turn in found],
        )
        print(f"| {way} | {' | '.join(', '.join(column) for column in columns)} |")


def compare(ways: Sequence[str], n_turns: int) -> dict[str, list[Turn]]:
    """Give each way so many turns, one after the other, in one instance of Serve."""
    turns: dict[str, list[Turn]] = {way: [] for way in ways}
    config = {"applications": [application(way) for way in ways]}
    flags = {name: os.environ[name] for name in (FILE,) if name in os.environ}
    with site(config, CHOSEN | flags) as serving:
        for turn in range(n_turns):
            for way in ways:
                wait_until_small(way)
                found = asyncio.run(step(f"{serving.url}/{slug(way)}", way))
                print(f"turn {turn + 1}, {way}: {found.trace()}", file=sys.stderr, flush=True)
                turns[way].append(found)
    return turns


def slug(way: str) -> str:
    """Return the name of the application of a way."""
    return way.replace(", ", "-").replace(" ", "-")


def application(way: str) -> dict[str, Any]:
    """Return the waiting graph, scaled this way, as an application of a Serve configuration."""
    delays, has_policy = WAYS[way]
    policy = {"autoscaling_policy": RECORDED if FILE in os.environ else POLICY}
    return {
        "name": slug(way),
        "route_prefix": f"/{slug(way)}",
        "import_path": "benchmarks.waiting_graph:build",
        "args": {"ray_actor_options": {"num_cpus": 0.05}, "max_ongoing_requests": 8},
        "logging_config": {"enable_access_log": False},
        "deployments": [_deployment(name, largest, delays) for name, largest in REPLICAS.items()],
        **(policy if has_policy else {}),
    }


def _deployment(name: str, largest: int, delays: Mapping[str, float]) -> dict[str, Any]:
    is_router = name == "Router"
    scaling = {
        "min_replicas": 1,
        "max_replicas": largest,
        "target_ongoing_requests": 100 if is_router else 2,  # 2: at the load before the step
        **delays,
        "downscale_delay_s": 30.0,  # small again before its next turn
    }
    limit = {"max_ongoing_requests": 1000} if is_router else {}
    return {"name": name, "autoscaling_config": scaling, **limit}


def wait_until_small(way: str, timeout_s: float = 90.0) -> None:
    """Wait until each deployment has one replica."""
    ends_at = time.monotonic() + timeout_s
    while n_replicas(way) > len(REPLICAS):
        if time.monotonic() > ends_at:
            raise RuntimeError(f"{way} has more than one replica of a deployment")
        time.sleep(0.5)


def n_replicas(way: str) -> int:
    """Count the processes of replicas, also of those that start."""
    title, n = f"ray::ServeReplica:{slug(way)}:", 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            n += path.read_bytes().decode(errors="replace").startswith(title)
        except OSError:  # it has ended
            continue
    return n


async def step(url: str, way: str) -> Turn:
    """Send requests at the load before the step, then at four times as much."""
    rng = np.random.default_rng(0)
    gaps = [
        rng.exponential(1 / BASE_PER_S, int(BASE_S * BASE_PER_S)),
        rng.exponential(1 / BASE_PER_S / STEP, int(STEP_S * BASE_PER_S * STEP)),
    ]
    sent_s = np.cumsum(np.concatenate(gaps)) - gaps[0].sum()
    latency_s = np.full(len(sent_s), np.inf)
    timeout = aiohttp.ClientTimeout(total=GIVE_UP_S)
    connector = aiohttp.TCPConnector(limit=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        step_at = time.monotonic() - sent_s[0]

        async def send(n: int) -> None:
            began_at = time.monotonic()
            try:
                async with session.post(url, data=f"prompt {n}") as response:
                    await response.read()
                    if response.status == 200:
                        latency_s[n] = time.monotonic() - began_at
            except (aiohttp.ClientError, TimeoutError):
                pass

        sampling = asyncio.create_task(_replica_seconds(way, step_at))
        async with asyncio.TaskGroup() as group:
            for n, at_s in enumerate(sent_s):
                await asyncio.sleep(max(0.0, step_at + at_s - time.monotonic()))
                group.create_task(send(n))
        return Turn(sent_s, latency_s, await sampling)


async def _replica_seconds(way: str, step_at: float) -> float:
    total, before = 0.0, step_at
    while (now := time.monotonic()) < step_at + STEP_S:
        total += n_replicas(way) * max(0.0, now - before)
        before = max(now, step_at)
        await asyncio.sleep(0.5)
    return total


if __name__ == "__main__":
    main()
