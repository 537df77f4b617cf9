"""Selective queries over HTTP: which models are queried, and how the answers are used."""

import asyncio
import json
import time

import numpy as np
import pytest
from ray.serve.exceptions import BackPressureError

from deployments.protocol.remote_call import RemoteCall
from deployments.replicas.reasoner import ReasonerArgs
from scope.errors import ConfigError
from scope.pool import Resampling
from tests.deployments.engine import POLICIES, Engine, simulated_answer, taught, with_all_answers
from tests.deployments.local import Site
from tests.factories.banks import LARGE, MIDDLE, SMALL, two_kinds

MODELS = (SMALL, MIDDLE, LARGE)
EXACT = {"mode": "exact", "deadline_ms": 30_000, "max_concurrency": 1}


@pytest.fixture
def engine(checkpoint):
    return Engine(checkpoint)


@pytest.fixture
def site(tmp_path, checkpoint, engine):
    """A Router whose bank was calibrated for the reasoner, with three models."""
    args = ReasonerArgs(checkpoint=str(checkpoint), max_context_tokens=4096)
    bank = taught(two_kinds(models=MODELS), args)
    hop = RemoteCall("engine", engine.complete, open_s=60.0)
    return Site(tmp_path, bank, reasoner=args, engine=hop)


def routed(client, prompt, **wish):
    """The decision on a prompt."""
    got = client.post("/v1/route", json={"prompt": prompt, "scope": wish})
    assert got.status_code == 200, got.text
    return got.json()


def estimates_in(decision):
    """The estimates of each candidate, without its utility."""
    return {
        one["model"]: {name: value for name, value in one.items() if name != "utility"}
        for one in decision["candidates"]
    }


def test_while_it_is_off_nobody_is_asked(site, engine):
    """
    Which is how it starts; a response says nothing of it.
    """
    with site.open() as client:
        got = routed(client, "a law")

    assert engine.queried == []
    assert "reasoning" not in got
    assert got["source"] == "anchors"


def test_a_choice_among_several_samples_does_not_wait_for_the_reasoner(
    tmp_path, checkpoint, engine
):
    """
    An answer about a model would move all of its arms; the anchors decide.
    """
    known = Resampling(concentration=2.0, odds=3.0, selector="majority", source="fitted")
    models = (SMALL.model_copy(update={"resampling": known}), MIDDLE, LARGE)
    args = ReasonerArgs(checkpoint=str(checkpoint), max_context_tokens=4096)
    hop = RemoteCall("engine", engine.complete, open_s=60.0)
    site = Site(tmp_path, taught(two_kinds(models=models), args), reasoner=args, engine=hop)

    with site.open(pool=["small", "small@3", "large"], reasoning=EXACT) as client:
        got = routed(client, "a law")
        plain = routed(client, "a law", allowed_models=["small", "large"])

    assert (got["source"], got.get("reasoning")) == ("anchors", None)
    assert plain["reasoning"]["n_queries"] + plain["reasoning"]["n_avoided"] == 2
    assert len(engine.queried) == plain["reasoning"]["n_queries"]


def test_an_answer_takes_part_in_the_decision(site):
    """
    In log odds by its weight, here 1; the tokens by the square root of what they are off.
    """
    with site.open(policy={"alpha": 1.0}) as client:
        before = estimates_in(routed(client, "a law"))
        site.configure(policy={"alpha": 1.0}, reasoning=EXACT)
        got = routed(client, "a law")

    assert got["source"] == "scope"
    reasoning = got["reasoning"]
    assert reasoning["n_queries"] + reasoning["n_avoided"] == 3
    assert {name: reasoning[name] for name in ("mode", "cancelled", "degraded")} == {
        "mode": "exact",
        "cancelled": 0,
        "degraded": None,
    }
    for model, now in estimates_in(got).items():
        if now != before[model]:
            p, tokens = simulated_answer("a law", model)
            was = before[model]
            odds = was["p_correct"] / (1 - was["p_correct"]) * p / (1 - p)
            assert now["p_correct"] == pytest.approx(odds / (1 + odds))
            length = (tokens + 1) / (was["completion_tokens"] + 1)
            length = min(max(length, np.exp(-1.5)), np.exp(1.5))  # no more is believed
            assert now["completion_tokens"] == pytest.approx(was["completion_tokens"] * length**0.5)
            assert now["cost_usd"] != was["cost_usd"]


@pytest.mark.parametrize("policy", POLICIES)
def test_exact_decides_as_if_everybody_had_been_asked(site, engine, policy):
    """
    Forty questions: the same model each, and fewer calls.
    """
    prompts = [f"the {'law' if n % 2 else 'sum'} of {n}" for n in range(40)]
    with site.open(policy=policy, reasoning=EXACT | {"max_concurrency": 4}) as client:
        got = client.post("/v1/route", json={"prompts": prompts}).json()["decisions"]
        n_queried = len(engine.queried)
        site.configure(policy=policy)
        plain = client.post("/v1/route", json={"prompts": prompts}).json()["decisions"]

    for prompt, decision, anchors in zip(prompts, got, plain, strict=True):
        model, _ = with_all_answers(site.bank, prompt, anchors)
        assert decision["model"] == model, prompt
    assert n_queried == sum(one["reasoning"]["n_queries"] for one in got) < 3 * len(prompts)


def test_what_was_answered_is_not_asked_again(site, engine):
    """
    The same request makes no query; one with another objective queries only what it still needs.
    """
    with site.open(reasoning=EXACT) as client:
        first = routed(client, "a law", alpha=0.6)
        queried = list(engine.queried)
        again = routed(client, "a law", alpha=0.6)
        routed(client, "a law", alpha=1.0)

    assert engine.queried[: len(queried)] == queried
    assert len(set(engine.queried)) == len(engine.queried)
    assert (again["model"], again["source"]) == (first["model"], first["source"])
    assert estimates_in(again) == estimates_in(first)
    assert again["reasoning"]["n_queries"] == 0


def test_an_answer_that_the_router_does_not_keep_the_predictor_does(site, engine):
    """
    Without a cache in the Router each model is still queried once.
    """
    with site.open(policy={"alpha": 1.0}, max_cached_predictions=0, reasoning=EXACT) as client:
        first = routed(client, "a law")
        n_queried = len(engine.queried)
        again = routed(client, "a law")

    assert len(engine.queried) == n_queried > 0
    assert estimates_in(again) == estimates_in(first)


def test_only_permitted_models_are_asked_about(site, engine):
    """
    What a deny list rules out costs nothing.
    """
    with site.open(policy={"alpha": 1.0}, reasoning=EXACT) as client:
        for n in range(10):
            routed(client, f"a law of {n}", denied_models=["large"])

    assert {model for _, model in engine.queried} <= {"small", "middle"}
    assert engine.queried


def test_an_engine_that_is_late_costs_the_deadline_and_not_the_answer(site, engine):
    """
    The anchors decide; the response says why.
    """
    engine.slow = {"small", "middle", "large"}
    with site.open(policy={"alpha": 1.0}) as client:
        before = routed(client, "a law")
        site.configure(policy={"alpha": 1.0}, reasoning=EXACT | {"deadline_ms": 300})
        began_at = time.monotonic()
        got = routed(client, "a law")

    assert 0.3 <= time.monotonic() - began_at < 2.0
    assert (got["model"], estimates_in(got)) == (before["model"], estimates_in(before))
    assert got["degraded"] == got["reasoning"]["degraded"] == "engine late"
    assert len(engine.cancelled) == len(engine.queried) == 1


def test_what_came_in_time_counts(site, engine):
    """
    One model is never answered about: the others' answers take part all the same.
    """
    engine.slow = {"large"}
    settings = EXACT | {"deadline_ms": 500, "max_concurrency": 3}
    with site.open(policy={"alpha": 1.0}, reasoning=settings) as client:
        got = [routed(client, f"a law of {n}") for n in range(3)]

    late = [one for one in got if one["degraded"] == "engine late"]
    assert late
    assert any(one["source"] == "scope" for one in late)


@pytest.mark.parametrize(
    ("failing", "degraded", "n_queried"),
    [
        pytest.param(
            BackPressureError(num_queued_requests=9, max_queued_requests=9),
            "engine full",
            1,
            id="full",
        ),
        pytest.param(RuntimeError("EngineCore is dead"), "engine broken", 3, id="broken"),
    ],
)
def test_an_engine_that_fails_costs_quality_only(site, engine, failing, degraded, n_queried):
    """
    A full engine gets no further query: the next one would find it full, too.
    """
    with site.open(policy={"alpha": 1.0}) as client:
        before = routed(client, "a sum")
        site.configure(policy={"alpha": 1.0}, reasoning=EXACT)
        engine.failing = failing
        got = routed(client, "a sum")

    assert (got["model"], estimates_in(got)) == (before["model"], estimates_in(before))
    assert got["source"] == "cache"
    assert got["degraded"] == degraded
    assert 1 <= len(engine.queried) <= n_queried


def test_it_says_whether_the_answers_changed_the_choice(site):
    """
    Against what the anchors alone choose for the same prompts.
    """
    prompts = [f"the law of {n}" for n in range(20)]
    with site.open(policy={"alpha": 0.7}) as client:
        alone, reasoned = [], []
        for settings, found in (({}, alone), ({"reasoning": EXACT}, reasoned)):
            site.configure(policy={"alpha": 0.7}, **settings)
            found += client.post("/v1/route", json={"prompts": prompts}).json()["decisions"]

    changed = [one["reasoning"]["changed"] for one in reasoned]
    assert changed == [a["model"] != b["model"] for a, b in zip(alone, reasoned, strict=True)]
    assert {True, False} == set(changed)


def test_a_dead_engine_is_left_alone(site, engine):
    """
    After five failures no request waits for it, and later ones do not call the Predictor.
    """
    engine.failing = RuntimeError("EngineCore is dead")
    with site.open(policy={"alpha": 1.0}, reasoning=EXACT) as client:
        got = [routed(client, f"a law of {n}")["degraded"] for n in range(20)]

    assert len(engine.queried) == 5
    assert got[0] == "engine broken"
    assert set(got[5:]) == {"engine down"}
    assert len(site.reasoner.calls) < 20


def test_what_was_answered_before_counts_without_an_engine(site, engine):
    """
    The same decision as while it was up, from cached answers.
    """
    with site.open(policy={"alpha": 1.0}, reasoning=EXACT) as client:
        before = [routed(client, f"a law of {n}") for n in range(5)]
        engine.failing = RuntimeError("EngineCore is dead")
        for n in range(5, 15):
            routed(client, f"a law of {n}")
        prompts = [f"a law of {n}" for n in range(5)]
        again = client.post("/v1/route", json={"prompts": prompts}).json()["decisions"]

    assert [estimates_in(one) for one in again] == [estimates_in(one) for one in before]
    assert {one["degraded"] for one in again} == {None}


def test_a_client_that_leaves_ends_its_calls(site, engine):
    """
    Down to the engine.
    """
    engine.slow = {"small", "middle", "large"}
    with site.open(policy={"alpha": 1.0}, reasoning=EXACT | {"max_concurrency": 3}) as client:
        portal = client.portal
        body = json.dumps({"prompt": "a law"}).encode()

        async def leave():
            exchange = await site.router.admission.admit("route", {})
            task = asyncio.create_task(site.router.route(exchange, body, {}))
            async with asyncio.timeout(5):
                while not engine.under_way:
                    await asyncio.sleep(0.01)
                task.cancel()
                while engine.under_way:
                    await asyncio.sleep(0.01)
            exchange.close()
            return task.cancelled()

        assert portal.call(leave)

    assert sorted(engine.cancelled) == sorted(engine.queried)


def test_an_answer_that_settles_it_ends_the_others(site, engine):
    """
    The cheapest is good enough: all other queries are cancelled, in the engine, too.
    """
    engine.slow, engine.pace_s = {"middle", "large"}, 0.1
    prompts = [n for n in range(200) if simulated_answer(f"a sum of {n}", "small")[0] > 0.9][:5]
    settings = EXACT | {"max_concurrency": 3, "deadline_ms": 5_000}
    with site.open(policy={"min_quality": 0.5}, reasoning=settings) as client:
        got = [routed(client, f"a sum of {n}") for n in prompts]

    assert [one["model"] for one in got] == ["small"] * 5
    assert [one["degraded"] for one in got] == [None] * 5
    n_cancelled = sum(one["reasoning"]["cancelled"] for one in got)
    assert n_cancelled == 10
    assert 0 < len(engine.cancelled) <= n_cancelled  # some before their prompt was written
    assert engine.under_way == 0


def test_a_list_shares_what_may_be_under_way(site, engine):
    """
    Thirty prompts, four calls at once.
    """
    engine.pace_s = 0.05
    with site.open(policy={"alpha": 1.0}, reasoning=EXACT | {"max_concurrency": 4}) as client:
        prompts = [f"the law of {n}" for n in range(30)]
        got = client.post("/v1/route", json={"prompts": prompts}).json()["decisions"]

    assert engine.most == 4
    assert sum(one["reasoning"]["n_queries"] for one in got) == len(engine.queried) > 4


def test_expected_asks_no_more_than_is_worth_it(site, engine):
    """
    Free queries are at most those of exact; at a thousand dollars a token there are none.
    """
    prompts = [f"the law of {n}" for n in range(20)]
    n_queried = {}
    for name, settings in {
        "dear": {"mode": "expected", "usd_per_mtok": 1e9},
        "free": {"mode": "expected", "usd_per_mtok": 0.0},
        "exact": {"mode": "exact"},
    }.items():
        before = len(engine.queried)
        with site.open(policy={"alpha": 0.5}, reasoning=EXACT | settings) as client:
            got = client.post("/v1/route", json={"prompts": prompts}).json()["decisions"]
            n_queried[name] = sum(3 - one["reasoning"]["n_avoided"] for one in got)
        assert len(engine.queried) - before <= n_queried[name]

    assert n_queried["dear"] == 0 < n_queried["free"] <= n_queried["exact"]


def test_a_predictor_that_fails_costs_the_answers_only(site):
    """
    Its breaker and its reasons are those of every hop.
    """
    with site.open(policy={"alpha": 1.0}, reasoning=EXACT) as client:
        site.reasoner.failing = ("reasoner", "down")
        got = routed(client, "a law")

    assert (got["source"], got["degraded"]) == ("anchors", "reasoner down")
    assert got["reasoning"] == {
        "mode": "exact",
        "n_queries": 0,
        "n_avoided": 0,
        "cancelled": 0,
        "degraded": "reasoner down",
        "changed": False,
    }


def test_without_a_prediction_nobody_is_asked(site, engine):
    """
    Averages are of no question, so that there are no examples to show.
    """
    with site.open(reasoning=EXACT) as client:
        site.embedder.failing = ("embedder", "down")
        got = routed(client, "a law")

    assert engine.queried == []
    assert (got["source"], got["degraded"]) == ("means", "embedder down")


def test_it_is_switched_on_while_it_serves(site, engine):
    """
    And off again.
    """
    with site.open(policy={"alpha": 1.0}) as client:
        routed(client, "a law of 1")
        n_off = len(engine.queried)
        site.configure(policy={"alpha": 1.0}, reasoning=EXACT)
        routed(client, "a law of 2")
        n_on = len(engine.queried)
        site.configure(policy={"alpha": 1.0}, reasoning={"mode": "off"})
        routed(client, "a law of 3")

    assert n_off == 0 < n_on == len(engine.queried)


def test_a_mode_without_an_engine_is_refused(local):
    """
    In one sentence, with its value.
    """
    with local.open() as client:
        with pytest.raises(
            ConfigError, match=r"reasoning\.mode is 'exact', and there is no engine"
        ):
            local.configure(reasoning={"mode": "exact"})
        assert "reasoning" not in routed(client, "a law")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param({"mode": "sometimes"}, "reasoning.mode", id="mode"),
        pytest.param({"deadline_ms": 0}, "reasoning.deadline_ms", id="deadline"),
        pytest.param({"max_concurrency": 0}, "reasoning.max_concurrency", id="at once"),
        pytest.param({"usd_per_mtok": -1.0}, "reasoning.usd_per_mtok", id="price"),
        pytest.param({"depth": 1}, "reasoning.depth", id="typo"),
    ],
)
def test_a_wrong_setting_is_reported_with_its_field(site, wrong, message):
    """
    And changes nothing.
    """
    with site.open(), pytest.raises(ConfigError, match=message):
        site.configure(reasoning=wrong)


def test_the_decision_log_tells_of_it(site, tmp_path):
    """
    In the words of the response.
    """
    folder = tmp_path / "log"
    with site.open(
        policy={"alpha": 1.0}, reasoning=EXACT, decisions={"folder": str(folder)}
    ) as client:
        got = routed(client, "a law")

    (file,) = folder.iterdir()
    (line,) = file.read_text().splitlines()
    assert json.loads(line)["reasoning"] == got["reasoning"]
    assert json.loads(line)["source"] == "scope"


def test_a_prompt_is_in_no_log(site, caplog):
    """
    Whatever fails.
    """
    caplog.set_level("DEBUG")
    with site.open(policy={"alpha": 1.0}, reasoning=EXACT) as client:
        routed(client, "a law about secrets")

    assert "secrets" not in caplog.text
