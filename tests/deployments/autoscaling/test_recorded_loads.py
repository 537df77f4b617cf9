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

OURS, DEFAULT = 0, 1
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


def test_the_embedder_is_asked_for_within_two_seconds(replayed):
    """
    The first report after the step has 6.5 requests for one Embedder with a target of 2.
    """
    assert first(replayed, "Embedder", 5, OURS) < 2


def test_the_predictor_is_asked_for_while_the_embedder_still_holds_the_requests(replayed):
    """
    Its own load stays at one request for eight seconds, since one Embedder passes on no more:
    then it has 6.4 of them at once. Ours asks for three Predictors four seconds earlier.
    """
    earlier_s = first(replayed, "Predictor", 3, DEFAULT) - first(replayed, "Predictor", 3, OURS)

    assert earlier_s == pytest.approx(4.5, abs=0.1)


def test_nothing_swings_once_the_queue_is_gone(replayed):
    """
    From second 37 on the load is steady at 16 requests a second: ours stays within one replica,
    where the default goes from three Predictors to two and back.
    """
    steady = [asked for at_s, asked in replayed.items() if 37 <= at_s <= 50]

    assert {asked["Embedder"][OURS] for asked in steady} <= {4, 5}
    assert {asked["Predictor"][OURS] for asked in steady} == {4}
    assert {asked["Predictor"][DEFAULT] for asked in steady} == {2, 3}
