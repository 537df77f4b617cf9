"""Parity with results of the published code, and its formulas on hand-made numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from scope.errors import ConfigError, FormatError
from scope.reference.formats import (
    SelectedQuestion,
    SelectionPrediction,
    read_anchor_performance,
    read_selection,
    read_similarity,
)
from scope.reference.parity import (
    ORACLE_ALPHAS,
    SelectionGroundTruth,
    oracle_budgets,
    routing_results,
)
from scope.reference.two_stage import prepare, stage1

GOLDEN = Path(__file__).parents[2] / "golden"
EXPECTED = json.loads((GOLDEN / "routing.json").read_text())


@pytest.fixture(scope="module")
def files():
    return (
        read_selection(GOLDEN / "selection.json"),
        read_similarity(GOLDEN / "similarity.json"),
        read_anchor_performance(GOLDEN / "anchor_performance.json"),
    )


@pytest.fixture(scope="module")
def routed(files):
    return prepare(*files)


@pytest.fixture(scope="module")
def truth(files, routed):
    return SelectionGroundTruth(files[0], routed)


@pytest.mark.parametrize("expected", EXPECTED["routing"], ids=lambda e: f"alpha {e['alpha']}")
def test_every_choice_and_score_is_the_published_one(routed, truth, expected):
    """
    120 questions, seven models, some predictions unknown; totals included.
    """
    (got,) = routing_results(routed, truth, [expected["alpha"]])

    ours, theirs = got.pop("routing_decisions"), dict(expected).pop("routing_decisions")
    assert [d["question_id"] for d in ours] == [d["question_id"] for d in theirs]
    assert [d["selected_model"] for d in ours] == [d["selected_model"] for d in theirs]
    np.testing.assert_allclose(
        [d["score"] for d in ours], [d["score"] for d in theirs], rtol=0, atol=1e-9
    )
    assert got == {key: value for key, value in expected.items() if key != "routing_decisions"}


def test_every_budget_is_the_published_one(routed, truth):
    """
    All eight, with the rule that looks at the ground truth.
    """
    got = oracle_budgets(routed, truth, [float(budget) for budget in EXPECTED["budgets"]])

    assert got == EXPECTED["budgets"]


def test_a_budget_below_everything_takes_the_cheapest(routed, truth):
    """
    And says that it is not feasible.
    """
    got = oracle_budgets(routed, truth, [1e-9])["1e-09"]

    assert not got["feasible"]
    every = routing_results(routed, truth, ORACLE_ALPHAS)
    assert got["total_cost"] == min(result["total_cost"] for result in every)


def test_stage1_is_the_published_one(files):
    """
    Raw and normalised accuracy and cost of every (question, model).
    """
    _, similarity, anchors = files
    expected = json.loads((GOLDEN / "stage1_stats.json").read_text())

    for question, models in expected.items():
        entry = stage1(similarity[question], anchors)
        for model, numbers in models.items():
            for name, value in numbers.items():
                assert getattr(entry, name)[model] == pytest.approx(value, abs=1e-9)


def test_a_model_measured_on_no_near_anchor_has_no_stage1_entry():
    """
    Only the first six anchors count; the seventh is the one that knows "rare".
    """
    anchors = {f"a{i}": {"common": (1.0, 0.1)} for i in range(7)}
    anchors["a6"] = {"rare": (1.0, 0.1)}

    entry = stage1([(f"a{i}", 0.5) for i in range(7)], anchors)

    assert set(entry.raw_acc) == {"common"}


def test_what_does_not_differ_is_one_half():
    """
    Min-max over equal values.
    """
    entry = stage1([("a", 0.5)], {"a": {"x": (1.0, 0.1), "y": (1.0, 0.1)}})

    assert entry.norm_acc == {"x": 0.5, "y": 0.5}
    assert entry.norm_cost == {"x": 0.5, "y": 0.5}


def question(question_id, *predictions):
    return SelectedQuestion(
        question_id,
        tuple(SelectionPrediction(m, yes, cost, True, cost) for m, yes, cost in predictions),
    )


def test_a_tie_goes_to_the_first_of_the_questions_own_list():
    """
    The order of models differs between the questions; both are all ties.
    """
    selection = [
        question("q1", ("x", "yes", 1.0), ("y", "yes", 1.0)),
        question("q2", ("y", "yes", 1.0), ("x", "yes", 1.0)),
    ]
    near = [("a", 0.5)]
    routed = prepare(selection, {"q1": near, "q2": near}, {"a": {"x": (1.0, 0.1), "y": (1.0, 0.1)}})

    results = routing_results(routed, SelectionGroundTruth(selection, routed), [0.5])

    decisions = results[0]["routing_decisions"]
    assert [d["selected_model"] for d in decisions] == ["x", "y"]


def test_questions_without_a_stage1_entry_are_skipped():
    """
    As published: they are not counted.
    """
    selection = [question("q1", ("x", "yes", 1.0)), question("q2", ("x", "yes", 1.0))]

    routed = prepare(selection, {"q1": [("a", 0.5)]}, {"a": {"x": (1.0, 0.1)}})

    assert routed.question_ids == ("q1",)


def test_files_of_different_runs_are_refused():
    """
    If no question has an anchor that is known, nothing can be routed.
    """
    with pytest.raises(FormatError, match="three files must be of one run"):
        prepare([question("q", ("x", "yes", 1.0))], {"q": [("b", 1.0)]}, {"a": {"x": (1, 1)}})


def test_alpha_outside_its_range_is_refused(routed):
    """
    With the value and what is allowed.
    """
    with pytest.raises(ConfigError, match=r"alpha is 1\.5; expected a number within 0\.\.1"):
        routed.sweep([0.0, 1.5])


def test_a_long_sweep_is_the_same_as_single_ones(routed):
    """
    A sweep shares work between alphas; it must not share rounding.
    """
    alphas = [step / 20 for step in range(21)]

    places, scores = routed.sweep(alphas)

    for a, alpha in enumerate(alphas):
        place, score = routed.sweep([alpha])
        np.testing.assert_array_equal(places[a], place[0])
        np.testing.assert_array_equal(scores[a], score[0])


def test_without_ground_truth_the_choices_stand_alone():
    """
    Accuracy and real cost are null; the oracle, which needs them, is refused.
    """
    prediction = SelectionPrediction("x", "yes", 1.0, None, None)
    selection = [SelectedQuestion("q1", (prediction,))]
    routed = prepare(selection, {"q1": [("a", 0.5)]}, {"a": {"x": (1.0, 0.1)}})
    truth = SelectionGroundTruth(selection, routed)

    (result,) = routing_results(routed, truth, [0.5])

    assert result["routing_decisions"][0]["selected_model"] == "x"
    assert result["accuracy"] is result["total_cost"] is result["prediction_accuracy"] is None
    with pytest.raises(FormatError, match="--budget-oracle needs all of it"):
        oracle_budgets(routed, truth, [1.0])
