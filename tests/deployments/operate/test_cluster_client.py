"""HTTP of a cluster, before a server that answers as Ray's dashboard and our endpoint do."""

import pytest

from deployments.operate.cluster_client import (
    ClusterClient,
    EndpointClient,
    cluster_token,
    endpoint_url,
)
from scope.errors import ClusterError, ConfigError
from tests.deployments.operate.dashboard import TOKEN, answering


@pytest.fixture
def site():
    with answering() as (url, answers):
        yield url, answers


def test_the_token_is_found_where_ray_finds_it(tmp_path):
    """
    The variable, the file that a variable names, then the file at home; none if it is disabled.
    """
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("at-home\n")
    (tmp_path / "file").write_text("in-file")
    file = {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "file")}

    assert cluster_token({}, tmp_path) == "at-home"
    assert cluster_token(file, tmp_path) == "in-file"
    assert cluster_token(file | {"RAY_AUTH_TOKEN": "direct"}, tmp_path) == "direct"
    assert cluster_token({"RAY_AUTH_MODE": "disabled"}, tmp_path) is None
    assert cluster_token({}, tmp_path / "nothing") is None


def test_a_token_file_that_is_named_must_be_there(tmp_path):
    """
    Without the sentence the dashboard would say "unauthorized", whatever the reason.
    """
    with pytest.raises(ConfigError, match=r"RAY_AUTH_TOKEN_PATH .*/none: No such file"):
        cluster_token({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "none")}, tmp_path)


def test_the_dashboard_gets_the_token_and_a_node_does_not(site):
    """
    Nodes' metrics are open; a token sent to them would travel further than it must.
    """
    url, answers = site
    answers["/api/serve/applications/"] = 200, {"applications": {}}
    answers["/api/prometheus/sd"] = 200, [{"targets": ["a:1", "b:2"], "labels": {}}]
    answers["/metrics"] = 200, "ray_x 1\n"

    with ClusterClient(url, TOKEN) as client:
        assert client.serve_details() == {"applications": {}}
        assert client.metrics_targets() == ("a:1", "b:2")
        assert client.metrics(url.removeprefix("http://")) == "ray_x 1\n"


@pytest.mark.parametrize(
    ("token", "status", "sentence"),
    [
        pytest.param("wrong", 200, r"refuses the token \(401\); set RAY_AUTH_TOKEN", id="token"),
        pytest.param(TOKEN, 503, "answered GET /api/serve/applications/ with 503", id="error"),
    ],
)
def test_a_dashboard_that_refuses_is_a_sentence(site, token, status, sentence):
    """
    With what to do.
    """
    url, answers = site
    answers["/api/serve/applications/"] = status, {}

    with ClusterClient(url, token) as client, pytest.raises(ClusterError, match=sentence):
        client.serve_details()


def test_a_dashboard_that_is_not_there_is_a_sentence():
    """
    Port 1 is never one.
    """
    with (
        ClusterClient("http://127.0.0.1:1") as client,
        pytest.raises(ClusterError, match=r"at http://127\.0\.0\.1:1 does not answer .*--address"),
    ):
        client.serve_details()


def test_an_address_needs_its_scheme():
    """
    As ``http://``; Ray's other addresses have none.
    """
    with pytest.raises(ConfigError, match=r"--address is 'head:6379'; expected .*dashboard"):
        ClusterClient("head:6379")


def test_an_endpoint_that_is_not_ready_still_says_why(site):
    """
    /ready answers 503 with its state, which is what to show.
    """
    url, answers = site
    answers["/ready"] = 503, {"status": "not ready", "predictor": "down"}

    with EndpointClient(url) as client:
        assert client.ready()["predictor"] == "down"


def test_a_server_that_is_not_our_endpoint_is_named(site):
    """
    Serve's proxy answers 404 in plain text before the application runs.
    """
    url, answers = site
    answers["/ready"] = 404, "not found"

    with EndpointClient(url) as client, pytest.raises(ClusterError, match="/ready answered 404"):
        client.ready()


def test_a_key_that_is_missing_is_named(site):
    """
    By the option that brings it.
    """
    url, answers = site
    answers["/v1/models"] = 401, {}

    with EndpointClient(url) as client, pytest.raises(ClusterError, match=r"401; .*--key-variable"):
        client.models()


@pytest.mark.parametrize(
    ("host", "dashboard", "expected"),
    [
        pytest.param("127.0.0.1", "http://127.0.0.1:8265", "http://127.0.0.1:8000", id="here"),
        pytest.param("0.0.0.0", "http://head:8265", "http://head:8000", id="all addresses"),
        pytest.param("10.0.0.7", "http://head:8265", "http://10.0.0.7:8000", id="one address"),
        pytest.param("127.0.0.1", "http://head:8265", None, id="only the head reaches it"),
        pytest.param(None, "http://head:8265", None, id="not started"),
    ],
)
def test_the_endpoint_is_where_serve_listens_as_seen_from_here(host, dashboard, expected):
    """
    A loopback address of another machine is not ours.
    """
    details = {"http_options": {"host": host, "port": 8000}}

    assert endpoint_url(details, dashboard) == expected
