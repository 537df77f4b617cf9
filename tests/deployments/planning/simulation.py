"""A simulation of the served graph on shared cores, one event after another.

It knows the service times that the model gets, and none of its formulas.
"""

import math
from collections import deque

import numpy as np

SPLIT = {"proxy": 2, "Router": 3}
"""Visits among which a request divides its work: on the way in, between calls, on the way out."""
EMBEDDERS = ("Embedder", "SecondEmbedder")
"""Called at once; the request goes on when both have answered."""
PROXY, ROUTER = ("proxy",), ("Router",)
PATH = (PROXY, ROUTER, EMBEDDERS, ROUTER, ("Predictor",), ROUTER, PROXY)


class Process:
    """Works on one thing at a time: a visit, or a batch of them."""

    def __init__(self, station, largest, work_s):
        self.station, self.largest, self.work_s = station, largest, work_s
        self.waiting, self.current, self.left_s = deque(), [], 0.0

    @property
    def ongoing(self):
        """Visits that wait or are served."""
        return len(self.waiting) + len(self.current)

    def start(self):
        """Begin the next batch, if it is free and something waits."""
        if not self.current and self.waiting:
            n = min(len(self.waiting), self.largest)
            self.current = [self.waiting.popleft() for _ in range(n)]
            self.left_s = self.work_s(n)


class Graph:
    """The processes of a layout, and the requests that pass them."""

    def __init__(self, times, load, layout, rng):
        self.stations = {name: _processes(name, times, load, layout) for name in layout.replicas}
        self.processes = [process for group in self.stations.values() for process in group]
        self.rng, self.latencies_s = rng, []

    def enter(self, now_s, began_s, step):
        """Let a request visit all stations of a step, or end."""
        if step == len(PATH):
            self.latencies_s.append(now_s - began_s)
            return
        groups = [self.stations[name] for name in PATH[step] if name in self.stations]
        request = [began_s, step, len(groups)]
        for group in groups:
            pair = self.rng.choice(len(group), min(2, len(group)), replace=False)
            least = min((group[index] for index in pair), key=lambda process: process.ongoing)
            least.waiting.append(request)

    def end_visits(self, now_s, process):
        """Let the requests of a batch go on that have no other visit of their step left."""
        done, process.current = process.current, []
        for request in done:
            request[2] -= 1
            if not request[2]:
                self.enter(now_s, request[0], request[1] + 1)


def simulate_graph(times, load, layout, *, n_requests=3000, seed=0):
    """Latencies, s, of Poisson arrivals of prompts that are not cached."""
    rng = np.random.default_rng(seed)
    arrivals_s = deque(np.cumsum(rng.exponential(1 / load.requests_per_s, n_requests)))
    graph, now_s = Graph(times, load, layout, rng), 0.0
    while len(graph.latencies_s) < n_requests:
        for process in graph.processes:
            process.start()
        busy = [process for process in graph.processes if process.current]
        share = min(1.0, layout.cores / len(busy)) if busy else 1.0
        next_s = min((process.left_s / share for process in busy), default=math.inf)
        until_s = min(next_s, (arrivals_s[0] if arrivals_s else math.inf) - now_s)
        now_s += until_s
        for process in busy:
            process.left_s -= until_s * share
        if arrivals_s and arrivals_s[0] <= now_s + 1e-12:
            graph.enter(now_s, arrivals_s.popleft(), 0)
        for process in busy:
            if process.left_s <= 1e-12:
                graph.end_visits(now_s, process)
    return np.array(graph.latencies_s[n_requests // 10 :])


def _processes(name, times, load, layout):
    """The processes of a station."""
    if name in SPLIT:
        work_s = times.serve.uncached.cpu_s[name] / SPLIT[name]
        return [Process(name, 1, lambda _: work_s) for _ in range(layout.replicas[name])]
    largest = layout.max_batch_size[name]
    measured = times.deployments[name].seconds_n(load.prompt_tokens, largest)
    return [
        Process(name, largest, lambda n: float(measured[n - 1]))
        for _ in range(layout.replicas[name])
    ]
