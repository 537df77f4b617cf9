"""Latency as `scope plan` predicts it, against a real Serve under Poisson arrivals.

``python -m benchmarks.capacity SERVICE_TIMES.json [SECONDS [ROUNDS]]``; the file is of
``scope bench-replica`` on the same machine, and nothing of it is changed by what is measured here.
The clients share the cores with Serve: their CPU time is measured first and given to the model.
"""

import asyncio
import itertools
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import numpy as np
import yaml

from deployments.commands.bench_replica import SERVE
from deployments.planning.graph import ServedGraph, capacity_per_s
from deployments.planning.layout import Layout, Load
from deployments.profiling.bench import application_of
from deployments.profiling.live_serve import serving, small_config
from deployments.profiling.process_cpu import cpu_seconds
from deployments.profiling.prompts import distinct_prompts
from deployments.profiling.service_times import ServiceTimes

SHARES = (0.3, 0.6, 0.9)
PROMPT_TOKENS, HIT_RATE = 64, 0.2
WARM_UP_S, DRAIN_S = 3.0, 20.0
CONFIG = Path(__file__).parents[1] / "serve_config.yaml"
LAYOUT = Layout(
    replicas={"proxy": 1, "Router": 1, "Embedder": 2, "Predictor": 1},
    max_batch_size={"Embedder": 8, "Predictor": 16},
    cores=len(os.sched_getaffinity(0)),
)


@dataclass(frozen=True)
class Run:
    """Poisson arrivals for some seconds."""

    latency_s: list[float]
    degraded: int
    unfinished: int
    """Requests without an answer when the run ended; their latency counts as the time so far."""
    client_cpu_s: float
    """CPU time of this process for a request."""
    cores: float
    """Cores that Serve took."""
    other_cores: float
    """Cores that took neither Serve nor this process: other programs on the machine."""

    def quantile_ms(self, level: float) -> float:
        """Return a percentile of the latency."""
        return 1e3 * float(np.quantile(self.latency_s, level))


def main() -> None:
    """Predict, measure, compare."""
    times = ServiceTimes.load(Path(sys.argv[1]))
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 30.0
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    config = small_config(
        application_of(yaml.safe_load(CONFIG.read_text())), tuple(LAYOUT.max_batch_size)
    )
    _, *others = config["applications"][0]["deployments"]
    for block in others:
        n = LAYOUT.replicas[block["name"]]
        block["autoscaling_config"] = {"min_replicas": n, "max_replicas": n}
    others[0]["user_config"] = {"max_batch_size": LAYOUT.max_batch_size["Embedder"], "wait_s": 0}
    prompts = distinct_prompts(PROMPT_TOKENS, seed=7)
    with serving([sys.executable, "-c", SERVE], config) as (pid, port):
        url = f"http://127.0.0.1:{port}/v1/route"
        asyncio.run(drive(url, prompts, 10.0, 6.0, pid))  # warm up
        client_cpu_s = asyncio.run(drive(url, prompts, 10.0, 10.0, pid)).client_cpu_s
        layout = replace(LAYOUT, client_cpu_s=client_cpu_s)
        capacity = capacity_per_s(times, Load(1.0, PROMPT_TOKENS, HIT_RATE), layout, math.inf)
        print(f"capacity {capacity:.1f}/s; clients take {1e3 * client_cpu_s:.1f} ms a request")
        found: dict[float, list[Run]] = {share: [] for share in SHARES}
        for seed, share in itertools.product(range(rounds), SHARES):
            run = asyncio.run(drive(url, prompts, share * capacity, seconds, pid, seed))
            found[share].append(run)
            print(
                f"  {share}: {run.quantile_ms(0.5):.0f} {run.quantile_ms(0.95):.0f} ms, "
                f"{run.cores:.2f} cores, {run.degraded} degraded, {run.unfinished} unfinished, "
                f"others {run.other_cores:.2f} cores",
                flush=True,
            )
    report(times, layout, capacity, found)


async def drive(
    url: str, prompts: Iterator[str], rate_per_s: float, seconds: float, pid: int, seed: int = 0
) -> Run:
    """Send requests at the times of a Poisson process, however slow the answers are."""
    rng = np.random.default_rng([seed, int(rate_per_s * 1000)])
    latency_s: list[float] = []
    degraded = 0
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(prompt: str, at_s: float, *, counts: bool) -> None:
            nonlocal degraded
            async with session.post(url, json={"prompt": prompt}) as response:
                await response.read()
                if response.status != 200:
                    raise RuntimeError(f"{url} answered {response.status}")
                degraded += "x-scope-degraded" in response.headers
            if counts:
                # From the time that was planned: a late start is part of the latency.
                latency_s.append(time.perf_counter() - at_s)

        await ask("the same prompt?", 0.0, counts=False)
        tasks, at_s = [], time.perf_counter()
        counted_s, ends_s = at_s + WARM_UP_S, at_s + WARM_UP_S + seconds
        before_s, cpu_s, busy_s = cpu_seconds(pid), time.process_time(), machine_busy_s()
        began_s = at_s
        while (at_s := at_s + rng.exponential(1 / rate_per_s)) < ends_s:
            await asyncio.sleep(max(0.0, at_s - time.perf_counter()))
            prompt = "the same prompt?" if rng.random() < HIT_RATE else next(prompts)
            tasks.append(asyncio.create_task(ask(prompt, at_s, counts=at_s > counted_s)))
        answered, late = await asyncio.wait(tasks, timeout=DRAIN_S)
        for task in answered:
            task.result()  # raises what the request raised
        for task in late:
            task.cancel()
        latency_s += [DRAIN_S] * len(late)
    took_s = time.perf_counter() - began_s
    client_s = time.process_time() - cpu_s
    used_s = sum(cpu_seconds(pid).values()) - sum(before_s.values())
    other_s = max(0.0, machine_busy_s() - busy_s - used_s - client_s)
    return Run(
        latency_s,
        degraded,
        len(late),
        client_s / len(tasks),
        used_s / took_s,
        other_s / took_s,
    )


def machine_busy_s() -> float:
    """Return the seconds in which the cores of the machine have worked."""
    words = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, words)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def report(
    times: ServiceTimes, layout: Layout, capacity: float, found: dict[float, list[Run]]
) -> None:
    """Print predicted against measured."""
    print("other programs are given to the model as they were measured in each share's runs")
    print("| share | requests/s | others, cores | p50, ms: predicted, measured | p95, ms | cores |")
    print("|---|---|---|---|---|---|")
    for share, runs in found.items():
        load = Load(share * capacity, PROMPT_TOKENS, HIT_RATE)
        others = float(np.median([run.other_cores for run in runs]))
        beside = replace(layout, background_cores=others)
        forecast = ServedGraph(times, load, beside).forecast()
        cells = [f"{share}", f"{load.requests_per_s:.1f}", f"{others:.2f}"]
        for level in (0.5, 0.95):
            predicted = 1e3 * forecast.latency.quantile_s(level) if forecast else math.nan
            cells.append(_compare(predicted, [run.quantile_ms(level) for run in runs], ".0f"))
        cores = forecast.cores if forecast else math.nan
        cells.append(_compare(cores, [run.cores for run in runs], ".2f"))
        print(f"| {' | '.join(cells)} |")


def _compare(predicted: float, measured: list[float], form: str) -> str:
    median = float(np.median(measured))
    span = f"{min(measured):{form}}–{max(measured):{form}}"
    return f"{predicted:{form}}, {median:{form}} ({span}), ratio {predicted / median:.2f}"


if __name__ == "__main__":
    main()
