"""Learned routers and the Selector on a real Serve, over HTTP."""

import pytest

from scope import EMBEDDED_BANK
from scope.bank import load_bank
from tests.deployments.serving import CONFIG
from tests.factories.routers import tiny_reward, tiny_router

pytestmark = pytest.mark.ray

SMALL, LARGE = "mathstral-7B", "gpt-4o-2024-05-13"
CHAT = {"model": "auto", "messages": [{"role": "user", "content": "what is two plus three"}]}
BLOCK = {
    "user_config": {"max_batch_size": 16, "wait_s": 0},
    "max_ongoing_requests": 64,
    "autoscaling_config": {"min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 8},
    "ray_actor_options": {"num_cpus": 0.1},
}


@pytest.fixture(scope="module")
def args(tmp_path_factory):
    """A router with P(small) = .4 and P(small@3) = .7, and a reward model."""
    root = tmp_path_factory.mktemp("trained")
    prices = {model.id: model for model in load_bank(EMBEDDED_BANK).models}
    models = (prices[SMALL], prices[LARGE])
    router = tiny_router(root / "best", {SMALL: 0.4, f"{SMALL}@3": 0.7}, models)
    reward = tiny_reward(root / "reward")
    return {"routers": {"bestroute": str(router)}, "selector": {"model": str(reward)}}


@pytest.fixture
def learned(served, upstream, args):
    """The application with both deployments, and an upstream whose samples differ."""
    upstream.behave({SMALL: {"answers": ["two", "three easy", "france"]}})
    fields = {"base_url": upstream.base_url, "timeout_s": 5.0}
    settings = {
        **CONFIG["applications"][0]["deployments"][0]["user_config"],
        "pool": [SMALL, f"{SMALL}@3", LARGE],
        "upstreams": dict.fromkeys([SMALL, LARGE], fields),
    }
    served.deploy(args=args, Router={"user_config": settings}, Selector=BLOCK, LearnedRouter=BLOCK)
    return served


def test_the_whole_chain_decides_draws_and_selects(learned):
    """
    BEST-Route's rule chooses three samples, the reward model the best of them.
    """
    decision = learned.http.post(
        "/v1/route", json={"prompt": "what is two", "scope": {"strategy": "bestroute"}}
    ).json()
    body = CHAT | {"scope": {"strategy": "bestroute"}}
    got = learned.http.post("/v1/chat/completions", json=body)

    assert (decision["model"], decision["strategy"]) == (f"{SMALL}@3", "bestroute")
    assert got.headers["x-scope-model"] == got.json()["model"] == f"{SMALL}@3"
    assert got.json()["usage"] == {"prompt_tokens": 60, "completion_tokens": 30}
    scope = got.json()["scope"]
    assert (scope["n"], scope["selector"]) == (3, "reward")
    assert scope["chosen"] == scope["scores"].index(max(scope["scores"]))
    assert "x-scope-degraded" not in got.headers


def test_without_its_replica_the_learned_router_costs_no_request(learned):
    """
    The bank decides while it is away, and the header says so.
    """
    learned.kill("LearnedRouter")
    answers = [
        learned.http.post(
            "/v1/route", json={"prompt": f"what is {n}", "scope": {"strategy": "bestroute"}}
        )
        for n in range(5)
    ]

    assert {got.status_code for got in answers} == {200}
    degraded = [got for got in answers if "x-scope-degraded" in got.headers]
    assert {got.json()["strategy"] for got in degraded} <= {"prehoc"}
    learned.until(learned.ready, "the LearnedRouter is back")
