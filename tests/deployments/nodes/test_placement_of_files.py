"""Where the replicas of both Serve configurations land on several nodes.

Replicas hold their resources and do nothing else; the blocks of the deployments are those of the
files, and the GPUs are logical.
"""

import sys
from collections import Counter

import pytest

from tests.pipelines.runs import ended, printed_json, running

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def landed():
    """Both files on a head without CPUs, two nodes with four CPUs, and one with four GPUs."""
    with running([sys.executable, "-m", "tests.deployments.nodes.place"]) as run:
        code, out, err = ended(run)
    assert code == 0, err
    return printed_json(out)


def kinds(places):
    """Deployment -> how many of its replicas are on each kind of node."""
    counts = {}
    for name, nodes in places.items():
        counts[name] = Counter()
        for node in nodes:
            counts[name][node["on"]] += node["n"]
    return counts


def test_serve_config_runs_on_any_nodes(landed):
    """
    One Router, two Embedders and one Predictor, none of them on the head.
    """
    total = {name: sum(on.values()) for name, on in kinds(landed["cpu"]).items()}

    assert total == {"Router": 1, "Embedder": 2, "Predictor": 1}


def test_two_embedders_are_on_two_nodes(landed):
    """
    A node that dies takes one of them.
    """
    assert [node["n"] for node in landed["cpu"]["Embedder"]] == [1, 1]


def test_what_needs_a_gpu_is_where_the_gpus_are(landed):
    """
    Two Embedders with a quarter of a GPU each, and an engine.
    """
    on = kinds(landed["gpu"])

    assert on["Embedder"] == {"gpu": 2}
    assert on["ScopeEngine"] == {"gpu": 1}
    assert sum(on["Router"].values()) == sum(on["Predictor"].values()) == 2


def test_three_engines_and_four_embedders_share_a_node_of_four_gpus(landed):
    """
    As the comment at max_replicas says: 3 * 1 + 4 * 0.25 = 4 GPUs.
    """
    on = kinds(landed["full"])

    assert on["ScopeEngine"] == {"gpu": 3}
    assert on["Embedder"] == {"gpu": 4}


def test_a_fourth_engine_waits_for_a_gpu(landed):
    """
    Its bundles pend, and Serve shows it as starting; the others run on.
    """
    assert Counter(group["state"] for group in landed["groups"]) == {"CREATED": 3, "PENDING": 1}
    assert Counter(landed["engines"]) == {"RUNNING": 3, "STARTING": 1}
