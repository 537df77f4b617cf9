"""A simulation of the served graph on shared cores, one event after another.

It knows the service times that the model gets, and none of its formulas.
"""

import math
from collections import deque

import numpy as np

SPLIT = {"proxy": 2, "Router": 3}
"""Visits among which a request divides its work: on the way in, between calls, on the way out."""
PATH = ("proxy", "Router", "Embedder", "Router", "Predictor", "Router", "proxy")


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


def simulate_graph(times, load, layout, *, n_requests=3000, seed=0):
    """Latencies, s, of Poisson arrivals of prompts that are not cached."""
    rng = np.random.default_rng(seed)
    arrivals_s = deque(np.cumsum(rng.exponential(1 / load.requests_per_s, n_requests)))
    stations = {name: _processes(name, times, load, layout) for name in layout.replicas}
    everyone = [process for group in stations.values() for process in group]
    now_s, latencies_s = 0.0, []

    def enter(request):
        began_s, step = request
        if step == len(PATH):
            latencies_s.append(now_s - began_s)
            return
        group = stations[PATH[step]]
        pair = rng.choice(len(group), min(2, len(group)), replace=False)
        min((group[index] for index in pair), key=lambda one: one.ongoing).waiting.append(request)

    while len(latencies_s) < n_requests:
        for process in everyone:
            process.start()
        busy = [process for process in everyone if process.current]
        share = min(1.0, layout.cores / len(busy)) if busy else 1.0
        next_s = min((process.left_s / share for process in busy), default=math.inf)
        until_s = min(next_s, (arrivals_s[0] if arrivals_s else math.inf) - now_s)
        now_s += until_s
        for process in busy:
            process.left_s -= until_s * share
        if arrivals_s and arrivals_s[0] <= now_s + 1e-12:
            enter((arrivals_s.popleft(), 0))
        for process in busy:
            if process.left_s <= 1e-12:
                done, process.current = process.current, []
                for began_s, step in done:
                    enter((began_s, step + 1))
    return np.array(latencies_s[n_requests // 10 :])


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
