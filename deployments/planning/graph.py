"""The latency of a request through proxy, Router, embedders and Predictor at a load."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deployments.planning.batch_queue import BatchQueue
from deployments.planning.call_times import calls_alone_s, cpu_of_batch_s, duration_of_batch_s
from deployments.planning.latency import Latency
from deployments.planning.layout import Layout, Load
from deployments.planning.waiting import as_processes, mean_wait_s, slowdowns, wait_probability
from deployments.profiling.process_cpu import OTHER, PROXY
from deployments.profiling.service_times import HTTP, RequestTimes, ServiceTimes

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
        sizes = {name: layout.max_batch_size[name] for name in times.batched}
        self._wall_n = {
            name: duration_of_batch_s(times, name, load, n) for name, n in sizes.items()
        }
        self._cpu_n = {name: cpu_of_batch_s(times, name, load, n) for name, n in sizes.items()}
        as_measured = load._replace(prompt_tokens=times.serve.prompt_tokens)
        self._measured_calls_s = calls_alone_s(times, as_measured, times.machine.cores)
        self._calls_s = calls_alone_s(times, load, layout.cores)
        # Fine enough for a request alone, long enough for one that waits for hundreds.
        self._step_s = times.serve.uncached.median_s / 100

    def forecast(self) -> GraphForecast | None:
        """Return the steady state; None if the load is more than processes or cores can serve.

        Slower cores make processes busier, and busier processes make cores slower: from free
        cores on, both rise to the smallest state in which they agree.
        """
        names = self._times.stations
        factor = dict.fromkeys(names, 1.0)
        for _ in range(MAX_ROUNDS):
            stations = {name: self._solve(name, factor[name]) for name in names}
            solved = {name: station for name, station in stations.items() if station is not None}
            if len(solved) < len(stations) or self._cores(solved) >= self._layout.cores:
                return None
            found = self._slowdowns(solved)
            change = max(abs(found[name] - factor[name]) for name in names)
            factor = found
            if change < TOLERANCE:
                break
        own_cores = self._cores(solved) - self._other_cores()
        return GraphForecast(
            {name: station.forecast for name, station in solved.items()},
            self._latency(solved, factor),
            own_cores,
        )

    def _slowdowns(self, stations: dict[str, _Station]) -> dict[str, float]:
        """Return how much longer each process computes because it shares the cores."""
        busy = {n: (self._layout.replicas[n], s.forecast.utilisation) for n, s in stations.items()}
        beside = [*as_processes(self._ray_cores()), *as_processes(self._other_cores())]
        n_cores = self._layout.cores
        found = slowdowns([*busy.values(), *beside], n_cores).tolist()
        factor: dict[str, float] = dict(zip(busy, found, strict=False))
        for group in self._times.calls:
            for name in group if len(group) > 1 else ():
                others = self._meanwhile(name, group, busy)
                factor[name] = float(slowdowns([busy[name], *others, *beside], n_cores)[0])
        return factor

    def _meanwhile(
        self, name: str, group: Sequence[str], busy: Mapping[str, tuple[int, float]]
    ) -> Iterator[tuple[int, float]]:
        """Yield what the other deployments do while a process of one computes.

        Of the calls that run at once, one process of each other deployment has the same request.
        """
        for other in busy.keys() - {name}:
            n, utilisation = busy[other]
            if other in group:
                overlap = float(min(1.0, self._cpu_n[other][0] / self._wall_n[name][0]))
                yield 1, max(utilisation, overlap)
                n -= 1
            yield n, utilisation

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
        remote = http
        for group in self._times.calls:
            remote = remote.plus(self._extra_of_group(group, stations))
        utilisation = self._cores(stations) / self._layout.cores
        serve = self._times.serve
        cached = self._path(serve.cached, (), http, factor, utilisation)
        uncached = self._path(serve.uncached, self._times.calls, remote, factor, utilisation)
        return uncached.mixed_with(cached, self._load.hit_rate)

    def _extra_of_group(self, group: Sequence[str], stations: dict[str, _Station]) -> Latency:
        """Return the time of calls that run at once, beyond that of the longest one alone."""
        alone_s = {name: float(self._wall_n[name][0]) for name in group}
        longest, *others = sorted(group, key=lambda name: -alone_s[name])
        extra = stations[longest].extra
        for name in others:
            extra = extra.later_of(stations[name].extra, alone_s[longest] - alone_s[name])
        return extra

    def _path(
        self,
        measured: RequestTimes,
        calls: Sequence[Sequence[str]],
        waits: Latency,
        factor: Mapping[str, float],
        core_utilisation: float,
    ) -> Latency:
        """Return the latency of one kind of request: alone, waiting for processes and for cores.

        The wait for cores is what sharing adds to each service. But together with the waits for
        processes it is not less than if the processes were nothing and a request had only to share
        the cores: then it would be that of a queue with a server for each core.
        """
        groups = ((PROXY,), ("Router",), *calls)
        cpu_s = {name: measured.cpu_s[name] for name in HTTP}
        cpu_s |= {name: float(self._cpu_n[name][0]) for group in calls for name in group}
        http_s = sum(measured.cpu_s[name] for name in HTTP)
        known_s = http_s + (self._measured_calls_s if calls else 0.0)
        alone_s = http_s + (self._calls_s if calls else 0.0)
        alone_s += max(0.0, measured.median_s - known_s)
        slowed_s = sum(max(cpu_s[name] * (factor[name] - 1) for name in group) for group in groups)
        n_cores = self._layout.cores
        all_s = mean_wait_s(n_cores, core_utilisation, sum(cpu_s.values()), 1.0)
        core_wait = Latency.of_wait(
            self._step_s,
            wait_probability(n_cores, core_utilisation),
            max(slowed_s, all_s - waits.mean_s),
        )
        spread = Latency.of_spread(self._step_s, alone_s, measured.p95_s / measured.median_s)
        return spread.plus(waits).plus(core_wait)


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
