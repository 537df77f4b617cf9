import numpy as np
import pytest

from scope.traffic import near_duplicates
from scope.traffic.near_duplicates import NEAR_DUPLICATE, merge_near_duplicates
from tests.scope.traffic.test_information import at


@pytest.mark.parametrize(
    ("degrees", "weights", "leaders"),
    [
        pytest.param([0, 90], [1, 1], [0, 1], id="different"),
        pytest.param([0, 5], [1, 1], [0, 0], id="of equal weight the first leads"),
        pytest.param([0, 5], [1, 2], [1, 1], id="the heaviest leads"),
        pytest.param([0, 15, 30], [1, 2, 1], [1, 1, 1], id="both sides"),
        pytest.param([0, 15, 30], [2, 1, 1], [0, 0, 2], id="a follower has no followers"),
        pytest.param([0, 28, 15], [3, 2, 1], [0, 1, 1], id="the nearest leader"),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 512])
def test_near_duplicates_follow_a_leader(monkeypatch, degrees, weights, leaders, block):
    """
    The limit is 18 degrees; the blocks change nothing.
    """
    monkeypatch.setattr(near_duplicates, "BLOCK_ROWS", block)

    assert merge_near_duplicates(at(*degrees), np.array(weights, float)).tolist() == leaders


def test_no_two_leaders_are_near_duplicates():
    """
    And every follower is near to its leader.
    """
    rng = np.random.default_rng(0)
    embedding_qd = at(*rng.uniform(0, 360, size=300))

    leader_q = merge_near_duplicates(embedding_qd, rng.integers(1, 5, size=300).astype(float))

    leaders = np.unique(leader_q)
    cosine_ll = embedding_qd[leaders] @ embedding_qd[leaders].T - 2 * np.eye(len(leaders))
    assert cosine_ll.max() < NEAR_DUPLICATE
    assert (embedding_qd * embedding_qd[leader_q]).sum(axis=1).min() >= NEAR_DUPLICATE
