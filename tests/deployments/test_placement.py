"""Placement of tensor-parallel engines on two nodes with four GPUs each.

The GPUs are logical resources of Ray, and the engine only holds its bundles; the other settings
are those of a real engine.
"""

import sys

import pytest

from tests.factories.checkpoints import needs_vllm
from tests.pipelines.runs import ended, printed_json, running

pytestmark = [pytest.mark.vllm, needs_vllm]


@pytest.fixture(scope="module")
def placed():
    """Three engines of four GPUs each, on a cluster that holds two."""
    # Seconds after which Serve reports what a replica waits for; 30 by default.
    environment = {"RAY_SERVE_SLOW_STARTUP_WARNING_S": "5"}
    with running([sys.executable, "-m", "tests.deployments.placed", 4, 3], **environment) as run:
        code, out, err = ended(run)
    assert code == 0, err
    return printed_json(out)


def test_the_gpus_of_an_engine_are_on_one_node(placed):
    """Two nodes hold one engine each, none of them spread over both."""
    created = [group for group in placed["groups"] if group["state"] == "CREATED"]
    assert [(group["bundles"], group["nodes"]) for group in created] == [(4, 1), (4, 1)]


def test_an_engine_without_resources_pends_and_is_reported(placed):
    """Serve's status names the resources that the third needs."""
    assert placed["replicas"] == {"RUNNING": 2, "STARTING": 1}
    assert [group["state"] for group in placed["groups"]].count("PENDING") == 1
    assert "'ScopeEngine'" in placed["message"]
    assert "taken more than 5s to be scheduled" in placed["message"]
    assert placed["message"].count('"GPU": 1.0') == 4
