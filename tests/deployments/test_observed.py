"""Metrics of a running application, as Prometheus would scrape them."""

import json
import re
from collections import defaultdict

import httpx
import pytest
import ray

from tests.cluster.expressions import named_metrics
from tests.deployments.collector import collecting
from tests.deployments.serving import fixed

pytestmark = pytest.mark.ray

MODEL, OTHER = "gpt-4o-2024-05-13", "gemini-1.5-flash-002"
CHAT = {"model": "auto", "messages": [{"role": "user", "content": "Is 91 a prime?"}]}
NOT_HERE = {
    "ray_scope_embed_second_latency_ms_bucket": "needs a bank of two encoders",
    "ray_scope_reason_latency_ms_bucket": "needs args.reasoner, a GPU or minutes",
}
"""Metrics of the dashboard that this application does not export, and why."""


def scraped():
    """The samples of Ray's agent on this node: values by metric and labels."""
    port = ray.nodes()[0]["MetricsExportPort"]
    found = defaultdict(list)
    for line in httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines():
        if match := re.fullmatch(r"(ray_\w+)\{(.*)\} (\S+)", line):
            name, labels, value = match.groups()
            found[name].append((dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)))
    return found


def total(name, **labels):
    """The sum of all series of a metric with these labels."""
    return sum(
        value for there, value in scraped()[f"ray_{name}"] if labels.items() <= there.items()
    )


def settings(upstream, **more):
    """One upstream for two models."""
    there = {"base_url": upstream.base_url, "timeout_s": 5.0}
    return {
        "pool": [MODEL, OTHER],
        "upstreams": {MODEL: there, OTHER: there},
        "retries": {"attempts": 2, "initial_backoff_s": 0.01},
        "spend": {"budget_usd_per_day": 5.0},
        **more,
    }


def test_a_score_reaches_the_router_that_decided(served, tmp_path):
    """
    With two Routers a score reaches the other one every second time: it asks all of them. Every
    score is counted once, also if the client sends it again, and both Routers have some.
    """
    log = {"decisions": {"folder": str(tmp_path)}}
    served.deploy(Router=fixed(2) | {"user_config": log})
    served.until(lambda: served.runs({"Router": 2}), "there are two Routers")
    before = total("scope_feedback_total")

    body = {"prompts": ["What is 2 + 2?"]}
    ids = [served.http.post("/v1/route", json=body).json()["decisions"][0]["id"] for _ in range(16)]
    scores = [{"decision_id": id_, "score": 0.5} for id_ in ids]
    first = [served.http.post("/v1/feedback", json=score).json() for score in scores]
    again = [served.http.post("/v1/feedback", json=score).json() for score in scores]
    unknown = served.http.post("/v1/feedback", json={**scores[0], "decision_id": f"dec_{0:032x}"})

    logged = {
        path.name: {json.loads(line)["id"] for line in path.read_text().splitlines()}
        for path in tmp_path.glob("feedback-*.jsonl")
    }
    assert [receipt["counted"] for receipt in first] == [True] * 16
    assert [receipt["counted"] for receipt in again] == [False] * 16
    assert unknown.status_code == 404
    assert len(logged) == 2
    assert sorted(id_ for ids in logged.values() for id_ in ids) == sorted(ids)
    served.until(
        lambda: total("scope_feedback_total") - before == 16, "each is counted once", timeout_s=30
    )


def test_every_metric_of_the_dashboard_and_the_alerts_is_exported(served, upstream):
    """
    By an application that has seen what they tell of: answers, a score, failed upstreams, several
    samples, a degraded decision, rejected settings.
    """
    upstream.behave({})
    served.deploy(Router={"user_config": settings(upstream)})
    chat = served.http.post("/v1/chat/completions", json=CHAT)
    samples = served.http.post("/v1/chat/completions", json=CHAT | {"model": f"{OTHER}@2"})
    score = {"decision_id": chat.headers["x-scope-decision-id"], "score": 1}
    feedback = served.http.post("/v1/feedback", json=score)
    upstream.behave({"*": {"way": "status", "status": 500}})
    failed = served.http.post("/v1/chat/completions", json=CHAT)
    hurried = settings(upstream, limits={"decision_ms": 1})
    served.deploy(Router={"user_config": hurried})
    late = served.http.post("/v1/route", json={"prompt": "How late is it?"})
    served.deploy(Router={"user_config": hurried | {"policy": {"alpha": 7}}})

    assert (chat.status_code, samples.status_code, feedback.status_code) == (200, 200, 200)
    assert failed.status_code == 500
    assert late.json()["degraded"]
    missing = set()

    def all_there():
        missing.clear()
        missing.update(named_metrics() - scraped().keys() - NOT_HERE.keys())
        return not missing

    try:
        served.until(all_there, "all are exported", timeout_s=30)
    finally:
        assert missing == set()
    served.until(lambda: total("scope_settings_rejected") >= 1, "it says so", timeout_s=30)
    assert total("scope_prompts_total", distribution="out") + total("scope_prompts_total") > 0
    assert total("scope_spend_today_usd") > 0
    seen = scraped()
    assert {value for _, value in seen["ray_scope_budget_usd_per_day"]} >= {5.0}
    (cost_usd, chosen_usd) = (
        sum(value for labels, value in seen[name] if labels["candidate"] == MODEL)
        for name in ("ray_scope_candidate_cost_usd_total", "ray_scope_chosen_cost_usd_total")
    )
    assert 0 < chosen_usd <= cost_usd
    served.deploy()


def test_traces_reach_a_collector_and_join_those_of_client_and_upstream(served, upstream):
    """
    Switched on while it serves; switching it off sends what was recorded.
    """
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    prompt = "Is 93 a prime?"
    body = CHAT | {"messages": [{"role": "user", "content": prompt}]}
    upstream.behave({})
    with collecting() as collector:
        tracing = {"tracing": {"endpoint": collector.url}}
        served.deploy(Router=fixed(1) | {"user_config": settings(upstream, **tracing)})
        traceparent = {"traceparent": f"00-{trace_id}-{span_id}-01"}
        got = served.http.post("/v1/chat/completions", json=body, headers=traceparent)
        served.deploy(Router=fixed(1) | {"user_config": settings(upstream)})
        served.until(lambda: len(collector.spans) >= 5, "all spans are there", timeout_s=30)

    assert got.status_code == 200
    call = f"chat {got.json()['model']}"
    request = "POST /v1/chat/completions"
    assert collector.tree() == {
        request: None,
        "decide": request,
        "embed": "decide",
        "predict": "decide",
        call: request,
    }
    assert collector.named(request).parent_id == span_id
    assert {span.trace_id for span in collector.spans} == {trace_id}
    (received,) = [one for one in upstream.log() if one["prompt"] == prompt]
    assert received["headers"]["traceparent"].split("-")[2] == collector.named(call).id
    served.deploy()
