"""The status, read from a server that answers as a cluster does."""

import io
import json
import time

import pytest
from rich.console import Console

from deployments.operate.cluster_client import ClusterClient
from deployments.operate.metric_samples import MetricSamples
from deployments.operate.status_reader import StatusReader
from deployments.operate.status_view import render_status
from scope.errors import ClusterError
from tests.deployments.operate.dashboard import TOKEN, answering
from tests.deployments.operate.test_service_state import details_of

SERVE = "/api/serve/applications/"
TARGETS = "/api/prometheus/sd"
READY = {"status": "ready", "bank": "b1", "settings": "ok"}
METRICS = """\
ray_serve_deployment_queued_queries{application="scope",deployment="Router",handle="h1"} 2.0
ray_serve_deployment_queued_queries{application="scope",deployment="Router",handle="h2"} 1.0
ray_serve_deployment_queued_queries{application="other",deployment="Router",handle="h3"} 9.0
ray_serve_replica_processing_queries{application="scope",deployment="Router",replica="r1"} 7.0
ray_scope_requests_total{endpoint="chat",status="200",replica="r1"} 30.0
ray_scope_info{bank="b1",policy="alpha 0.6",settings="s1",replica="r1"} 1.0
ray_scope_info{bank="b1",policy="alpha 0.6",settings="s0",replica="r1"} 0.0
ray_scope_info{bank="b0",policy="alpha 0.6",settings="s1",replica="e1"} 1.0
ray_scope_info{bank="b9",policy="alpha 0.6",settings="s9",replica="dead"} 1.0
ray_scope_settings_rejected{replica="r1"} 1.0
ray_scope_spend_today_usd{replica="r1"} 1.5
ray_scope_spend_today_usd{replica="e1"} 0.25
ray_scope_budget_usd_per_day{replica="r1"} NaN
ray_scope_budget_usd_per_day{replica="e1"} 20.0
ray_scope_breaker_state{model="m",replica="r1"} 2.0
"""


@pytest.fixture
def checked():
    """The configurations that were checked."""
    return []


@pytest.fixture
def cluster(checked):
    """A cluster with one node; yields (reader, answers)."""

    def check(config):
        checked.append(config)
        return ("a finding",)

    with answering() as (url, answers), ClusterClient(url, TOKEN) as client:
        answers[SERVE] = 200, details_of()
        answers[TARGETS] = 200, [{"targets": [url.removeprefix("http://")]}]
        answers["/metrics"] = 200, METRICS
        answers["/ready"] = 200, READY
        answers["/v1/models"] = 200, {"data": [{"id": "auto"}, {"id": "m"}]}
        yield StatusReader(client, endpoint=url, check=check), answers


def ten_seconds_ago(**values):
    return MetricSamples(time.monotonic() - 10, values)


def text_of(status):
    console = Console(width=160, file=io.StringIO())
    console.print(render_status(status))
    return console.file.getvalue()


def test_a_status_adds_up_what_the_nodes_export(cluster):
    """
    2 + 1 queued at our Router and 7 in progress; $1.50 + $0.25 of $20; 30 requests in 10 s.
    """
    reader, _ = cluster

    status, _ = reader.read(ten_seconds_ago())

    router = status.deployments[0]
    assert (router.state.name, router.queued, router.ongoing) == ("Router", 3, 7)
    assert (status.spend_today_usd, status.budget_usd_per_day) == (1.75, 20)
    assert status.traffic.requests_per_s == pytest.approx(3, rel=0.1)
    assert status.open_breakers == {"m": 1}
    assert status.models == ("auto", "m")
    assert status.unknown == {}
    assert status.is_healthy


def test_replicas_with_other_versions_are_shown(cluster):
    """
    Two living replicas with two banks: a rollout. What was in force before, or in a replica that
    is gone, is not in force.
    """
    reader, _ = cluster

    versions = reader.read()[0].versions

    assert [(row.replica, row.bank, row.settings) for row in versions.replicas] == [
        ("e1", "b0", "s1"),
        ("r1", "b1", "s1"),
    ]
    assert versions.differ
    assert versions.n_rejecting == 1


def test_a_node_that_does_not_answer_is_named_and_the_rest_is_shown(cluster):
    """
    A status that fails when a machine fails would be of no use.
    """
    reader, answers = cluster
    answers[TARGETS][1].append({"targets": ["127.0.0.1:1"]})

    status, _ = reader.read()

    assert status.deployments[0].queued == 3
    assert "127.0.0.1:1" in status.unknown["metrics 1"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({SERVE: (200, details_of(status="UNHEALTHY"))}, id="Serve says so"),
        pytest.param({"/ready": (503, READY | {"status": "not ready"})}, id="not ready"),
    ],
)
def test_an_application_that_does_not_answer_as_it_should_is_unhealthy(cluster, answer):
    """
    Which is exit code 1, for scripts.
    """
    reader, answers = cluster
    answers.update(answer)

    assert not reader.read()[0].is_healthy


def test_what_is_unknown_is_null_with_a_reason(cluster):
    """
    A fresh application without requests, before its first export.
    """
    reader, answers = cluster
    answers["/metrics"] = 200, ""
    answers["/v1/models"] = 401, {}

    status, _ = reader.read(ten_seconds_ago())

    facts = json.loads(json.dumps(status.to_json(), allow_nan=False))
    assert facts["spend_today_usd"] is None
    assert facts["deployments"][0]["queued"] is None
    assert facts["traffic"]["requests_per_s"] is None
    assert facts["models"] is None
    assert set(facts["unknown"]) == {
        "budget_usd_per_day",
        "models",
        "spend_today_usd",
        "traffic",
        "versions",
    }
    assert status.is_healthy


def test_without_a_dashboard_there_is_no_status(cluster):
    """
    It is the one source that says what should be there.
    """
    reader, answers = cluster
    answers[SERVE] = 503, {}

    with pytest.raises(ClusterError, match="503"):
        reader.read()


def test_the_configuration_is_checked_when_it_changes(cluster, checked):
    """
    A check reads the bank, which takes a second; the status is read every two.
    """
    reader, answers = cluster

    reader.read()
    reader.read()
    answers[SERVE] = 200, details_of(args={"bank": "/other"})
    status, _ = reader.read()

    assert [config["applications"][0]["args"] for config in checked] == [{}, {"bank": "/other"}]
    assert status.findings == ("a finding",)


def test_the_text_has_every_number_and_marks_what_is_wrong(cluster):
    """
    As an operator reads it at three in the morning.
    """
    reader, answers = cluster
    answers["/metrics"] = (
        200,
        METRICS
        + (
            'ray_scope_overhead_latency_ms_bucket{le="5.0",replica="r1"} 10\n'
            'ray_scope_overhead_latency_ms_bucket{le="+Inf",replica="r1"} 10\n'
        ),
    )

    text = text_of(reader.read(ten_seconds_ago())[0])

    for part in (
        "scope RUNNING",
        "\nready, bank b1, settings ok\n",
        "\nrequests 3.0/s ",
        "\nlatency, ms ",
        "spend today $1.75, budget $20.00",
        "1/2",
        "1 starting, 1 stopping, 1 died lately",
        "replicas run with different versions",
        "1 replica of the Router: the latest settings are rejected",
        "open breaker: m at 1 replica\n",
        "scope check: a finding",
    ):
        assert part in text


def test_no_budget_is_said_once(cluster):
    """
    Replicas export NaN for none; nothing is unknown about it.
    """
    reader, answers = cluster
    answers["/metrics"] = 200, METRICS.replace("} 20.0", "} NaN")

    status, _ = reader.read(ten_seconds_ago())

    assert "\nspend today $1.75, no budget\n" in text_of(status)
    assert text_of(status).count("budget") == 1
    assert status.unknown == {}


def test_what_is_not_known_yet_is_said_in_a_line_each(cluster):
    """
    Instead of rows of dashes; nothing says that there is no budget.
    """
    reader, answers = cluster
    answers["/metrics"] = 200, ""
    answers[TARGETS][1].append({"targets": ["127.0.0.1:1"]})

    text = text_of(reader.read(ten_seconds_ago())[0])

    assert "spend today –, budget –\n" in text
    assert "not known: budget: no replica exports its budget yet\n" in text
    assert "not known: metrics: no metrics of 127.0.0.1:1: " in text
    assert "requests " not in text
    assert "latency, ms" not in text


def test_replicas_with_the_same_versions_share_a_line(cluster):
    """
    With 30 replicas the others would scroll away.
    """
    reader, answers = cluster
    answers["/metrics"] = 200, METRICS.replace('bank="b0"', 'bank="b1"')

    assert "\n  Router e1, r1: bank b1, policy alpha 0.6, settings s1\n" in text_of(
        reader.read()[0]
    )


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(59, "0 min"), (7199, "119 min"), (7200, "2 h"), (172_799, "47 h"), (172_800, "2 days")],
)
def test_the_age_of_a_deployment_is_read_at_a_glance(cluster, seconds, age):
    """
    In minutes, hours or days.
    """
    reader, answers = cluster
    details = details_of()
    details["applications"]["scope"]["last_deployed_time_s"] = time.time() - seconds - 0.5
    answers[SERVE] = 200, details

    assert f"  deployed {age} ago\n" in text_of(reader.read()[0])
