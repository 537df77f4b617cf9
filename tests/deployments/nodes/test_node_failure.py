"""A node that dies under load, and one that is added, with the application of serve_config.yaml."""

import sys

import pytest

from tests.deployments.serving import figures
from tests.pipelines.runs import ended, printed_json, running

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def moved():
    """What `move` has seen."""
    with running([sys.executable, "-m", "tests.deployments.nodes.move"]) as run:
        code, out, err = ended(run)
    assert code == 0, err
    result = printed_json(out)
    figures.info("%s", result)
    return result


def test_every_request_is_answered_in_the_end(moved):
    """
    A request that was under way in a Router of the dead node ends with 500 and is sent again, as
    OpenAI's clients do.
    """
    assert set(moved["statuses"]) == {"200"}


def test_replicas_move_to_the_node_that_is_left(moved):
    """
    All that has room there: two Routers, a Predictor and one Embedder.
    """
    assert moved["left"] == {"Router": 2, "Embedder": 1, "Predictor": 1}
    assert moved["nodes_left"] == 1
    assert moved["moved_s"] < 60


def test_autoscaling_uses_a_node_that_is_added(moved):
    """
    The Embedder that the load needs, and that had no room, starts there.
    """
    assert moved["added"]["on_it"] == {"Embedder": 1}
    assert moved["added"]["took_s"] < 60
