"""Placement of a job's tensor-parallel engines on two nodes with four GPUs each.

The GPUs are logical resources of Ray, and the engine only holds its bundles.
"""

import sys

import pytest

from tests.factories.checkpoints import needs_vllm
from tests.pipelines.runs import ended, printed_json, running

pytestmark = [pytest.mark.vllm, needs_vllm]


def test_engines_take_whole_nodes_and_a_pending_one_does_not_block(tmp_path):
    """
    Two of three are on one node each; the third pends, and the job ends without it.
    """
    with running([sys.executable, "-m", "tests.pipelines.placed", 4, 3, tmp_path]) as run:
        code, out, err = ended(run)
    assert code == 0, err
    held = printed_json(out)
    by_state = sorted(
        (group["state"], group["bundles"], group["nodes"]) for group in held["groups"]
    )
    assert by_state == [("CREATED", 4, 1), ("CREATED", 4, 1), ("PENDING", 4, 1)]
    assert held["rows"] == 256
