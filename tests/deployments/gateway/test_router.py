import json

import pytest

from scope.errors import ConfigError

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "a sum"}]}


@pytest.fixture
def upstreams(upstream):
    """Settings by which both models are called."""
    upstream.behave({})
    told = {"base_url": upstream.base_url, "timeout_s": 5.0}
    return {"upstreams": {"small": told, "large": told}, "retries": {"initial_backoff_s": 0.001}}


def test_auto_is_answered_by_the_model_that_was_chosen(local, upstreams):
    """
    Its name stands in the body and in the headers, with what was predicted and what it cost.
    """
    with local.open(policy={"min_quality": 0.6}, **upstreams) as client:
        got = client.post("/v1/chat/completions", json=CHAT)

    assert got.status_code == 200
    assert got.json()["model"] == got.headers["x-scope-model"] == "small"
    assert got.json()["scope"]["cost_usd"] > 0
    assert 0.6 <= float(got.headers["x-scope-p-correct"]) <= 1
    assert float(got.headers["x-scope-cost-usd"]) > 0
    assert got.headers["x-scope-policy"] == "min_quality"
    assert got.headers["x-scope-source"] == "anchors"
    assert float(got.headers["x-scope-overhead-ms"]) > 0
    assert got.headers["x-scope-decision-id"].startswith("dec_")
    assert "x-scope-degraded" not in got.headers


def test_a_stream_is_passed_through_with_the_same_headers(local, upstreams):
    """
    And ends as the upstream ended it.
    """
    with local.open(policy={"min_quality": 0.6}, **upstreams) as client:
        got = client.post("/v1/chat/completions", json=CHAT | {"stream": True})

    assert got.headers["content-type"].startswith("text/event-stream")
    assert got.headers["x-scope-model"] == "small"
    assert got.text.rstrip().endswith("data: [DONE]")


def test_a_model_named_by_the_client_bypasses_the_decision(local, upstreams):
    """
    No replica is asked.
    """
    with local.open(**upstreams) as client:
        got = client.post("/v1/chat/completions", json=CHAT | {"model": "large"})

    assert got.json()["model"] == "large"
    assert got.headers["x-scope-source"] == "client"
    assert local.embedder.asked == []


def test_a_model_that_fails_is_replaced_by_the_next_best(local, upstream, upstreams):
    """
    The headers are about the model that answered.
    """
    with local.open(policy={"min_quality": 0.6}, **upstreams) as client:
        upstream.behave({"small": {"way": "status", "status": 500}})
        got = client.post("/v1/chat/completions", json=CHAT)

    assert got.json()["model"] == got.headers["x-scope-model"] == "large"


def test_a_fallback_stays_among_the_allowed(local, upstream, upstreams):
    """
    Nobody is answered by a model that they ruled out.
    """
    with local.open(policy={"min_quality": 0.6}, **upstreams) as client:
        upstream.behave({"small": {"way": "status", "status": 500}})
        got = client.post(
            "/v1/chat/completions", json=CHAT | {"scope": {"denied_models": ["large"]}}
        )

    assert got.status_code == 502
    assert got.json()["error"]["code"] == "upstream_failed"


@pytest.mark.parametrize(
    ("failing", "source", "degraded"),
    [
        pytest.param(("predictor", "late"), "votes", "predictor late", id="predictor late"),
        pytest.param(("predictor", "full"), "votes", "predictor full", id="predictor full"),
        pytest.param(("embedder", "down"), "averages", "embedder down", id="embedder down"),
    ],
)
def test_a_replica_that_fails_costs_quality_and_not_the_answer(local, failing, source, degraded):
    """
    Its votes, then its averages: the Router has a light copy of the bank. The header says so.
    """
    with local.open(policy={"min_quality": 0.6}) as client:
        getattr(local, failing[0]).failing = failing
        got = client.post("/v1/route", json={"prompt": "a law"})

    assert got.status_code == 200
    assert got.json()["source"] == source
    assert got.headers["x-scope-degraded"] == got.json()["degraded"] == degraded
    assert len(got.json()["anchors"]) == (10 if source == "votes" else 0)


def test_without_a_vector_the_default_model_answers(local):
    """
    The operator's word counts for more than averages.
    """
    with local.open(policy={"alpha": 0.0}, default_model="large") as client:
        local.embedder.failing = ("embedder", "late")
        got = client.post("/v1/route", json={"prompt": "a sum"}).json()

    assert (got["model"], got["source"], got["policy"]) == ("large", "default", None)
    assert got["fallbacks"] == ["small"]


def test_the_default_model_is_no_way_around_a_deny_list(local):
    """
    Then averages decide among those that are left.
    """
    with local.open(default_model="large") as client:
        local.embedder.failing = ("embedder", "late")
        body = {"prompt": "a sum", "scope": {"denied_models": ["large"]}}
        got = client.post("/v1/route", json=body).json()

    assert (got["model"], got["source"]) == ("small", "averages")


def test_a_prompt_that_comes_again_is_foretold_from_the_cache(local):
    """
    Under another policy, too: only the decision is made anew.
    """
    with local.open() as client:
        first = client.post("/v1/route", json={"prompt": "a law", "scope": {"alpha": 0}}).json()
        again = client.post("/v1/route", json={"prompt": "a law", "scope": {"alpha": 1}}).json()

    assert len(local.predictor.asked) == 1
    assert (first["source"], again["source"]) == ("anchors", "cache")
    assert (first["model"], again["model"]) == ("small", "large")


def test_what_was_foretold_without_a_replica_is_not_kept(local):
    """
    The next time it is asked again.
    """
    with local.open() as client:
        local.predictor.failing = ("predictor", "late")
        client.post("/v1/route", json={"prompt": "a law"})
        local.predictor.failing = None
        got = client.post("/v1/route", json={"prompt": "a law"}).json()

    assert got["source"] == "anchors"


def test_a_long_list_goes_in_calls_of_a_few_prompts(local):
    """
    Forty prompts and one of them twice: three calls, and every decision in its place.
    """
    prompts = [f"a {'law' if n % 3 else 'sum'} of {n}" for n in range(40)]
    with local.open(policy={"min_quality": 0.6}) as client:
        body = {"prompts": [*prompts, prompts[0]]}
        got = client.post("/v1/route", json=body).json()["decisions"]

    assert [len(texts) for texts in local.embedder.asked] == [16, 16, 8]
    assert [one["model"] for one in got[:40]] == ["large" if n % 3 else "small" for n in range(40)]
    assert got[40]["model"] == got[0]["model"]


def test_a_session_stays_on_its_model(local):
    """
    Until the gain outweighs what its prompt cache is worth.
    """
    with local.open(policy={"min_quality": 0.6}, sessions={"cache_discount": 1.0}) as client:

        def routed(prompt, **wish):
            return client.post("/v1/route", json={"prompt": prompt, "scope": wish}).json()

        first = routed("a law", session_id="s")
        again = routed("a law, too", session_id="s")
        elsewhere = routed("a sum", session_id="t")

    assert (first["model"], first["sticky"]) == ("large", False)
    assert (again["model"], again["sticky"]) == ("large", True)
    assert (elsewhere["model"], elsewhere["sticky"]) == ("small", False)


def test_the_header_names_a_session_as_well(local):
    """
    The one by which Serve finds the replica.
    """
    with local.open(policy={"min_quality": 0.6}) as client:
        headers = {"x-session-id": "s"}
        client.post("/v1/route", json={"prompt": "a law"}, headers=headers)
        got = client.post("/v1/route", json={"prompt": "a law again"}, headers=headers).json()

    assert got["sticky"]


def test_settings_change_for_requests_to_come(local):
    """
    Policy, prices and pool at once.
    """
    with local.open(policy={"alpha": 0.0}) as client:
        before = client.post("/v1/route", json={"prompt": "a law"}).json()
        local.configure(policy={"alpha": 1.0}, pool=["large"])
        after = client.post("/v1/route", json={"prompt": "a law"}).json()

    assert (before["model"], after["model"]) == ("small", "large")
    assert [one["model"] for one in after["candidates"]] == ["large"]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"policy": {"alpha": 2}}, id="a field"),
        pytest.param({"pool": ["z"]}, id="does not fit the bank"),
        pytest.param({"access": {"key_file": "/nowhere"}}, id="a file that is not there"),
        pytest.param({"limits": {"max_prompts": 1}, "typo": 1}, id="one right, one wrong"),
        pytest.param(
            {"upstreams": {"small": {"base_url": "http://h", "key_variable": "NO_SUCH_KEY"}}},
            id="a key that is not there",
        ),
    ],
)
def test_an_invalid_change_changes_nothing(local, wrong):
    """
    Not even the part of it that is right.
    """
    with local.open() as client:
        before = local.router.settings.current
        with pytest.raises(ConfigError):
            local.configure(**wrong)

        assert local.router.settings.current is before
        assert client.post("/v1/route", json={"prompt": "a law"}).status_code == 200


def test_more_requests_than_there_is_room_for_are_told_to_come_again(local):
    """
    503 with Retry-After, before the body is read; those under way are not disturbed.
    """
    with local.open(limits={"max_in_flight": 1}) as client:
        exchange = client.portal.call(local.router.admission.admit, "route", None)
        busy = client.post("/v1/route", json={"prompt": "a sum"})
        client.portal.call(exchange.close)
        free = client.post("/v1/route", json={"prompt": "a sum"})

    assert busy.status_code == 503
    assert busy.headers["retry-after"] == "1"
    assert busy.json()["error"]["code"] == "overloaded"
    assert free.status_code == 200


def test_every_way_to_end_gives_the_room_back(local, upstream, upstreams):
    """
    Answers, streams, refusals and failures: afterwards nothing is under way.
    """
    with local.open(limits={"max_in_flight": 2}, **upstreams) as client:
        upstream.behave({"large": {"way": "cut"}})
        for body in (
            CHAT,
            CHAT | {"stream": True},
            CHAT | {"model": "large"},
            CHAT | {"model": "large", "stream": True},
            CHAT | {"model": "gpt-9"},
            CHAT | {"messages": []},
            {"prompt": 7},
        ):
            for path in ("chat/completions", "route"):
                client.post(f"/v1/{path}", json=body)
        got = [client.post("/v1/route", json={"prompt": "x"}).status_code for _ in range(3)]

    assert got == [200, 200, 200]


@pytest.mark.parametrize("path", ["/v1/route", "/v1/chat/completions", "/v1/models"])
def test_nothing_is_told_without_a_key(local, path):
    """
    Where keys are asked for; the digest of one is enough to configure it.
    """
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"  # of "secret"
    with local.open(access={"keys": [{"name": "ann", "sha256": digest}]}) as client:
        method = client.get if path == "/v1/models" else client.post
        nobody = method(path)
        ann = method(path, headers={"authorization": "Bearer secret"})

    assert nobody.status_code == 401
    assert nobody.json()["error"]["code"] == "missing_api_key"
    assert ann.status_code != 401


def test_an_address_of_other_machines_wants_keys(local):
    """
    Also when it is changed live.
    """
    local.router.settings._host = "0.0.0.0"

    with pytest.raises(ConfigError, match=r"0\.0\.0\.0 can be reached"), local.open():
        pass


def test_models_are_listed_with_their_prices(local):
    """
    And auto first, as OpenAI's clients show them.
    """
    with local.open(pool=["large"]) as client:
        got = client.get("/v1/models").json()

    assert [model["id"] for model in got["data"]] == ["auto", "large"]
    assert got["data"][1]["pricing"] == {"usd_per_mtok_in": 3.0, "usd_per_mtok_out": 15.0}


@pytest.mark.parametrize(
    ("failing", "status", "said"),
    [
        pytest.param(None, 200, "ok", id="all is there"),
        pytest.param(("predictor", "late"), 503, "late", id="predictor late"),
    ],
)
def test_ready_tells_whether_the_replicas_answer(local, failing, status, said):
    """
    503 takes it out of a load balancer while /health keeps it alive.
    """
    with local.open() as client:
        local.predictor.failing = failing
        got = client.get("/ready")

    assert got.status_code == status
    assert got.json()["predictor"] == said


def test_without_upstreams_a_chat_is_refused_with_the_reason(local):
    """
    Deciding needs none.
    """
    with local.open() as client:
        got = client.post("/v1/chat/completions", json=CHAT)

    assert got.status_code == 503
    assert "user_config names no upstreams" in got.json()["error"]["message"]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        pytest.param({"deadline_ms": 60_001}, "60001 is more than the 60000 allowed", id="long"),
        pytest.param({"session_id": "s" * 257}, "at most 256", id="name of a session"),
    ],
)
def test_a_wish_beyond_the_limits_is_refused(local, wish, message):
    """
    With the field and what is allowed.
    """
    with local.open() as client:
        got = client.post("/v1/route", json={"prompt": "x", "scope": wish})

    assert got.status_code == 400
    assert message in got.json()["error"]["message"]


def test_a_mistake_of_our_own_has_the_shape_of_every_error(local, monkeypatch):
    """
    500, and nothing of the inside.
    """
    with local.open() as client:
        local.embedder.answer = None  # not callable
        got = client.post("/v1/route", json={"prompt": "x"})

    assert got.status_code == 500
    assert got.json()["error"]["type"] == "server_error"
    assert "callable" not in json.dumps(got.json())


def test_every_decision_is_written_down_with_what_came_of_it(local, upstreams, tmp_path):
    """
    Ids and numbers; no prompt, unless that is switched on.
    """
    folder = tmp_path / "decisions"
    with local.open(decisions={"folder": str(folder)}, **upstreams) as client:
        client.post("/v1/route", json={"prompts": ["a sum", "a law"]})
        told = client.post("/v1/chat/completions", json=CHAT | {"stream": True})

    (file,) = folder.iterdir()
    one, two, chat = map(json.loads, file.read_text().splitlines())
    assert [one["endpoint"], two["endpoint"], chat["endpoint"]] == ["route", "route", "chat"]
    assert chat["id"] == told.headers["x-scope-decision-id"]
    assert chat["answered_by"] == chat["model"]
    assert chat["real_cost_usd"] > 0
    assert chat["attempts"][0]["outcome"] == "ok"
    assert "a sum" not in file.read_text()


def test_a_chat_that_nobody_answered_is_not_written_down_as_answered(local, upstreams, tmp_path):
    """
    It was decided, and refused for its deadline before any call.
    """
    folder = tmp_path / "decisions"
    body = CHAT | {"model": "large", "scope": {"deadline_ms": 60_001}}
    with local.open(decisions={"folder": str(folder)}, **upstreams) as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 400

    (file,) = folder.iterdir()
    record = json.loads(file.read_text())
    assert (record["status"], record["answered_by"], record["attempts"]) == (None, None, [])


def test_a_model_that_is_dropped_while_a_request_decides_is_passed_over(local, upstreams):
    """
    The next best answers: a live change fails no request.
    """
    told = dict(upstreams["upstreams"])
    with local.open(policy={"min_quality": 0.6}, **upstreams) as client:
        exchange = client.portal.call(local.router.admission.admit, "chat", None)
        local.configure(**upstreams | {"upstreams": {"large": told["large"]}})
        client.portal.call(local.router.chat, exchange, json.dumps(CHAT).encode(), {})
        client.portal.call(exchange.close)

    assert exchange.decisions[0].model == "small"
    assert exchange.model == "large"


def test_a_key_that_used_up_its_rate_is_told_when_to_come_again(local):
    """
    429 with Retry-After; the bucket holds two of a minute's requests.
    """
    with local.open(limits={"requests_per_minute": 2}) as client:
        got = [client.post("/v1/route", json={"prompt": "a sum"}) for _ in range(3)]

    assert [one.status_code for one in got] == [200, 200, 429]
    assert got[2].headers["retry-after"] == "30"
    assert got[2].json()["error"]["type"] == "rate_limit_error"
