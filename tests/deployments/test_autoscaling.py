"""Replicas that come with the load and go after it."""

import asyncio
import time
from collections import Counter

import pytest
from ray import serve

from tests.deployments.serving import figures, fixed, load
from tests.deployments.test_app import questions

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SOON = {"min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 2, "downscale_delay_s": 2}


def test_a_second_embedder_comes_under_load_and_goes_after_it(served):
    """
    It comes with the delays of serve_config.yaml: on two busy cores its start takes longer than
    the decision. It goes after seconds in place of minutes; no request fails, up or down.
    """
    prompts = questions(400, seed=5)
    served.deploy(
        Router=fixed(1) | {"user_config": {"max_cached_predictions": 0}},
        Embedder={"autoscaling_config": SOON},
        Predictor=fixed(1),
    )
    served.until(lambda: served.runs({"Embedder": 1}), "one Embedder runs")
    began_at, times = time.monotonic(), {}

    async def ask(client, n):
        return await client.post("/v1/route", json={"prompt": prompts[n % len(prompts)]})

    def asked_for():
        status = serve.status().applications["scope"].deployments["Embedder"]
        return sum(status.replica_states.values()) == 2

    def wait():
        served.until(asked_for, "a second one starts")
        times["asked_for_s"] = time.monotonic() - began_at
        served.until(lambda: served.replicas("Embedder") == 2, "a second one runs")
        times["up_s"] = time.monotonic() - began_at

    seen = asyncio.run(load(served.url, ask, clients=16, seconds=1, meanwhile=wait))
    began_at = time.monotonic()
    few = asyncio.run(
        load(
            served.url,
            ask,
            clients=1,
            seconds=1,
            meanwhile=lambda: served.until(
                lambda: served.runs({"Embedder": 1}),
                "one is left",
            ),
        )
    )
    times["down_s"] = time.monotonic() - began_at

    degraded = Counter(answer["degraded"] for answer in seen.answers + few.answers)
    figures.info("%s, then %s; %s %s", seen.statuses, few.statuses, times, degraded)
    assert seen.share(200) == few.share(200) == 1
