"""Where the job's tensor-parallel engines stand in a cluster of two nodes with four GPUs each.

The GPUs are numbers that Ray keeps account of, and the engine only holds its bundles.
"""

import sys

import pytest

from tests.factories.checkpoints import needs_vllm
from tests.pipelines.runs import ended, running, told

pytestmark = [pytest.mark.vllm, needs_vllm]


def test_engines_hold_whole_nodes_and_one_too_many_holds_up_nobody(tmp_path):
    """
    Two of three stand on a node each; the third waits, and the job ends without it.
    """
    with running([sys.executable, "-m", "tests.pipelines.placed", 4, 3, tmp_path]) as run:
        code, out, err = ended(run)
    assert code == 0, err
    held = told(out)
    by_state = sorted((one["state"], one["bundles"], one["nodes"]) for one in held["groups"])
    assert by_state == [("CREATED", 4, 1), ("CREATED", 4, 1), ("PENDING", 4, 1)]
    assert held["rows"] == 256
