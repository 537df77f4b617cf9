"""Time two implementations of the same task, and print their ratio."""

import resource
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def seconds(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return the duration of `work` and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def best(work: Callable[[], Result], repeats: int = 3) -> tuple[float, Result]:
    """Return the duration of the fastest of several runs, and a result."""
    runs = [seconds(work) for _ in range(repeats)]
    return min(run[0] for run in runs), runs[-1][1]


def report(title: str, baseline: str, baseline_s: float, ours_s: float, target: float) -> None:
    """Print both durations, their ratio, and the target ratio."""
    ratio = baseline_s / ours_s
    verdict = "met" if ratio >= target else "NOT met"
    print(f"{title}\n  {baseline}: {baseline_s:.3f} s\n  ours: {ours_s:.3f} s")
    print(f"  ratio {ratio:.1f} (target ≥ {target:g}: {verdict})")


def peak_gib() -> float:
    """Return the peak memory of this process so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
