"""Arms over HTTP: several samples and reasoning effort, from a bank that has measured them."""

import json

import pytest

from scope.pool import ModelSpec
from tests.deployments.local import LocalReplica
from tests.deployments.local import Site as LocalSite
from tests.factories.banks import LARGE, SMALL, two_kinds

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "a sum"}]}
THREE = SMALL.model_copy(update={"id": "small@3"})
HIGH = ModelSpec(id="small#high", usd_per_mtok_in=0.1, usd_per_mtok_out=0.2)
ARMS = (SMALL, THREE, HIGH, LARGE)
ONLY_THREE = {"allowed_models": ["small@3"]}


@pytest.fixture
def site(tmp_path):
    """A Router whose bank has a column for each arm; the longest of several samples is best."""
    reward = LocalReplica(lambda request: [float(len(text)) for text in request.responses])
    return LocalSite(tmp_path, two_kinds(models=ARMS), reward=reward)


@pytest.fixture
def settings(upstream):
    """Settings that give both models an upstream."""
    upstream.behave({"small": {"answers": ["7", "It is 8", "So it is 7"]}})
    fields = {"base_url": upstream.base_url, "timeout_s": 5.0}
    return {
        "upstreams": {"small": fields, "large": fields},
        "retries": {"initial_backoff_s": 0.001},
    }


def test_a_decision_for_an_arm_is_answered_by_it(site, settings):
    """
    Body and headers name the arm; the body says how the answer was chosen.
    """
    with site.open(**settings) as client:
        got = client.post("/v1/chat/completions", json=CHAT | {"scope": ONLY_THREE})

    body = got.json()
    assert (got.status_code, body["model"], got.headers["x-scope-model"]) == (200, *2 * ["small@3"])
    assert body["choices"][0]["message"]["content"] == "So it is 7"
    assert body["usage"] == {"prompt_tokens": 60, "completion_tokens": 30}
    assert body["scope"]["cost_usd"] == pytest.approx((60 * 0.1 + 30 * 0.2) / 1e6)
    assert (body["scope"]["n"], body["scope"]["selector"]) == (3, "reward")
    assert "x-scope-degraded" not in got.headers


def test_a_selector_that_fails_degrades_the_decision(site, settings):
    """
    The majority decides, and a header says so.
    """
    with site.open(**settings) as client:
        site.reward.failing = ("selector", "late")
        got = client.post("/v1/chat/completions", json=CHAT | {"scope": ONLY_THREE})

    assert got.json()["scope"]["selector"] == "majority"
    assert got.headers["x-scope-degraded"] == "selector late"


@pytest.mark.parametrize(
    ("field", "why"),
    [
        pytest.param({"stream": True}, "stream", id="stream"),
        pytest.param({"n": 2}, "n ", id="n"),
        pytest.param({"tools": [{"type": "function"}]}, "tools", id="tools"),
        pytest.param({"logprobs": True}, "logprobs", id="logprobs"),
        pytest.param({"temperature": 0}, "temperature 0", id="temperature 0"),
    ],
)
def test_several_samples_are_not_for_every_request(site, settings, field, why):
    """
    The rule is named.
    """
    with site.open(**settings) as client:
        got = client.post("/v1/chat/completions", json=CHAT | field | {"scope": ONLY_THREE})

    assert got.status_code == 400
    assert f"{why}" in got.json()["error"]["message"]


def test_an_effort_arm_is_not_for_requests_with_their_own(site, settings):
    """
    The client's wish is never overridden.
    """
    body = CHAT | {"scope": {"allowed_models": ["small#high"]}}
    with site.open(**settings) as client:
        own = client.post("/v1/chat/completions", json=body | {"reasoning_effort": "low"})
        arm = client.post("/v1/chat/completions", json=body)
        pinned = {**body, "model": "small#high", "reasoning_effort": "low"}
        refused = client.post("/v1/chat/completions", json=pinned)

    assert own.status_code == refused.status_code == 400
    assert "reasoning_effort (which the request sets itself)" in own.json()["error"]["message"]
    assert "leave it out, or name small" in refused.json()["error"]["message"]
    assert arm.json()["model"] == "small#high"


def test_a_named_arm_bypasses_the_decision_and_draws_its_samples(site, settings):
    """
    Even one that is not in the pool, up to `limits.max_choices` samples, and with tools.
    """
    with site.open(pool=["small", "large"], **settings) as client:
        named = CHAT | {"model": "small@2"}
        got = client.post("/v1/chat/completions", json=named)
        tools = client.post("/v1/chat/completions", json=named | {"tools": [{"type": "x"}]})
        many = client.post("/v1/chat/completions", json=CHAT | {"model": "small@9"})
        stream = client.post("/v1/chat/completions", json=named | {"stream": True})

    assert (got.json()["model"], got.json()["scope"]["n"]) == ("small@2", 2)
    assert got.headers["x-scope-source"] == "client"
    assert site.embedder.calls == []
    assert tools.json()["scope"]["n"] == 2
    assert (many.status_code, many.json()["error"]["code"]) == (404, "model_not_found")
    assert stream.json()["error"]["message"] == (
        "stream: small@2 draws 2 samples and returns the best one; leave stream out, or name small"
    )


def test_the_log_has_the_samples(site, settings, tmp_path):
    """
    With the cost of all of them.
    """
    with site.open(decisions={"folder": str(tmp_path / "log")}, **settings) as client:
        client.post("/v1/chat/completions", json=CHAT | {"scope": ONLY_THREE})
        client.post("/v1/chat/completions", json=CHAT | {"model": "large"})

    lines = [
        json.loads(line)
        for file in (tmp_path / "log").iterdir()
        for line in file.read_text().splitlines()
    ]
    assert [line["samples"] and line["samples"]["n"] for line in lines] == [3, None]
    assert (lines[0]["answered_by"], lines[0]["strategy"]) == ("small@3", "prehoc")
    assert (lines[0]["prompt_tokens"], lines[0]["completion_tokens"]) == (60, 30)


def test_a_session_stays_on_the_model_of_its_arm(site, settings):
    """
    A stream cannot have three samples; it gets one of the same model.
    """
    scope = {"session_id": "s", "allowed_models": ["small*"], "alpha": 1}
    with site.open(**settings) as client:
        first = {"session_id": "s", **ONLY_THREE}
        client.post("/v1/chat/completions", json=CHAT | {"scope": first})
        turn = [
            *CHAT["messages"],
            {"role": "assistant", "content": "7"},
            {"role": "tool", "content": "7"},
        ]
        got = client.post(
            "/v1/chat/completions",
            json=CHAT | {"scope": scope, "stream": True, "messages": turn},
        )

    assert got.headers["x-scope-model"] == "small"


def test_the_list_of_models_has_the_arms(site, settings):
    """
    With their prices.
    """
    with site.open(pool=["small@3", "large"], **settings) as client:
        data = client.get("/v1/models").json()["data"]

    assert [entry["id"] for entry in data] == ["auto", "small@3", "large"]
    assert data[1]["pricing"] == {"usd_per_mtok_in": 0.1, "usd_per_mtok_out": 0.2}
