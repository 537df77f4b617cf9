"""The latency of a request through proxy, Router, Embedder and Predictor at a load."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deployments.planning.batch_queue import BatchQueue
from deployments.planning.latency import Latency
from deployments.planning.layout import STATIONS, Layout, Load
from deployments.planning.waiting import mean_wait_s, slowdowns, wait_probability
from deployments.profiling.process_cpu import OTHER, PROXY
from deployments.profiling.service_times import BATCHED, HTTP, RequestTimes, ServiceTimes
from scope.arrays import FloatArray

MAX_ROUNDS, TOLERANCE = 100, 1e-3
"""Of the fixed point of shared cores: rounds, and the change of a slowdown that ends them."""


@dataclass(frozen=True, slots=True)
class StationForecast:
    """One kind of process at a load.

    Attributes
    ----------
    utilisation : float
        Share of the time in which a process works on something, [0, 1].
    cores : float
        That all its processes take.
    mean_batch : float or None
        Calls in a batch; None where there are no batches.
    wait_s : float
        Mean time of a call beyond the service of one alone.
    latency_s : float
        Mean time of a call, from arrival to result.
    ongoing : float
        Mean number of calls at one process, by Little's law.
    """

    utilisation: float
    cores: float
    mean_batch: float | None
    wait_s: float
    latency_s: float
    ongoing: float


@dataclass(frozen=True, slots=True)
class GraphForecast:
    """A graph at a load.

    Attributes
    ----------
    stations : dict of str to StationForecast
    latency : Latency
        Of all requests, cached or not.
    cores : float
        Taken by all processes of Serve and Ray, and not by clients and other programs.
    """

    stations: dict[str, StationForecast]
    latency: Latency
    cores: float


class _Station(NamedTuple):
    """A station in steady state."""

    forecast: StationForecast
    extra: Latency
    """Time of a call beyond the service of one alone."""


class ServedGraph:
    """The graph of measured service times at a load.

    Parameters
    ----------
    times : ServiceTimes
    load : Load
    layout : Layout
    """

    def __init__(self, times: ServiceTimes, load: Load, layout: Layout) -> None:
        self._times, self._load, self._layout = times, load, layout
        sizes = {name: layout.max_batch_size[name] for name in BATCHED}
        self._wall_n = {
            name: duration_of_batch_s(times, name, load, n) for name, n in sizes.items()
        }
        self._cpu_n = {name: cpu_of_batch_s(times, name, load, n) for name, n in sizes.items()}
        # Fine enough for a request alone, long enough for one that waits for hundreds.
        self._step_s = times.serve.uncached.median_s / 100

    def forecast(self) -> GraphForecast | None:
        """Return the steady state; None if the load is more than processes or cores can serve.

        Slower cores make processes busier, and busier processes make cores slower: from free
        cores on, both rise to the smallest state in which they agree.
        """
        factor = dict.fromkeys(STATIONS, 1.0)
        for _ in range(MAX_ROUNDS):
            stations = {name: self._solve(name, factor[name]) for name in STATIONS}
            solved = {name: station for name, station in stations.items() if station is not None}
            if len(solved) < len(stations) or self._cores(solved) >= self._layout.cores:
                return None
            busy = [(self._layout.replicas[n], s.forecast.utilisation) for n, s in solved.items()]
            beside = [*_as_processes(self._ray_cores()), *_as_processes(self._other_cores())]
            found = slowdowns([*busy, *beside], self._layout.cores)
            change = max(abs(found[n] - factor[name]) for n, name in enumerate(STATIONS))
            factor = dict(zip(STATIONS, found.tolist(), strict=False))
            if change < TOLERANCE:
                break
        own_cores = self._cores(solved) - self._other_cores()
        return GraphForecast(
            {name: station.forecast for name, station in solved.items()},
            self._latency(solved, factor),
            own_cores,
        )

    def _solve(self, name: str, factor: float) -> _Station | None:
        if name in HTTP:
            return self._solve_http(name, factor)
        return self._solve_batched(name, factor)

    def _solve_http(self, name: str, factor: float) -> _Station | None:
        """Solve processes that serve one request after another, each for its CPU time."""
        serve, hit_rate = self._times.serve, self._load.hit_rate
        cpu_s = np.array([serve.cached.cpu_s[name], serve.uncached.cpu_s[name]])
        share = np.array([hit_rate, 1 - hit_rate])
        mean_s = float(cpu_s @ share)
        n, rate_per_s = self._layout.replicas[name], self._load.requests_per_s
        utilisation = rate_per_s * mean_s * factor / n
        if utilisation >= 1:
            return None
        variation = float(cpu_s**2 @ share) / mean_s**2 - 1 if mean_s else 0.0
        wait_s = mean_wait_s(n, utilisation, mean_s * factor, variation)
        extra = Latency.of_wait(self._step_s, wait_probability(n, utilisation), wait_s)
        latency_s = wait_s + mean_s * factor
        forecast = StationForecast(
            utilisation, rate_per_s * mean_s, None, wait_s, latency_s, rate_per_s * latency_s / n
        )
        return _Station(forecast, extra)

    def _solve_batched(self, name: str, factor: float) -> _Station | None:
        """Solve processes that serve batches; calls go to the one of two that has fewer."""
        n = self._layout.replicas[name]
        rate_per_s = self._load.requests_per_s * (1 - self._load.hit_rate) / n
        service_s_n = self._wall_n[name] + self._cpu_n[name] * (factor - 1)
        if rate_per_s == 0:
            alone = Latency.of_wait(self._step_s, 0.0, 0.0)
            idle = StationForecast(0.0, 0.0, 1.0, 0.0, float(service_s_n[0]), 0.0)
            return _Station(idle, alone)
        queue = BatchQueue.solve(rate_per_s, service_s_n)
        if queue is None:
            return None
        # Of several replicas a call finds one free more often than a single one is.
        busy_share = wait_probability(n, queue.utilisation) / queue.utilisation
        extra = Latency.of_values(self._step_s, *queue.extra_latency(min(1.0, busy_share)))
        latency_s = float(service_s_n[0]) + extra.mean_s
        cores = n * queue.mean_cpu_s(self._cpu_n[name]) / queue.cycle_s
        forecast = StationForecast(
            queue.utilisation,
            cores,
            queue.mean_batch,
            extra.mean_s,
            latency_s,
            rate_per_s * latency_s,
        )
        return _Station(forecast, extra)

    def _cores(self, stations: dict[str, _Station]) -> float:
        taken = sum(station.forecast.cores for station in stations.values())
        return taken + self._ray_cores() + self._other_cores()

    def _other_cores(self) -> float:
        """Cores of everything that is not Serve."""
        clients = self._load.requests_per_s * self._layout.client_cpu_s
        return self._layout.background_cores + clients

    def _ray_cores(self) -> float:
        """Cores of Ray's own processes: the controller, the raylet, the GCS."""
        serve, hit_rate = self._times.serve, self._load.hit_rate
        cached_s, uncached_s = serve.cached.cpu_s[OTHER], serve.uncached.cpu_s[OTHER]
        per_request_s = hit_rate * cached_s + (1 - hit_rate) * uncached_s
        return serve.idle_cores + self._load.requests_per_s * per_request_s

    def _latency(self, stations: dict[str, _Station], factor: dict[str, float]) -> Latency:
        """Return the latency of all requests, cached or not."""
        http = stations[PROXY].extra.plus(stations["Router"].extra)
        remote = http.plus(stations["Embedder"].extra).plus(stations["Predictor"].extra)
        utilisation = self._cores(stations) / self._layout.cores
        serve = self._times.serve
        cached = self._path(serve.cached, HTTP, http, factor, utilisation)
        uncached = self._path(serve.uncached, STATIONS, remote, factor, utilisation)
        return uncached.mixed_with(cached, self._load.hit_rate)

    def _path(
        self,
        measured: RequestTimes,
        names: Sequence[str],
        waits: Latency,
        factor: Mapping[str, float],
        core_utilisation: float,
    ) -> Latency:
        """Return the latency of one kind of request: alone, waiting for processes and for cores.

        The wait for cores is what sharing adds to each service. But together with the waits for
        processes it is not less than if the processes were nothing and a request had only to share
        the cores: then it would be that of a queue with a server for each core.
        """
        cpu_s = {name: measured.cpu_s[name] for name in HTTP if name in names}
        cpu_s |= {name: float(self._cpu_n[name][0]) for name in BATCHED if name in names}
        wall_s = {name: float(self._wall_n[name][0]) for name in BATCHED if name in names}
        known_s = sum(measured.cpu_s[name] for name in names)
        alone_s = max(0.0, measured.median_s - known_s) + sum((cpu_s | wall_s).values())
        slowed_s = sum(cpu_s[name] * (factor[name] - 1) for name in names)
        n_cores = self._layout.cores
        all_s = mean_wait_s(n_cores, core_utilisation, sum(cpu_s.values()), 1.0)
        core_wait = Latency.of_wait(
            self._step_s,
            wait_probability(n_cores, core_utilisation),
            max(slowed_s, all_s - waits.mean_s),
        )
        spread = Latency.of_spread(self._step_s, alone_s, measured.p95_s / measured.median_s)
        return spread.plus(waits).plus(core_wait)


def duration_of_batch_s(times: ServiceTimes, name: str, load: Load, largest: int) -> FloatArray:
    """Return the time of a batch of 1, 2, ..., `largest` calls in a replica, s."""
    alone_s = times.deployments[name].seconds_n(load.prompt_tokens, largest)
    return alone_s + times.call_overhead_s(name) * np.arange(1, largest + 1)


def cpu_of_batch_s(times: ServiceTimes, name: str, load: Load, largest: int) -> FloatArray:
    """Return the part of it in which a core computes, s: less where a GPU does the work."""
    measured = times.deployments[name]
    alone_s = measured.cpu_seconds_n(load.prompt_tokens, largest)
    alone_s = np.minimum(alone_s, measured.seconds_n(load.prompt_tokens, largest))
    return alone_s + times.call_overhead_s(name) * np.arange(1, largest + 1)


def _as_processes(cores: float) -> list[tuple[int, float]]:
    """Return so many cores as processes that always compute, and one that does so at times.

    Examples
    --------
    >>> _as_processes(2.25)
    [(2, 1.0), (1, 0.25)]
    """
    whole = math.floor(cores)
    return [(whole, 1.0), (1, cores - whole)]


def capacity_per_s(times: ServiceTimes, load: Load, layout: Layout, p95_s: float) -> float:
    """Return the highest rate at which a layout serves with a p95 of at most `p95_s`, per second.

    With an infinite `p95_s` it is the rate that processes and cores can serve at all.
    """
    low, high = 0.0, 1.0
    while _is_met(times, load._replace(requests_per_s=high), layout, p95_s):
        low, high = high, 2 * high
    while high - low > 0.005 * high:
        middle = (low + high) / 2
        if _is_met(times, load._replace(requests_per_s=middle), layout, p95_s):
            low = middle
        else:
            high = middle
    return low


def _is_met(times: ServiceTimes, load: Load, layout: Layout, p95_s: float) -> bool:
    forecast = ServedGraph(times, load, layout).forecast()
    return forecast is not None and forecast.latency.quantile_s(0.95) <= p95_s
