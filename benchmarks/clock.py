"""Time two ways of doing one thing in turn, and print their ratio."""

import resource
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def seconds(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return how long `work` took, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def best(work: Callable[[], Result], repeats: int = 3) -> tuple[float, Result]:
    """Return the shortest of several runs: what the machine can do when left alone."""
    runs = [seconds(work) for _ in range(repeats)]
    return min(run[0] for run in runs), runs[-1][1]


def report(what: str, peer: str, peer_s: float, ours_s: float, wanted: float) -> None:
    """Print one line: both times, their ratio, and the ratio wanted."""
    ratio = peer_s / ours_s
    verdict = "met" if ratio >= wanted else "NOT met"
    print(f"{what}\n  {peer}: {peer_s:.3f} s\n  ours: {ours_s:.3f} s")
    print(f"  ratio {ratio:.1f} (wanted ≥ {wanted:g}: {verdict})")


def peak_gib() -> float:
    """Return the peak memory of this process so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
