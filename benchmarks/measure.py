"""Measure 2,000 calls against an upstream that takes 50 ms, and against one call after another.

The upstream runs in a process of its own on the same cores. Ours is all of ``scope measure``
but reading the questions: money, retries, grading, and every result written as it arrives.
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
WANTED_SHARE, WANTED_RATIO = 0.8, 30.0
MODEL = ModelSpec(id="m", usd_per_mtok_in=0.1, usd_per_mtok_out=0.3)


def calls() -> list[Call]:
    """Return questions of some 400 characters, with four options."""
    text = "Which of these is it, all things considered? " * 8
    prompts = [f"{i}: {text}\nA. one\nB. two\nC. three\nD. four" for i in range(N_CALLS)]
    choice = make_grader("choice")
    return [
        Call(MeasuredQuestion(str(i), prompt, "A", choice, None), MODEL, 512)
        for i, prompt in enumerate(prompts)
    ]


def ours(todo: list[Call], base_url: str) -> None:
    """Make all calls into a folder that is thrown away."""
    asking = RequestSettings(EndpointConfig(base_url, "key", concurrency=CONCURRENCY))
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder), {}, fresh=True) as journal:
        tally = MeasureProgress(len(todo), SpendCap(math.inf, 0.0, 0.0))
        asyncio.run(measure(todo, asking, journal, tally))
        if tally.errors or tally.ungradable:
            raise RuntimeError(f"some calls failed: {tally}")


def one_by_one(todo: list[Call], base_url: str) -> None:
    """Make calls as the published code does: one request after another."""
    with httpx.Client(timeout=60) as client:
        for call in todo:
            message = {"role": "user", "content": call.question.prompt}
            body = {"model": "m", "messages": [message], "max_tokens": 512, "temperature": 0}
            client.post(f"{base_url}/chat/completions", json=body).json()


def main() -> None:
    """Run both and compare."""
    todo = calls()
    with running({"*": {"delay_s": LATENCY_S}}) as upstream:
        ours(todo[:200], upstream.base_url)  # warm up
        if "--profile" in sys.argv:
            profile = cProfile.Profile()
            profile.runcall(ours, todo, upstream.base_url)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            return
        before_s = os.times().user + os.times().system
        ours_s, _ = best(lambda: ours(todo, upstream.base_url), REPEATS)
        cpu_s = (os.times().user + os.times().system - before_s) / REPEATS
        few_s, _ = seconds(lambda: one_by_one(todo[:N_SEQUENTIAL], upstream.base_url))
    share = N_CALLS / ours_s / (CONCURRENCY / LATENCY_S)
    verdict = "met" if share >= WANTED_SHARE else "NOT met"
    peer_s = few_s / N_SEQUENTIAL * N_CALLS
    what = f"measuring, {N_CALLS:,} calls of {LATENCY_S * 1000:.0f} ms, {CONCURRENCY} at once"
    report(what, f"one by one, from {N_SEQUENTIAL} calls", peer_s, ours_s, WANTED_RATIO)
    print(f"  {N_CALLS / ours_s:,.0f} calls/s, {cpu_s / N_CALLS * 1000:.2f} ms of CPU a call here")
    print(f"  share of what the upstream allows {share:.2f} (wanted ≥ {WANTED_SHARE:g}: {verdict})")


if __name__ == "__main__":
    main()
