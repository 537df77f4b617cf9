"""2,000 calls of ``scope measure`` to an upstream of 50 ms, against sequential calls.

The upstream runs in a process of its own on the same cores. Ours is ``scope measure`` without
reading the questions: spend cap, retries, grading, and a journal of every result.
"""

import asyncio
import cProfile
import math
import os
import pstats
import sys
import tempfile
from pathlib import Path

import httpx

from benchmarks.clock import best, report, seconds
from pipelines.measure.call_plan import Call, MeasuredQuestion
from pipelines.measure.journal import Journal
from pipelines.measure.run import RequestSettings, measure
from pipelines.measure.spend_cap import MeasureProgress, SpendCap
from scope.pool import ModelSpec
from scope.questions.grading import make_grader
from scope.upstream.endpoint import EndpointConfig
from tests.upstream import running

N_CALLS, N_SEQUENTIAL, CONCURRENCY, LATENCY_S = 2_000, 60, 64, 0.05
REPEATS = 5
TARGET_SHARE, TARGET_RATIO = 0.8, 30.0
MODEL = ModelSpec(id="m", usd_per_mtok_in=0.1, usd_per_mtok_out=0.3)


def calls() -> list[Call]:
    """Return calls with questions of about 400 characters and four options."""
    text = "Which of these is it, all things considered? " * 8
    prompts = [f"{i}: {text}\nA. one\nB. two\nC. three\nD. four" for i in range(N_CALLS)]
    choice = make_grader("choice")
    return [
        Call(MeasuredQuestion(str(i), prompt, "A", choice, None), MODEL, 512)
        for i, prompt in enumerate(prompts)
    ]


def ours(planned: list[Call], base_url: str) -> None:
    """Make all calls, with a journal in a temporary folder."""
    settings = RequestSettings(EndpointConfig(base_url, "key", concurrency=CONCURRENCY))
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder), {}, fresh=True) as journal:
        progress = MeasureProgress(len(planned), SpendCap(math.inf, 0.0, 0.0))
        asyncio.run(measure(planned, settings, journal, progress))
        if progress.errors or progress.ungradable:
            raise RuntimeError(f"some calls failed: {progress}")


def sequential(planned: list[Call], base_url: str) -> None:
    """Make one call after another, as the published code does."""
    with httpx.Client(timeout=60) as client:
        for call in planned:
            message = {"role": "user", "content": call.question.prompt}
            body = {"model": "m", "messages": [message], "max_tokens": 512, "temperature": 0}
            client.post(f"{base_url}/chat/completions", json=body).json()


def main() -> None:
    """Run both and compare."""
    planned = calls()
    with running({"*": {"delay_s": LATENCY_S}}) as upstream:
        ours(planned[:200], upstream.base_url)  # warm up
        if "--profile" in sys.argv:
            profile = cProfile.Profile()
            profile.runcall(ours, planned, upstream.base_url)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            return
        before_s = os.times().user + os.times().system
        ours_s, _ = best(lambda: ours(planned, upstream.base_url), REPEATS)
        cpu_s = (os.times().user + os.times().system - before_s) / REPEATS
        sequential_s, _ = seconds(lambda: sequential(planned[:N_SEQUENTIAL], upstream.base_url))
    share = N_CALLS / ours_s / (CONCURRENCY / LATENCY_S)
    verdict = "met" if share >= TARGET_SHARE else "NOT met"
    baseline_s = sequential_s / N_SEQUENTIAL * N_CALLS
    title = f"measuring, {N_CALLS:,} calls of {LATENCY_S * 1000:.0f} ms, {CONCURRENCY} at once"
    report(title, f"sequential, from {N_SEQUENTIAL} calls", baseline_s, ours_s, TARGET_RATIO)
    print(f"  {N_CALLS / ours_s:,.0f} calls/s, {cpu_s / N_CALLS * 1000:.2f} ms of CPU a call")
    print(
        f"  share of the maximum of the upstream {share:.2f} (target ≥ {TARGET_SHARE:g}: {verdict})"
    )


if __name__ == "__main__":
    main()
