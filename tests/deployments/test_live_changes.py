"""Settings that change while twenty clients ask."""

import asyncio
import time
from collections import Counter

import pytest

from tests.deployments.serving import figures, fixed, load
from tests.deployments.test_app import questions

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ALPHAS = [place / 10 for place in range(1, 11)]
ONE_EACH = {"Router": 1, "Embedder": 1, "Predictor": 1}


def routed(**settings):
    """One replica of each deployment, with settings of the Router."""
    blocks = {name: fixed(n) for name, n in ONE_EACH.items()}
    return blocks | {"Router": fixed(1) | {"user_config": settings}}


def batched(**settings):
    """The same without a cache, with settings of the Embedder."""
    return routed(max_cached_predictions=0) | {"Embedder": fixed(1) | {"user_config": settings}}


def test_ten_changes_of_policy_cost_no_request(served):
    """
    Every answer rests on one of the policies that were set, the last one rules in the end, and
    no replica restarts.
    """
    prompts = questions(50, seed=3)
    served.deploy(**routed(policy={"alpha": 0.0}))
    served.until(lambda: _alpha(served) == 0.0, "the first policy rules")
    served.until(lambda: served.runs(ONE_EACH), "one of each runs")
    before = {name: served.pids(name) for name in ONE_EACH}
    taken_s = []

    async def ask(client, n):
        return await client.post("/v1/route", json={"prompt": prompts[n % len(prompts)]})

    def change():
        for alpha in ALPHAS:
            began_at = time.monotonic()
            served.deploy(**routed(policy={"alpha": alpha}))
            served.until(lambda alpha=alpha: _alpha(served) == alpha, f"alpha is {alpha}")
            taken_s.append(time.monotonic() - began_at)

    seen = asyncio.run(load(served.url, ask, clients=20, seconds=10, meanwhile=change))

    used = Counter(answer["settings"]["alpha"] for answer in seen.answers)
    figures.info("%s %s, longest change %.1f s", dict(seen.statuses), used, max(taken_s))
    assert seen.share(200) == 1
    assert set(used) <= {0.0, *ALPHAS}
    assert _alpha(served) == ALPHAS[-1]
    assert {name: served.pids(name) for name in before} == before


def test_other_batches_cost_no_restart(served):
    """
    The Embedder takes another size and wait while requests arrive.
    """
    prompts = questions(100, seed=4)
    served.deploy(**routed(max_cached_predictions=0))
    served.until(lambda: served.runs(ONE_EACH), "one of each runs")
    before = served.pids("Embedder")

    async def ask(client, n):
        return await client.post("/v1/route", json={"prompt": prompts[n % len(prompts)]})

    def change():
        for size, wait_s in ((1, 0.0), (64, 0.02), (32, 0.005)):
            served.deploy(**batched(max_batch_size=size, wait_s=wait_s))

    seen = asyncio.run(load(served.url, ask, clients=8, seconds=5, meanwhile=change))

    figures.info("%s %s", dict(seen.statuses), Counter(a["degraded"] for a in seen.answers))
    assert seen.share(200) == 1
    assert served.pids("Embedder") == before


def test_wrong_batches_leave_the_old_in_force(served):
    """
    Serve stops a replica whose settings raise: a typo would take the Embedder down.
    """
    served.deploy(**routed(max_cached_predictions=0))
    served.until(lambda: served.runs(ONE_EACH), "one of each runs")
    before = served.pids("Embedder")

    served.deploy(**batched(max_batch_size=0))
    after = served.http.post("/v1/route", json={"prompt": "Is seven a prime?"}).json()

    assert after["source"] == "anchors"
    assert served.pids("Embedder") == before


def _alpha(served):
    """What rules at the moment."""
    return served.http.post("/v1/route", json={"prompt": "x"}).json()["settings"]["alpha"]
