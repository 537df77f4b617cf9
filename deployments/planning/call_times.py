"""The times of batches in a replica, and of the remote calls of a request that meets no other."""

import numpy as np

from deployments.planning.layout import Load
from deployments.profiling.service_times import ServiceTimes
from scope.arrays import FloatArray


def calls_alone_s(times: ServiceTimes, load: Load, n_cores: int) -> float:
    """Return the time of all remote calls of a request that meets no other, s.

    Calls that run at once take as long as the longest, or as their work on the cores that there
    are.
    """
    total_s = 0.0
    for group in times.calls:
        wall_s = [float(duration_of_batch_s(times, name, load, 1)[0]) for name in group]
        cpu_s = [float(cpu_of_batch_s(times, name, load, 1)[0]) for name in group]
        total_s += max(*wall_s, sum(cpu_s) / n_cores)
    return total_s


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
