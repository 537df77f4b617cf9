import json

import numpy as np
import pytest

from scope import Choices, MinQuality
from scope.routing.metrics import GroundTruth
from scope.routing.routing import RoutingResult, format_usd
from tests.factories.banks import predictions_of

PREDICTIONS = predictions_of(
    [[0.5, 0.75], [0.5, np.nan], [np.nan, np.nan]],
    [[0.001, 0.01], [0.001, 0.01], [0.001, 0.01]],
    models=("small", "large"),
)


def routing(policy):
    estimates = PREDICTIONS.estimates
    choices = policy.choose(estimates.p_correct_qm, estimates.cost_usd_qm)
    return RoutingResult("min_quality", {"min_quality": policy.target}, PREDICTIONS, choices)


def routing_json(policy, truth=None):
    """The content of a routing file."""
    result = routing(policy)
    return result.summary(truth).to_json(result.decisions(truth))


@pytest.mark.parametrize(
    ("target", "question", "reason"),
    [
        (0.4, 0, "p 0.50 (0.50–0.50) for $0.001; large would add 0.25 for $0.009 more"),
        (0.7, 0, "p 0.75 (0.75–0.75) for $0.01; no model has a higher probability"),
        (
            0.7,
            1,
            "p 0.50 (0.50–0.50) for $0.001; no permitted model meets the target; "
            "no model has a higher probability",
        ),
        (0.4, 2, "no permitted model has an estimate for this question"),
    ],
)
def test_a_reason_names_the_estimate_and_the_alternative(target, question, reason):
    """
    The chosen model's estimate, and the gain of a costlier model.
    """
    assert routing(MinQuality(target)).explain(question) == reason


def test_the_file_has_the_published_keys_and_null_for_what_is_unknown():
    """
    Without outcomes accuracy and cost are null; an unroutable question has no model.
    """
    result = json.loads(json.dumps(routing_json(MinQuality(0.4)), allow_nan=False))

    routed = result["result"]
    assert routed["accuracy"] is routed["total_cost"] is result["realised"] is None
    assert routed["prediction_accuracy"] is None
    assert {d["ground_truth_correct"] for d in routed["routing_decisions"]} == {None}
    assert {d["cost"] for d in routed["routing_decisions"]} == {None}
    assert routed["model_distribution"] == {"small": 2}
    assert [d["selected_model"] for d in routed["routing_decisions"]] == ["small", "small", None]
    assert routed["routing_decisions"][2]["p_correct"] is None
    assert result["planned"] == {
        "accuracy": 0.5,
        "standard_error": None,
        "cost_usd": 0.002,
        "usd_per_1k": 1.0,
        "n_questions": 2,
    }


def test_known_outcomes_are_reported():
    """
    The file has planned and realised scores.
    """
    truth = GroundTruth(np.array([[1, 1], [0, 1], [1, 1]]), np.full((3, 2), 0.002))

    result = routing_json(MinQuality(0.4), truth)

    assert result["realised"]["accuracy"] == result["result"]["accuracy"] == 0.5
    assert result["realised"]["cost_usd"] == result["result"]["total_cost"] == 0.004
    decisions = result["result"]["routing_decisions"]
    assert [d["ground_truth_correct"] for d in decisions] == [True, False, None]
    assert [d["cost"] for d in decisions] == [0.002, 0.002, None]
    # p is 0.5 or more in the three known cells, and two of these answers are right.
    assert result["result"]["prediction_accuracy"] == pytest.approx(2 / 3)


def test_the_distribution_is_in_descending_order():
    """
    Questions without a model are not counted.
    """
    choices = Choices(np.array([1, 1, -1]), np.array([True, True, False]))

    assert RoutingResult("x", {}, PREDICTIONS, choices).summary().distribution == {"large": 2}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "$0"), (0.00003724, "$0.0000372"), (0.5, "$0.5"), (12.345, "$12.3"), (1234.5, "$1234")],
)
def test_amounts_keep_three_significant_digits(value, text):
    """
    Prices differ by a factor of a million.
    """
    assert format_usd(value) == text
