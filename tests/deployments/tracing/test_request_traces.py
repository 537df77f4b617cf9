"""The traces of requests, as a collector gets them."""

import json
import subprocess
import sys

import pytest

from tests.deployments.collector import collecting
from tests.deployments.local import LocalReplica
from tests.deployments.local import Site as LocalSite
from tests.factories.banks import LARGE, SMALL, two_kinds

SECRET = "Zanzibar sums"
CHAT = {"model": "auto", "messages": [{"role": "user", "content": f"{SECRET}: 2 + 2?"}]}
PATH = "/v1/chat/completions"
CHEAP = {"min_quality": 0.6}
CLIENT_TRACE, CLIENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01", "tracestate": "vendor=1"}


@pytest.fixture
def collector():
    with collecting() as collector:
        yield collector


@pytest.fixture
def settings(upstream, collector):
    """Settings that trace, and give both models an upstream."""
    upstream.behave({})
    one = {"base_url": upstream.base_url, "timeout_s": 5.0}
    return {
        "policy": CHEAP,
        "upstreams": {"small": one, "large": one},
        "retries": {"initial_backoff_s": 0.001},
        "tracing": {"endpoint": collector.url},
    }


def texts(collector):
    """All that the collector has been told, as one text."""
    return json.dumps([[span.name, span.attributes, span.resource] for span in collector.spans])


def test_a_chat_is_one_trace(local, settings, collector):
    """
    The request has a decision and a call; the decision has an embedding and a prediction.
    """
    with local.open(**settings) as client:
        got = client.post(PATH, json=CHAT)

    assert collector.tree() == {
        f"POST {PATH}": None,
        "decide": f"POST {PATH}",
        "embed": "decide",
        "predict": "decide",
        "chat small": f"POST {PATH}",
    }
    request, decide = collector.named(f"POST {PATH}"), collector.named("decide")
    assert {span.trace_id for span in collector.spans} == {request.trace_id}
    assert {span.kind for span in collector.spans if span.id != request.id} == {
        "internal",
        "client",
    }
    assert request.kind == "server"
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": PATH,
        "url.path": PATH,
        "url.scheme": "http",
        "http.response.status_code": 200,
        "scope.decision.id": got.headers["x-scope-decision-id"],
        "scope.source": "anchors",
        "scope.model": "small",
    }
    assert request.resource["service.name"] == "scope-router"
    assert request.resource["service.instance.id"] == "local"
    assert decide.attributes["scope.decision.id"] == got.headers["x-scope-decision-id"]
    assert decide.attributes["scope.policy"] == "min_quality"
    assert f"{decide.attributes['scope.p_correct']:.6g}" == got.headers["x-scope-p-correct"]
    assert f"{decide.attributes['scope.predicted_cost_usd']:.6g}" == got.headers["x-scope-cost-usd"]
    assert request.began_at <= decide.began_at <= decide.ended_at <= request.ended_at


def test_a_call_follows_the_conventions_for_generative_ai(local, settings, collector, upstream):
    """
    The values are those of the upstream, not ours.
    """
    with local.open(**settings) as client:
        body = CHAT | {"max_tokens": 50, "temperature": 0.5, "n": 1, "seed": 7}
        client.post(PATH, json=body)

    call = collector.named("chat small")
    port = int(upstream.root.rpartition(":")[2])
    cost_usd = call.attributes.pop("scope.cost_usd")
    assert cost_usd == pytest.approx(
        (20 * SMALL.usd_per_mtok_in + 10 * SMALL.usd_per_mtok_out) / 1e6
    )
    assert (call.kind, call.failed) == ("client", False)
    assert call.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "small",
        "gen_ai.request.choice.count": 1,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.seed": 7,
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 10,
        "server.address": "127.0.0.1",
        "server.port": port,
        "scope.arm": "small",
    }


def test_each_attempt_has_a_span(local, settings, collector, upstream):
    """
    The first one failed; the other model answered.
    """
    upstream.behave({"small": {"way": "status", "status": 503}})
    with local.open(**settings) as client:
        assert client.post(PATH, json=CHAT).json()["model"] == "large"

    failed, answered = collector.named("chat small"), collector.named("chat large")
    assert (failed.failed, failed.attributes["error.type"]) == (True, "http 503")
    assert (answered.failed, "error.type" in answered.attributes) == (False, False)
    assert failed.ended_at <= answered.began_at
    assert failed.parent_id == answered.parent_id == collector.named(f"POST {PATH}").id
    assert "configured failure" not in texts(collector)


def test_a_request_that_fails_is_marked(local, settings, collector, upstream):
    """
    With its status; a wrong request is not the server's failure.
    """
    upstream.behave({"*": {"way": "status", "status": 500}})
    with local.open(**settings, pool=["small"]) as client:
        status = client.post(PATH, json=CHAT).status_code
        client.post("/v1/route", json={})

    request, wrong = collector.named(f"POST {PATH}"), collector.named("POST /v1/route")
    assert (request.failed, request.attributes["error.type"]) == (True, str(status))
    assert (wrong.failed, wrong.attributes["http.response.status_code"]) == (False, 400)


def test_the_span_of_a_stream_ends_with_it(local, settings, collector):
    """
    It has the time to the first part of the answer, and what the whole of it says.
    """
    with local.open(**settings) as client:
        client.post(PATH, json=CHAT | {"stream": True})

    call, request = collector.named("chat small"), collector.named(f"POST {PATH}")
    first_s = call.attributes["gen_ai.response.time_to_first_chunk"]
    assert 0 < first_s <= call.ended_at - call.began_at
    assert call.parent_id == request.id
    assert call.ended_at <= request.ended_at
    assert call.attributes["gen_ai.request.stream"] is True
    assert call.attributes["gen_ai.response.model"] == "as-it-says"
    assert call.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert call.attributes["gen_ai.usage.output_tokens"] == 10
    assert call.attributes["scope.cost_usd"] > 0


def test_a_stream_that_breaks_is_marked(local, settings, collector, upstream):
    """
    After two pieces of the answer: its status is 200, its finish reason is missing.
    """
    upstream.behave({"small": {"way": "cut", "events": 2}})
    with local.open(**settings) as client:
        client.post(PATH, json=CHAT | {"stream": True})

    call, request = collector.named("chat small"), collector.named(f"POST {PATH}")
    assert call.failed
    assert request.attributes["error.type"] == call.attributes["error.type"] == "cut connection"
    assert call.attributes["gen_ai.response.finish_reasons"] == ["error"]


def test_a_degraded_decision_says_why(local, settings, collector):
    """
    The embedder is down.
    """
    local.embedder.failing = ("embedder", "down")
    with local.open(**settings) as client:
        client.post(PATH, json=CHAT)

    embed, decide = collector.named("embed"), collector.named("decide")
    assert (embed.failed, embed.attributes["error.type"]) == (True, "down")
    assert decide.attributes["scope.degraded"] == "embedder down"
    assert decide.attributes["scope.source"] == "means"
    assert "predict" not in collector.tree()


def test_a_cached_prediction_calls_no_replica(local, settings, collector):
    """
    The second decision says where its prediction is from.
    """
    with local.open(**settings) as client:
        first, second = (
            client.post("/v1/route", json={"prompt": "a sum"}).json()["id"] for _ in range(2)
        )

    decisions = [span for span in collector.spans if span.name == "decide"]
    by_id = {span.attributes["scope.decision.id"]: span for span in decisions}
    assert by_id[first].attributes["scope.cached_predictions"] == 0
    assert by_id[second].attributes["scope.cached_predictions"] == 1
    assert by_id[second].attributes["scope.source"] == "cache"
    assert len([span for span in collector.spans if span.name == "embed"]) == 1


def test_a_list_of_prompts_is_one_decision(local, settings, collector):
    """
    Its embedder is called once for 16 prompts.
    """
    with local.open(**settings) as client:
        client.post("/v1/route", json={"prompts": [f"sum {n}" for n in range(20)]})

    decide = collector.named("decide")
    sizes = [
        span.attributes["scope.prompts"]
        for span in collector.spans
        if (span.name, span.parent_id) == ("embed", decide.id)
    ]
    assert decide.attributes["scope.decisions"] == 20
    assert sorted(sizes) == [4, 16]


def test_each_sample_has_a_span(tmp_path, settings, collector):
    """
    And the choice among them.
    """
    reward = LocalReplica(lambda request: [float(len(text)) for text in request.responses])
    arms = (SMALL, SMALL.model_copy(update={"id": "small@3"}), LARGE)
    site = LocalSite(tmp_path, two_kinds(models=arms), reward=reward)
    with site.open(**settings) as client:
        client.post(PATH, json=CHAT | {"model": "small@3"})

    samples = [span for span in collector.spans if span.name == "chat small"]
    best = collector.named("best of 3")
    assert [span.parent_id for span in samples] == 3 * [best.id]
    assert best.attributes["scope.arm"] == "small@3"
    assert collector.named("select").attributes["scope.selector"] == "reward"
    assert collector.tree()["select"] == "best of 3"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("way", ["ok", "status", "error"])
def test_no_text_is_recorded_unless_asked(local, settings, collector, upstream, way, stream):
    """
    Neither that of the prompt nor that of the answer, nor a key or its name.
    """
    upstream.behave({"small": {"way": way, "message": SECRET}, "*": {"answer": SECRET}})
    body = CHAT | {"stream": stream, "user": SECRET, "stop": [SECRET], "reasoning_effort": SECRET}
    with local.open(**settings) as client:
        client.post(PATH, json=body, headers={"authorization": "Bearer sk-very-secret-0123"})
        client.post("/v1/route", json={"prompt": SECRET})
        client.get(f"/v1/models/small?{SECRET}")

    assert len(collector.spans) > 6
    assert SECRET not in texts(collector)
    assert "sk-very-secret" not in texts(collector)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_texts_are_recorded_when_asked(local, settings, collector, stream):
    """
    As the conventions shape messages.
    """
    settings["tracing"]["prompts"] = True
    with local.open(**settings) as client:
        client.post(PATH, json=CHAT | {"stream": stream})

    call = collector.named("chat small").attributes
    (asked,) = json.loads(call["gen_ai.input.messages"])
    (answered,) = json.loads(call["gen_ai.output.messages"])
    assert asked == {
        "role": "user",
        "parts": [{"type": "text", "content": CHAT["messages"][0]["content"]}],
    }
    assert answered["role"] == "assistant"
    assert answered["parts"][0]["content"].strip() == "The answer is (A)."


def test_an_odd_stream_is_passed_on_without_its_texts(local, settings, collector, upstream):
    """
    No stream breaks because it cannot be recorded.
    """
    pieces = [
        {"choices": [{"index": 0, "delta": {"content": "4"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": 5, "tool_calls": 6}, "logprobs": 7}]},
        {"choices": [{"index": {}, "delta": {"tool_calls": [8]}, "finish_reason": "stop"}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    script = [*(f"data: {json.dumps(piece)}\n\n" for piece in pieces), "data: [DONE]\n\n"]
    upstream.behave({"small": {"way": "script", "script": script}})
    settings["tracing"]["prompts"] = True
    with local.open(**settings) as client:
        got = client.post(PATH, json=CHAT | {"stream": True})

    assert got.text.rstrip().endswith("data: [DONE]")
    assert not collector.named("chat small").failed


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_trace_of_the_client_goes_on_to_the_upstream(
    local, settings, collector, upstream, stream
):
    """
    The request is a child of the client's span, and the upstream's work one of our call.
    """
    content = f"trace of a client, {stream}"
    body = CHAT | {"messages": [{"role": "user", "content": content}], "stream": stream}
    with local.open(**settings) as client:
        client.post(PATH, json=body, headers=TRACEPARENT)

    (call,) = [call for call in upstream.log() if call["prompt"] == content]
    version, trace_id, parent_id, flags = call["headers"]["traceparent"].split("-")
    request = collector.named(f"POST {PATH}")
    assert (request.trace_id, request.parent_id) == (CLIENT_TRACE, CLIENT_SPAN)
    assert (version, trace_id) == ("00", CLIENT_TRACE)
    assert parent_id == collector.named("chat small").id
    assert int(flags, 16) & 1
    assert call["headers"]["tracestate"] == "vendor=1"


@pytest.mark.parametrize(
    ("sample", "flags", "n_traces"),
    [
        pytest.param(0.0, None, 0, id="no trace begins here"),
        pytest.param(1.0, None, 1, id="every trace begins here"),
        pytest.param(0.0, "01", 1, id="the client records"),
        pytest.param(1.0, "00", 0, id="the client does not"),
    ],
)
def test_the_client_decides_what_is_sampled(local, settings, collector, sample, flags, n_traces):
    """
    Where it sends no trace, our share holds.
    """
    settings["tracing"]["sample"] = sample
    headers = {"traceparent": f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-{flags}"} if flags else {}
    with local.open(**settings) as client:
        assert client.post(PATH, json=CHAT, headers=headers).status_code == 200

    assert len({span.trace_id for span in collector.spans}) == n_traces


def test_a_broken_traceparent_begins_a_trace(local, settings, collector):
    """
    It is no reason to fail the request.
    """
    with local.open(**settings) as client:
        got = client.post(PATH, json=CHAT, headers={"traceparent": "00-zz"})

    assert got.status_code == 200
    assert collector.named(f"POST {PATH}").parent_id == ""


def test_without_tracing_the_headers_pass_unchanged(local, settings, upstream):
    """
    So that the client's trace and the upstream's still join.
    """
    content = "no tracing here"
    body = CHAT | {"messages": [{"role": "user", "content": content}]}
    with local.open(**settings | {"tracing": None}) as client:
        client.post(PATH, json=body, headers=TRACEPARENT)

    (call,) = [call for call in upstream.log() if call["prompt"] == content]
    assert {name: call["headers"][name] for name in TRACEPARENT} == TRACEPARENT


def test_tracing_changes_while_requests_run(local, settings, collector):
    """
    On, off, and on at another collector; what was recorded is sent first.
    """
    off = settings | {"tracing": None}
    with local.open(**off) as client, collecting() as other:
        client.post("/v1/route", json={"prompt": "first"})
        local.configure(**settings)
        client.post("/v1/route", json={"prompt": "second"})
        local.configure(**off)
        client.post("/v1/route", json={"prompt": "third"})
        local.configure(**settings | {"tracing": {"endpoint": other.url}})
        client.post("/v1/feedback", json={})
        client.portal.call(local.router.tracing.close)

    assert collector.named("POST /v1/route").attributes["http.response.status_code"] == 200
    assert [span.name for span in other.spans] == ["POST /v1/feedback"]


def test_probes_and_unknown_paths_have_no_trace(local, settings, collector):
    """
    They would be most of all traces.
    """
    with local.open(**settings) as client:
        for path in ("/health", "/ready", "/wp-admin", "/v1/models/large", "/models"):
            client.get(path)

    routes = [span.attributes["http.route"] for span in collector.spans]
    assert sorted(routes) == ["/v1/models", "/v1/models/{name}"]


def test_the_key_of_the_collector_is_in_the_environment(local, settings, collector, monkeypatch):
    """
    As OpenTelemetry reads it, and the name of the service, too.
    """
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=abc")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "our-router")
    with local.open(**settings) as client:
        client.get("/v1/models")

    assert collector.headers[0]["x-collector-key"] == "abc"
    assert collector.spans[0].resource["service.name"] == "our-router"


@pytest.mark.parametrize("path", [PATH, "/v1/route"])
def test_a_collector_that_is_down_fails_no_request(local, settings, monkeypatch, path):
    """
    Nor does the replica wait for it when it stops.
    """
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    settings["tracing"]["endpoint"] = "http://127.0.0.1:1/v1/traces"
    with local.open(**settings) as client:
        assert client.post(path, json=CHAT).status_code == 200


def test_without_tracing_no_exporter_is_loaded():
    """
    Ray itself loads the rest of OpenTelemetry.
    """
    code = "import deployments.app, sys; print([m for m in sys.modules if 'otlp' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
