"""Replicas that die under load: what their clients see of it, on a real Serve over HTTP."""

import asyncio
import time
from collections import Counter, defaultdict

import pytest

from tests.deployments.serving import figures, fixed, load
from tests.deployments.test_app import questions

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CLIENTS = 20
REPLICAS = {"Router": 2, "Embedder": 1, "Predictor": 1}
"""Replicas killed of each kind: all of them, except for the Router, which answers requests."""
PROMPTS = questions(200, seed=1)


def same(decision):
    """What of a decision another replica, or a restarted one, must repeat."""
    (chosen,) = (one for one in decision["candidates"] if one["model"] == decision["model"])
    return decision["model"], decision["settings"], pytest.approx(chosen["p_correct"], rel=1e-4)


@pytest.mark.parametrize(
    ("deployment", "more"),
    [
        pytest.param("Router", {}, id="one Router of two"),
        pytest.param("Embedder", {}, id="the only Embedder"),
        pytest.param("Embedder", {"Embedder": 2}, id="one Embedder of two"),
        pytest.param("Predictor", {}, id="the only Predictor"),
    ],
)
def test_a_replica_that_is_killed_costs_quality_at_most(served, deployment, more):
    """
    Twenty clients ask on while one replica of a kind dies and comes back: nearly all requests are
    answered, soon, and each answer is the full decision or says why it is not. Nothing is cached,
    so that every prompt needs every replica.

    Serve's proxy answers 500 for what was under way in a Router that dies, and gives it to no
    other: as OpenAI's clients do, ours then ask once more. No request is lost to any other death.
    """
    wanted = REPLICAS | more
    blocks = {name: fixed(n) for name, n in wanted.items()}
    blocks["Router"] |= {"user_config": {"max_cached_predictions": 0}}
    served.deploy(**blocks)
    served.until(lambda: served.runs(wanted), "all run")
    full = served.http.post("/v1/route", json={"prompts": PROMPTS}).json()["decisions"]
    assert {decision["source"] for decision in full} == {"anchors"}
    expected = {prompt: same(decision) for prompt, decision in zip(PROMPTS, full, strict=True)}
    got, lost, times = defaultdict(list), [], {}

    async def ask(client, n):
        prompt = PROMPTS[n % len(PROMPTS)]
        response = await client.post("/v1/route", json={"prompt": prompt})
        if response.status_code == 500:
            lost.append(response)
            response = await client.post("/v1/route", json={"prompt": prompt})
        if response.status_code == 200:
            got[prompt].append(response.json())
        return response

    def kill():
        served.until(lambda: len(got) > 5 * CLIENTS, "the load is on")
        began_at = time.monotonic()
        pid = served.kill(deployment)
        served.until(
            lambda: pid not in served.pids(deployment) and served.runs(wanted),
            "the replica is replaced",
        )
        times["replaced_s"] = time.monotonic() - began_at
        served.until(served.ready, "it is ready")
        times["ready_s"] = time.monotonic() - began_at

    seen = asyncio.run(load(served.url, ask, clients=CLIENTS, seconds=20, meanwhile=kill))

    answers = [answer for many in got.values() for answer in many]
    counts = {
        "statuses": dict(seen.statuses),
        "degraded": Counter(answer["degraded"] for answer in answers),
        "p50_s": seen.quantile_s(0.5),
        "p99_s": seen.quantile_s(0.99),
        "longest_s": seen.quantile_s(1),
        **times,
        "lost": Counter((r.status_code, r.text[:200]) for r in lost),
    }
    figures.info("%s killed: %s", deployment, counts)
    assert seen.share(200) >= 0.99
    assert len(lost) <= (CLIENTS if deployment == "Router" else 0)
    for prompt, decisions in got.items():
        for decision in decisions:
            if decision["degraded"] is None:
                assert same(decision) == expected[prompt]
            else:
                assert decision["source"] in ("knn", "means")
    again = served.http.post("/v1/route", json={"prompts": PROMPTS}).json()["decisions"]
    assert [same(decision) for decision in again] == list(expected.values())
