import json

import pytest

from scope.errors import ConfigError

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "a sum"}]}


@pytest.fixture
def upstreams(upstream):
    """Return settings that give both models an upstream."""
    upstream.behave({})
    settings = {"base_url": upstream.base_url, "timeout_s": 5.0}
    return {
        "upstreams": {"small": settings, "large": settings},
        "retries": {"initial_backoff_s": 0.001},
    }


def test_auto_is_answered_by_the_chosen_model(local, upstreams):
    """
    Body and headers have its name; headers have the predictions, the body the real cost.
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
    It ends as the upstream ended it.
    """
    with local.open(policy={"min_quality": 0.6}, **upstreams) as client:
        got = client.post("/v1/chat/completions", json=CHAT | {"stream": True})

    assert got.headers["content-type"].startswith("text/event-stream")
    assert got.headers["x-scope-model"] == "small"
    assert got.text.rstrip().endswith("data: [DONE]")


def test_a_model_named_by_the_client_bypasses_the_decision(local, upstreams):
    """
    No replica is called.
    """
    with local.open(**upstreams) as client:
        got = client.post("/v1/chat/completions", json=CHAT | {"model": "large"})

    assert got.json()["model"] == "large"
    assert got.headers["x-scope-source"] == "client"
    assert local.embedder.calls == []


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
    No request is answered by a model that it denies.
    """
    with local.open(policy={"min_quality": 0.6}, **upstreams) as client:
        upstream.behave({"small": {"way": "status", "status": 500}})
        got = client.post(
            "/v1/chat/completions", json=CHAT | {"scope": {"denied_models": ["large"]}}
        )

    assert got.status_code == 500
    assert got.json()["error"]["code"] == "upstream_failed"


@pytest.mark.parametrize(
    ("failing", "source", "degraded"),
    [
        pytest.param(("predictor", "late"), "knn", "predictor late", id="predictor late"),
        pytest.param(("predictor", "full"), "knn", "predictor full", id="predictor full"),
        pytest.param(("embedder", "down"), "means", "embedder down", id="embedder down"),
    ],
)
def test_a_replica_that_fails_costs_quality_and_not_the_answer(local, failing, source, degraded):
    """
    The Router holds the bank: it falls back to kNN, then to averages, and a header says so.
    """
    with local.open(policy={"min_quality": 0.6}) as client:
        getattr(local, failing[0]).failing = failing
        got = client.post("/v1/route", json={"prompt": "a law"})

    assert got.status_code == 200
    assert got.json()["source"] == source
    assert got.headers["x-scope-degraded"] == got.json()["degraded"] == degraded
    assert len(got.json()["anchors"]) == (10 if source == "knn" else 0)


def test_without_a_vector_the_default_model_answers(local):
    """
    The operator's choice takes precedence over averages.
    """
    with local.open(policy={"alpha": 0.0}, default_model="large") as client:
        local.embedder.failing = ("embedder", "late")
        got = client.post("/v1/route", json={"prompt": "a sum"}).json()

    assert (got["model"], got["source"], got["policy"]) == ("large", "default", None)
    assert got["fallbacks"] == ["small"]


def test_a_deny_list_holds_for_the_default_model(local):
    """
    Averages decide among the other models.
    """
    with local.open(default_model="large") as client:
        local.embedder.failing = ("embedder", "late")
        body = {"prompt": "a sum", "scope": {"denied_models": ["large"]}}
        got = client.post("/v1/route", json=body).json()

    assert (got["model"], got["source"]) == ("small", "means")


def test_a_repeated_prompt_is_predicted_from_the_cache(local):
    """
    This holds under another policy, too: only the decision is made again.
    """
    with local.open() as client:
        first = client.post("/v1/route", json={"prompt": "a law", "scope": {"alpha": 0}}).json()
        again = client.post("/v1/route", json={"prompt": "a law", "scope": {"alpha": 1}}).json()

    assert len(local.predictor.calls) == 1
    assert (first["source"], again["source"]) == ("anchors", "cache")
    assert (first["model"], again["model"]) == ("small", "large")


def test_a_prediction_without_a_replica_is_not_cached(local):
    """
    The next request calls the replica again.
    """
    with local.open() as client:
        local.predictor.failing = ("predictor", "late")
        client.post("/v1/route", json={"prompt": "a law"})
        local.predictor.failing = None
        got = client.post("/v1/route", json={"prompt": "a law"}).json()

    assert got["source"] == "anchors"


def test_a_long_list_is_split_into_calls_of_a_few_prompts(local):
    """
    Forty prompts and one duplicate make three calls; the decisions are in the order of the prompts.
    """
    prompts = [f"a {'law' if n % 3 else 'sum'} of {n}" for n in range(40)]
    with local.open(policy={"min_quality": 0.6}) as client:
        body = {"prompts": [*prompts, prompts[0]]}
        got = client.post("/v1/route", json=body).json()["decisions"]

    assert [len(texts) for texts in local.embedder.calls] == [16, 16, 8]
    assert [decision["model"] for decision in got[:40]] == [
        "large" if n % 3 else "small" for n in range(40)
    ]
    assert got[40]["model"] == got[0]["model"]


def test_a_session_stays_on_its_model(local):
    """
    It stays until the gain exceeds the value of its prompt cache.
    """
    with local.open(policy={"min_quality": 0.6}, sessions={"cache_discount": 1.0}) as client:

        def routed(prompt, **options):
            return client.post("/v1/route", json={"prompt": prompt, "scope": options}).json()

        first = routed("a law", session_id="s")
        again = routed("a law, too", session_id="s")
        other = routed("a sum", session_id="t")

    assert (first["model"], first["sticky"]) == ("large", False)
    assert (again["model"], again["sticky"]) == ("large", True)
    assert (other["model"], other["sticky"]) == ("small", False)


def test_the_header_names_a_session_as_well(local):
    """
    Serve uses the same header to find the replica.
    """
    with local.open(policy={"min_quality": 0.6}) as client:
        headers = {"x-session-id": "s"}
        client.post("/v1/route", json={"prompt": "a law"}, headers=headers)
        got = client.post("/v1/route", json={"prompt": "a law again"}, headers=headers).json()

    assert got["sticky"]


def test_new_settings_apply_to_later_requests(local):
    """
    Policy, prices and pool change at once.
    """
    with local.open(policy={"alpha": 0.0}) as client:
        before = client.post("/v1/route", json={"prompt": "a law"}).json()
        local.configure(policy={"alpha": 1.0}, pool=["large"])
        after = client.post("/v1/route", json={"prompt": "a law"}).json()

    assert (before["model"], after["model"]) == ("small", "large")
    assert [candidate["model"] for candidate in after["candidates"]] == ["large"]


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
    Not even its valid part is applied.
    """
    with local.open() as client:
        before = local.router.settings.current
        with pytest.raises(ConfigError):
            local.configure(**wrong)

        assert local.router.settings.current is before
        assert client.post("/v1/route", json={"prompt": "a law"}).status_code == 200


def test_requests_over_the_limit_are_told_to_retry(local):
    """
    They get a 503 with Retry-After before their body is read; requests in flight are not affected.
    """
    with local.open(limits={"max_in_flight": 1}) as client:
        context = client.portal.call(local.router.admission.admit, "route", None)
        busy = client.post("/v1/route", json={"prompt": "a sum"})
        client.portal.call(context.close)
        free = client.post("/v1/route", json={"prompt": "a sum"})

    assert busy.status_code == 503
    assert busy.headers["retry-after"] == "1"
    assert busy.json()["error"]["code"] == "overloaded"
    assert free.status_code == 200


def test_every_way_to_end_frees_the_place_in_flight(local, upstream, upstreams):
    """
    After answers, streams, errors and failures no request is in flight.
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


@pytest.mark.parametrize(
    "path", ["/v1/route", "/v1/chat/completions", "/v1/feedback", "/v1/models"]
)
def test_a_request_without_a_key_gets_a_401(local, path):
    """
    Keys are configured by their digests.
    """
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"  # of "secret"
    with local.open(access={"keys": [{"name": "ann", "sha256": digest}]}) as client:
        method = client.get if path == "/v1/models" else client.post
        anonymous = method(path)
        ann = method(path, headers={"authorization": "Bearer secret"})

    assert anonymous.status_code == 401
    assert anonymous.json()["error"]["code"] == "missing_api_key"
    assert ann.status_code != 401


def test_a_public_address_needs_keys(local):
    """
    This holds for settings that change while it serves.
    """
    local.router.settings._host = "0.0.0.0"

    with pytest.raises(ConfigError, match=r"0\.0\.0\.0 can be reached"), local.open():
        pass


def test_models_are_listed_with_their_prices(local):
    """
    `auto` comes first.
    """
    with local.open(pool=["large"]) as client:
        got = client.get("/v1/models").json()

    assert [model["id"] for model in got["data"]] == ["auto", "large"]
    assert got["data"][1]["pricing"] == {"usd_per_mtok_in": 3.0, "usd_per_mtok_out": 15.0}


@pytest.mark.parametrize(
    ("failing", "status", "state"),
    [
        pytest.param(None, 200, "ok", id="all answer"),
        pytest.param(("predictor", "late"), 503, "late", id="predictor late"),
    ],
)
def test_ready_returns_whether_the_replicas_answer(local, failing, status, state):
    """
    A 503 removes the replica from a load balancer; /health keeps it alive.
    """
    with local.open() as client:
        local.predictor.failing = failing
        got = client.get("/ready")

    assert got.status_code == status
    assert got.json()["predictor"] == state


def test_without_upstreams_a_chat_is_rejected_with_the_reason(local):
    """
    A decision needs no upstream.
    """
    with local.open() as client:
        got = client.post("/v1/chat/completions", json=CHAT)

    assert got.status_code == 503
    assert "user_config names no upstreams" in got.json()["error"]["message"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"deadline_ms": 600_001}, "600001 is more than the 600000 allowed", id="long deadline"
        ),
        pytest.param({"session_id": "s" * 257}, "at most 256", id="long session id"),
    ],
)
def test_an_option_beyond_the_limits_is_rejected(local, options, message):
    """
    The message has the value and the limit.
    """
    with local.open() as client:
        got = client.post("/v1/route", json={"prompt": "x", "scope": options})

    assert got.status_code == 400
    assert message in got.json()["error"]["message"]


def test_an_internal_error_has_the_format_of_every_error(local):
    """
    It is a 500, and shows nothing of the exception.
    """
    with local.open() as client:
        local.embedder.answer = None  # not callable
        got = client.post("/v1/route", json={"prompt": "x"})

    assert got.status_code == 500
    assert got.json()["error"]["type"] == "server_error"
    assert "callable" not in json.dumps(got.json())


def test_every_decision_is_logged_with_its_outcome(local, upstreams, tmp_path):
    """
    Ids and numbers are logged, prompts only where the settings say so.
    """
    folder = tmp_path / "decisions"
    with local.open(decisions={"folder": str(folder)}, **upstreams) as client:
        client.post("/v1/route", json={"prompts": ["a sum", "a law"]})
        answer = client.post("/v1/chat/completions", json=CHAT | {"stream": True})

    (file,) = folder.iterdir()
    first, second, chat = map(json.loads, file.read_text().splitlines())
    assert [first["endpoint"], second["endpoint"], chat["endpoint"]] == ["route", "route", "chat"]
    assert chat["id"] == answer.headers["x-scope-decision-id"]
    assert chat["answered_by"] == chat["model"]
    assert chat["real_cost_usd"] > 0
    assert chat["attempts"][0]["outcome"] == "ok"
    assert "a sum" not in file.read_text()


def test_the_log_tells_sessions_and_what_its_texts_lack(local, upstreams, tmp_path):
    """
    Both turns of a chat have one mark, and only its first text is all that the model got.
    """
    turns = [*CHAT["messages"], {"role": "assistant", "content": "3"}, *CHAT["messages"]]
    called = {"role": "assistant", "tool_calls": [{"id": "1"}]}
    loop = [*CHAT["messages"], called, {"role": "tool", "content": "5", "tool_call_id": "1"}]
    bodies = [CHAT, CHAT | {"messages": turns}, CHAT | {"messages": loop}]
    folder = tmp_path / "decisions"
    with local.open(decisions={"folder": str(folder), "prompts": True}, **upstreams) as client:
        for body in (*bodies, CHAT | {"scope": {"session_id": "ann@example.com"}}):
            client.post("/v1/chat/completions", json=body)
        client.post("/v1/route", json={"prompt": "a law"})

    (file,) = folder.iterdir()
    first, second, looped, named, alone = map(json.loads, file.read_text().splitlines())
    assert first["session"] == second["session"] == looped["session"] != named["session"]
    assert alone["session"] is None
    rows = (first, second, looped, named, alone)
    assert [row["prompt_is_whole"] for row in rows] == [True, False, False, True, True]
    assert [row["continues_turn"] for row in rows] == [False, False, True, False, False]
    assert "ann@example.com" not in file.read_text()


def test_an_unanswered_chat_is_not_logged_as_answered(local, upstreams, tmp_path):
    """
    It was decided, and rejected for its deadline before any call.
    """
    folder = tmp_path / "decisions"
    body = CHAT | {"model": "large", "scope": {"deadline_ms": 600_001}}
    with local.open(decisions={"folder": str(folder)}, **upstreams) as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 400

    (file,) = folder.iterdir()
    record = json.loads(file.read_text())
    assert (record["status"], record["answered_by"], record["attempts"]) == (None, None, [])


def test_a_model_that_loses_its_upstream_during_a_decision_is_skipped(local, upstreams):
    """
    The next model answers: a change of settings fails no request.
    """
    large = upstreams["upstreams"]["large"]
    with local.open(policy={"min_quality": 0.6}, **upstreams) as client:
        context = client.portal.call(local.router.admission.admit, "chat", None)
        local.configure(**upstreams | {"upstreams": {"large": large}})
        client.portal.call(local.router.chat, context, CHAT, {})
        client.portal.call(context.close)

    assert context.decisions[0].model == "small"
    assert context.model == "large"


def test_a_key_over_its_rate_is_told_when_to_retry(local):
    """
    It gets a 429 with Retry-After; its bucket holds the two requests of a minute.
    """
    with local.open(limits={"requests_per_minute": 2}) as client:
        got = [client.post("/v1/route", json={"prompt": "a sum"}) for _ in range(3)]

    assert [response.status_code for response in got] == [200, 200, 429]
    assert got[2].headers["retry-after"] == "30"
    assert got[2].json()["error"]["type"] == "rate_limit_error"
