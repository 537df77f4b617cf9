"""Strategies with a learned router, whose probabilities are the same for every text."""

import pytest

from scope.errors import ConfigError
from tests.deployments.local import Site as LocalSite
from tests.factories.banks import LARGE, SMALL, two_kinds
from tests.factories.routers import tiny_router

PROMPT = {"prompt": "what is two plus three"}
POOL = ["small", "small@3", "large"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A router of each strategy: P(small) = .4, P(small@3) = .7, and P(small) = .3."""
    root = tmp_path_factory.mktemp("routers")
    models = (SMALL, LARGE)
    return {
        "bestroute": str(tiny_router(root / "best", {"small": 0.4, "small@3": 0.7}, models)),
        "hybridllm": str(tiny_router(root / "hybrid", {"small": 0.3}, models)),
    }


@pytest.fixture
def site(tmp_path, folders):
    """A Router with both learned routers."""
    return LocalSite(tmp_path, two_kinds(), routers=folders)


def ask(client, **scope):
    """Ask for a decision."""
    return client.post("/v1/route", json=PROMPT | {"scope": scope})


@pytest.mark.parametrize(
    ("scope", "model", "policy"),
    [
        pytest.param({"strategy": "bestroute"}, "small@3", "min_quality", id="calibrated"),
        pytest.param(
            {"strategy": "bestroute", "min_quality": 0.3}, "small", "min_quality", id="tau"
        ),
        pytest.param(
            {"strategy": "bestroute", "min_quality": 0.8}, "large", "min_quality", id="high"
        ),
        pytest.param(
            {"strategy": "bestroute", "alpha": 0}, "small", "expected_value", id="cheapest"
        ),
        pytest.param({"strategy": "bestroute", "alpha": 1}, "large", "expected_value", id="best"),
        pytest.param({"strategy": "hybridllm"}, "large", "min_quality", id="hybridllm"),
    ],
)
def test_the_published_rule_and_our_own(site, scope, model, policy):
    """
    The cheapest arm with P >= tau, .6 by calibration, else the reference; or P - lambda * cost.
    """
    with site.open(pool=POOL) as client:
        got = ask(client, **scope).json()

    assert (got["model"], got["policy"]) == (model, policy)
    assert got["strategy"] == got["source"] == scope["strategy"]
    assert got["probability"] == "the answer is at least as good as that of large"


def test_candidates_are_the_arms_of_the_router_in_the_pool(site):
    """
    Their probabilities are those of matching the reference, their costs those of all samples.
    """
    with site.open(pool=POOL) as client:
        got = ask(client, strategy="bestroute").json()

    candidates = {one["model"]: one for one in got["candidates"]}
    assert [round(candidates[arm]["p_correct"], 6) for arm in POOL] == [0.4, 0.7, 1.0]
    assert candidates["small"]["cost_usd"] == pytest.approx((10 * 0.1 + 100 * 0.2) / 1e6)
    assert candidates["small@3"]["cost_usd"] == pytest.approx((30 * 0.1 + 300 * 0.2) / 1e6)


def test_without_a_strategy_the_bank_decides(site):
    """
    Over the arms that it predicts, of which `small@3` is none.
    """
    with site.open(pool=POOL) as client:
        got = ask(client).json()

    assert (got["strategy"], got["probability"]) == ("prehoc", "the answer is correct")
    assert [one["model"] for one in got["candidates"]] == ["small", "large"]


def test_the_operator_sets_the_default(site):
    """
    A request may still name another strategy.
    """
    with site.open(pool=POOL, strategy="hybridllm") as client:
        assert ask(client).json()["strategy"] == "hybridllm"
        assert ask(client, strategy="prehoc").json()["strategy"] == "prehoc"


@pytest.mark.parametrize("kind", ["late", "broken", "full", "down"])
def test_a_learned_router_that_fails_costs_no_request(site, kind):
    """
    The bank decides, by the operator's policy, and the header says why.
    """
    with site.open(pool=POOL, policy={"min_quality": 0.6}) as client:
        site.learned.failing = ("learned router", kind)
        got = ask(client, strategy="bestroute")

    assert (got.json()["strategy"], got.json()["policy"]) == ("prehoc", "min_quality")
    assert got.headers["x-scope-degraded"] == f"learned router {kind}"


def test_without_any_prediction_the_reference_answers(site):
    """
    The bank predicts no arm of this pool.
    """
    with site.open(pool=["small@3", "large"], strategy="bestroute") as client:
        site.learned.failing = ("learned router", "late")
        only = ask(client, allowed_models=["small@3"]).json()

    assert (only["model"], only["source"], only["policy"]) == ("small@3", "default", None)
    assert only["degraded"] == "learned router late"


def test_predictions_are_cached_by_strategy(site):
    """
    One call for each, whatever the policy of the request.
    """
    with site.open(pool=POOL) as client:
        answers = [ask(client, strategy=s) for s in 2 * ["bestroute", "hybridllm"]]
        other = ask(client, strategy="bestroute", alpha=0.5)

    assert len(site.learned.calls) == 2
    assert [got.json()["source"] for got in answers[2:]] == ["cache", "cache"]
    assert [len(got.json()["candidates"]) for got in answers] == [3, 2, 3, 2]
    assert other.json()["source"] == "cache"


def test_a_strategy_that_is_not_configured_is_refused(local):
    """
    In a request as in the settings.
    """
    with local.open() as client:
        got = ask(client, strategy="bestroute")
        with pytest.raises(ConfigError, match="strategy is 'bestroute', and no such router"):
            local.configure(strategy="bestroute")

    assert got.status_code == 400
    assert got.json()["error"]["message"] == (
        "scope.strategy: no bestroute router is configured here; expected prehoc"
    )


def test_a_pool_without_arms_of_the_router_is_a_sentence(tmp_path, folders):
    """
    It names the arms of both.
    """
    other = LARGE.model_copy(update={"id": "other"})
    site = LocalSite(tmp_path, two_kinds(models=(SMALL, other)), routers=folders)
    with site.open(pool=["other"]) as client:
        got = ask(client, strategy="hybridllm")

    assert got.status_code == 400
    assert got.json()["error"]["message"] == (
        "no arm of the pool is predicted by the strategy hybridllm, which predicts "
        "small, large; the pool has other"
    )


def test_an_arm_that_nothing_predicts_is_refused(site):
    """
    Before the settings are in force.
    """
    with site.open() as client:
        assert client.get("/health").status_code == 200
        with pytest.raises(ConfigError, match="nothing predicts small@5"):
            site.configure(pool=["small@5", "large"])


def test_readiness_probes_the_learned_routers(site):
    """
    By strategy.
    """
    with site.open() as client:
        state = client.get("/ready").json()

    assert state["bestroute router"] == state["hybridllm router"] == "ok"
