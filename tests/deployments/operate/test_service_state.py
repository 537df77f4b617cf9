"""What Serve says, as this room reads it."""

import pytest

from deployments.operate.service_state import ServiceState
from scope import EMBEDDED_BANK
from scope.errors import ClusterError

OURS = "deployments.app:build_app"


def replica(name, state="RUNNING"):
    return {"replica_id": name, "state": state}


def details_of(*, args=None, status="RUNNING", **others):
    """What Serve says about two deployments of ours, and other applications."""
    config = {
        "name": "scope",
        "import_path": OURS,
        "args": args or {},
        "deployments": [{"name": "Router", "user_config": {"policy": {"alpha": 0.6}}}],
    }
    deployments = {
        "Embedder": {
            "status": "UPDATING",
            "message": "two\nlines",
            "target_num_replicas": 2,
            "replicas": [replica("e1"), replica("e2", "STARTING"), replica("e0", "STOPPING")],
            "recent_dead_replicas": [{}],
        },
        "Router": {"status": "HEALTHY", "target_num_replicas": 1, "replicas": [replica("r1")]},
    }
    ours = {
        "status": status,
        "message": "",
        "deployed_app_config": config,
        "deployments": deployments,
    }
    return {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": 8000},
        "target_capacity": None,
        "applications": {"scope": ours, **others},
    }


def state_of(**settings):
    return ServiceState.from_details(details_of(**settings), "here")


def test_replicas_are_counted_by_state():
    """
    One of two runs, one starts, one stops and belongs to it no more.
    """
    router, embedder = state_of().deployments

    assert (router.name, router.running, router.wanted) == ("Router", 1, 1)
    assert embedder.replicas == {"RUNNING": 1, "STARTING": 1, "STOPPING": 1}
    assert embedder.ids == {"e1", "e2"}
    assert (embedder.message, embedder.n_recently_dead) == ("two lines", 1)
    assert state_of().replica_ids == {"r1", "e1", "e2"}


def test_the_bank_in_force_is_the_deployed_one_or_the_embedded_one():
    """
    As `AppConfig` reads it.
    """
    assert state_of(args={"bank": "/banks/a"}).bank == "/banks/a"
    assert state_of().bank == str(EMBEDDED_BANK)


def test_another_bank_changes_nothing_else():
    """
    The whole configuration is deployed again, since an application that it lacks is deleted.
    """
    other = {"deployed_app_config": {"name": "other", "import_path": "module:app"}}
    state = state_of(args={"selector": "majority"}, other=other)

    config = state.with_bank("/banks/b")

    ours, theirs = config["applications"]
    assert ours["args"] == {"selector": "majority", "bank": "/banks/b"}
    assert theirs == {"name": "other", "import_path": "module:app"}
    assert config["http_options"] == {"host": "127.0.0.1", "port": 8000}
    assert "target_capacity" not in config
    assert state.serve_config()["applications"][0]["args"] == {"selector": "majority"}


def test_an_application_that_was_not_deployed_from_a_file_is_not_deleted():
    """
    As one that ``serve run module:app`` started on the same cluster.
    """
    state = state_of(other={"deployed_app_config": None})

    with pytest.raises(ClusterError, match="application 'other' was not deployed from a config"):
        state.with_bank("/banks/b")


@pytest.mark.parametrize(
    ("details", "found"),
    [
        pytest.param({}, "no application", id="none"),
        pytest.param({"applications": {"x": {"deployed_app_config": None}}}, "x", id="another"),
    ],
)
def test_a_serve_without_our_application_is_named(details, found):
    """
    With what it runs instead.
    """
    with pytest.raises(ClusterError, match=f"Serve at http://h:1 runs {found}, none with"):
        ServiceState.from_details(details, "http://h:1")


@pytest.mark.parametrize(
    ("status", "failed"),
    [("RUNNING", False), ("DEPLOYING", False), ("UNHEALTHY", True), ("DEPLOY_FAILED", True)],
)
def test_a_deployment_in_progress_is_no_failure(status, failed):
    """
    A script that waits for a rollout must not be woken by it.
    """
    assert state_of(status=status).is_failed == failed
