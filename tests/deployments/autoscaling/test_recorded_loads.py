"""The policy on loads that Serve has reported to it: a step to four times as many requests.

`recorded_step.json` is from ``python -m benchmarks.autoscaling``, one row a second: the waiting
graph at 4 requests a second, at 16 from second 0 on.
"""

import json
import math
from pathlib import Path

import pytest

from deployments.autoscaling import scale_graph
from tests.deployments.autoscaling.contexts import recorded

ROWS = json.loads((Path(__file__).parent / "recorded_step.json").read_text())


@pytest.fixture(scope="module")
def replayed():
    """Second -> deployment -> (what the policy asks for, what Serve's default would)."""
    answers, state = {}, {}
    for row in ROWS:
        replicas, state = scale_graph(recorded(row, state))
        answers[row["at_s"]] = {
            name: (replicas[name], by_default(seen)) for name, seen in row["deployments"].items()
        }
    return answers


def by_default(seen):
    """What Serve's own policy asks for: load over target, within the bounds."""
    return max(seen["min"], min(seen["max"], math.ceil(seen["load"] / seen["target"])))


def first(replayed, name, n, which):
    """The first second since the step with so many replicas asked for."""
    return next(at_s for at_s, asked in replayed.items() if at_s >= 0 and asked[name][which] >= n)
