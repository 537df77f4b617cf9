"""What only private names of Ray tell."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SECOND_RAY = """
import ray
from deployments.protocol.ray_internals import local_dashboards

ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
print(*local_dashboards())
"""


@pytest.mark.ray
def test_two_rays_without_a_dashboard_name_one_address(cluster):
    """
    An offline job beside the endpoint made ``scope status`` ask which of two equal ones is meant.
    """
    done = subprocess.run(
        [sys.executable, "-c", SECOND_RAY], cwd=ROOT, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr[-2000:]
    addresses = done.stdout.split()
    assert addresses
    assert len(addresses) == len(set(addresses))
