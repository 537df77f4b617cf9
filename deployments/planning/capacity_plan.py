"""Choose replicas, batch sizes and limits for a load and a target of its 95th percentile."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from deployments.planning.call_times import duration_of_batch_s
from deployments.planning.graph import GraphForecast, ServedGraph, capacity_per_s
from deployments.planning.layout import Layout, Load
from deployments.profiling.process_cpu import PROXY
from deployments.profiling.service_times import HTTP, ServiceTimes
from scope.errors import ConfigError

MAX_UTILISATION = 0.7
"""Of cores and of processes: the rest is for bursts, and for replicas that are being replaced."""

NEARLY_BEST = 0.9
"""Share of the best throughput with which a smaller batch is preferred to larger ones."""

MAX_STEPS = 500
"""Replicas and cores that are added before a target counts as out of reach."""

HEADROOM = 1.5
"""Calls that a replica accepts, in multiples of those that it has on average: with fewer the load
that the autoscaler sees would be cut off."""

MIN_ONGOING = 64
"""Calls that any replica accepts: one that finds all replicas full is tried again only after a wait
that doubles to half a second, in which a replica may have nothing to do."""

ROUTER_ONGOING = 1024
"""The Router rejects by ``limits.max_in_flight``, with OpenAI's error, before Serve does."""

CPU_STEP = 0.05
"""``num_cpus`` is rounded up to a multiple of it."""

FIXED_BATCH = {"Predictor": 16}
"""Batch sizes that no setting changes."""


class Target(NamedTuple):
    """What the plan is for.

    Attributes
    ----------
    p95_s : float
        Of a decision, from request to response.
    cores : int or None
        Cores that there are; None: as many as it takes.
    answer_s : float
        Mean time of an upstream's answer, during which the Router holds the request.
    """

    p95_s: float
    cores: int | None = None
    answer_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """Settings of one deployment, and what to expect of it.

    Attributes
    ----------
    replicas : int
    num_cpus : float
        To reserve for a replica: what it takes at `MAX_UTILISATION` of a core.
    max_batch_size : int or None
        None where there are no batches.
    target_ongoing_requests, max_ongoing_requests : int
        Of one replica.
    utilisation : float
        Share of the time in which a replica works.
    mean_batch : float or None
    latency_s : float
        Mean time of a call.
    """

    replicas: int
    num_cpus: float
    max_batch_size: int | None
    target_ongoing_requests: int
    max_ongoing_requests: int
    utilisation: float
    mean_batch: float | None
    latency_s: float


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """Deployments for a load.

    Attributes
    ----------
    load : Load
    target : Target
    deployments : dict of str to DeploymentPlan
    proxies : int
        HTTP proxies: more than one needs ``proxy_location: EveryNode`` and so many nodes.
    cores : int
        To have.
    cores_used : float
        Expected use of them.
    p50_s, p95_s : float
        Of a decision, expected.
    capacity_per_s : float
        Requests per second at which p95 reaches the target.
    """

    load: Load
    target: Target
    deployments: dict[str, DeploymentPlan]
    proxies: int
    cores: int
    cores_used: float
    p50_s: float
    p95_s: float
    capacity_per_s: float


def make_plan(times: ServiceTimes, load: Load, target: Target) -> CapacityPlan:
    """Return the smallest layout found that serves a load within a target.

    It starts with what the work alone needs at `MAX_UTILISATION`, and adds the replica or core
    that lowers the 95th percentile most, one at a time, until it is within the target.

    Raises
    ------
    ConfigError
        If no number of replicas is enough, or the cores are not.
    """
    _check_reachable(times, load, target)
    layout = _first_layout(times, load, target)
    for _ in range(MAX_STEPS):
        forecast = ServedGraph(times, load, layout).forecast()
        if forecast is not None and forecast.latency.quantile_s(0.95) <= target.p95_s:
            return _plan(times, load, target, layout, forecast)
        layout = _grown(times, load, target, layout, forecast)
    raise _out_of_reach(times, load, target, layout)


def _check_reachable(times: ServiceTimes, load: Load, target: Target) -> None:
    """Check that a request which meets no other is fast enough."""
    alone = Layout(dict.fromkeys(times.stations, 1), dict.fromkeys(times.batched, 1), cores=64)
    quiet = ServedGraph(times, load._replace(requests_per_s=0.01), alone).forecast()
    if quiet is None:
        raise ConfigError("by these service times one request takes over 100 s; measure them again")
    fastest_s = quiet.latency.quantile_s(0.95)
    if fastest_s > target.p95_s:
        raise ConfigError(
            f"a p95 of {1e3 * target.p95_s:g} ms cannot be met: a request that meets no other "
            f"takes {1e3 * fastest_s:.0f} ms (p95) by these service times; allow more, "
            "or measure on faster machines"
        )


def _first_layout(times: ServiceTimes, load: Load, target: Target) -> Layout:
    """Return the layout that the work alone needs."""
    batch = {name: _batch_size(times, name, load, target) for name in times.batched}
    remote_per_s = load.requests_per_s * (1 - load.hit_rate)
    serve, hit_rate = times.serve, load.hit_rate
    work = {
        name: load.requests_per_s
        * (hit_rate * serve.cached.cpu_s[name] + (1 - hit_rate) * serve.uncached.cpu_s[name])
        for name in HTTP
    }
    for name, size in batch.items():
        work[name] = remote_per_s * duration_of_batch_s(times, name, load, size)[-1] / size
    replicas = {name: max(1, math.ceil(busy / MAX_UTILISATION)) for name, busy in work.items()}
    cores = target.cores or math.ceil(sum(work.values()) / MAX_UTILISATION)
    return Layout(replicas, batch, max(1, cores))


def _batch_size(times: ServiceTimes, name: str, load: Load, target: Target) -> int:
    """Return the smallest batch with nearly the best throughput, short enough for the target.

    A call may come just after a full batch has begun, and then has one of its own: together they
    may take the target, not more.
    """
    if name in FIXED_BATCH:
        return FIXED_BATCH[name]
    sizes = times.deployments[name].batches
    duration_s = duration_of_batch_s(times, name, load, sizes[-1])
    fitting = [size for size in sizes if 2 * duration_s[size - 1] <= target.p95_s] or sizes[:1]
    per_s = {size: size / duration_s[size - 1] for size in fitting}
    return min(size for size in fitting if per_s[size] >= NEARLY_BEST * max(per_s.values()))


def _grown(
    times: ServiceTimes, load: Load, target: Target, layout: Layout, forecast: GraphForecast | None
) -> Layout:
    """Return the layout with the one replica or core more that helps most."""
    if forecast is None and target.cores is None:
        return replace(layout, cores=layout.cores + 1)
    options = list(_options(layout, target))
    p95_s = [_p95_s(times, load, option) for option in options]
    before_s = math.inf if forecast is None else forecast.latency.quantile_s(0.95)
    best = int(np.argmin(p95_s))
    if not p95_s[best] < before_s:
        raise _out_of_reach(times, load, target, layout)
    return options[best]


def _options(layout: Layout, target: Target) -> Iterator[Layout]:
    for name in layout.replicas:
        yield layout.with_more(name)
    if target.cores is None:
        yield replace(layout, cores=layout.cores + 1)


def _p95_s(times: ServiceTimes, load: Load, layout: Layout) -> float:
    forecast = ServedGraph(times, load, layout).forecast()
    return math.inf if forecast is None else forecast.latency.quantile_s(0.95)


def _out_of_reach(times: ServiceTimes, load: Load, target: Target, layout: Layout) -> ConfigError:
    """Return the error of a load that the cores do not carry."""
    rate = capacity_per_s(times, load, layout, target.p95_s)
    cores = "1 core, which carries" if layout.cores == 1 else f"{layout.cores} cores, which carry"
    return ConfigError(
        f"{load.requests_per_s:g} requests/s within a p95 of {1e3 * target.p95_s:g} ms need more "
        f"than {cores} {rate:.3g}; have more cores, or allow more time"
    )


def _plan(
    times: ServiceTimes, load: Load, target: Target, layout: Layout, forecast: GraphForecast
) -> CapacityPlan:
    needed = math.ceil(forecast.cores / MAX_UTILISATION)
    cores = target.cores or max(layout.cores, needed)
    return CapacityPlan(
        load=load,
        target=target,
        deployments=_deployments(load, target, layout, forecast),
        proxies=layout.replicas[PROXY],
        cores=cores,
        cores_used=forecast.cores,
        p50_s=forecast.latency.quantile_s(0.5),
        p95_s=forecast.latency.quantile_s(0.95),
        capacity_per_s=capacity_per_s(times, load, layout, target.p95_s),
    )


def _deployments(
    load: Load, target: Target, layout: Layout, forecast: GraphForecast
) -> dict[str, DeploymentPlan]:
    plans = {}
    for name in ("Router", *layout.max_batch_size):
        station, n = forecast.stations[name], layout.replicas[name]
        ongoing = station.ongoing
        at_least = max(MIN_ONGOING, 2 * layout.max_batch_size.get(name, 1))
        if name == "Router":
            # It holds a request until the decision, and then until the upstream's answer.
            held_s = forecast.latency.mean_s + target.answer_s
            ongoing, at_least = load.requests_per_s * held_s / n, ROUTER_ONGOING
        target_ongoing = max(1, math.ceil(ongoing))
        plans[name] = DeploymentPlan(
            replicas=n,
            num_cpus=_num_cpus(station.cores / n),
            max_batch_size=layout.max_batch_size.get(name),
            target_ongoing_requests=target_ongoing,
            max_ongoing_requests=max(math.ceil(HEADROOM * target_ongoing), at_least),
            utilisation=station.utilisation,
            mean_batch=station.mean_batch,
            latency_s=station.latency_s,
        )
    return plans


def _num_cpus(cores: float) -> float:
    """Return what to reserve for a process that takes so many cores, at most one."""
    steps = math.ceil(min(1.0, cores / MAX_UTILISATION) / CPU_STEP)
    return round(max(1, steps) * CPU_STEP, 2)


def gpus_of(plan: CapacityPlan, gpu_shares: Mapping[str, float]) -> float:
    """Return the GPUs of all replicas, given the share of one replica of each deployment."""
    return sum(gpu_shares.get(name, 0.0) * each.replicas for name, each in plan.deployments.items())
