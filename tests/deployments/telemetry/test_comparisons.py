import math

import pytest

from deployments.protocol import CandidateEstimate, Decision
from deployments.telemetry.comparisons import add_comparisons


def decision(model, strategy="prehoc", **estimates):
    """A decision for `model` among candidates with (p_correct, cost_usd)."""
    candidates = tuple(
        CandidateEstimate(name, p_correct=p, cost_usd=cost) for name, (p, cost) in estimates.items()
    )
    return Decision(model, tuple(estimates), "", candidates=candidates, strategy=strategy)


def compared(decisions):
    """The sums of these decisions alone."""
    sums = {}
    add_comparisons(sums, decisions)
    return sums


def test_both_sums_are_over_the_same_decisions():
    """
    Always `large` would have cost 8 + 8 where the choices cost 1 + 8; `tiny` was a candidate of
    the second decision only, and is compared with that one alone.
    """
    sums = compared(
        [
            decision("small", small=(0.5, 1.0), large=(0.75, 8.0)),
            decision("large", small=(0.25, 1.0), large=(0.75, 8.0), tiny=(0.0, 0.5)),
        ]
    )

    large, tiny = sums["large"], sums["tiny"]
    assert (large.n_decisions, large.cost_usd, large.chosen_cost_usd) == (2, 16.0, 9.0)
    assert (large.correct, large.chosen_correct) == (1.5, 1.25)
    assert (tiny.n_decisions, tiny.cost_usd, tiny.chosen_cost_usd) == (1, 0.5, 8.0)


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(decision("small", small=(math.nan, 1.0), large=(1, 1)), id="chosen unknown"),
        pytest.param(decision(None, large=(1, 1)), id="none chosen"),
        pytest.param(decision("named", large=(1, 1)), id="chosen is no candidate"),
        pytest.param(decision("a", strategy="bestroute", a=(0.5, 1)), id="a learned router"),
    ],
)
def test_what_cannot_be_compared_is_left_out(one):
    """
    An unknown cost is not 0, and a match probability is not one of a correct answer.
    """
    assert compared([one]) == {}


def test_a_candidate_without_a_cost_is_left_out_alone():
    """
    The others are compared.
    """
    sums = compared([decision("a", a=(0.5, 1.0), b=(0.5, math.nan))])

    assert list(sums) == ["a"]
