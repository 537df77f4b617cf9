"""Parity with results of the published code, and its formulas on hand-made numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from scope.errors import ConfigError, FormatError
from scope.reference.formats import (
    SelectedQuestion,
    Selection,
    SelectionPrediction,
    read_anchor_performance,
    read_selection,
    read_similarity,
)
from scope.reference.parity import (
    SelectionGroundTruth,
    pareto_curve,
    published_results,
    routing_result,
)
from scope.reference.two_stage import TwoStageConfig, prepare, stage1

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
def test_every_choice_and_score_is_the_published_one(files, routed, truth, expected):
    """
    120 questions, seven models, some predictions unknown; totals included.
    """
    got = routing_result(routed, truth, expected["alpha"])

    ours, published = got.pop("routing_decisions"), dict(expected).pop("routing_decisions")
    assert [d["question_id"] for d in ours] == [d["question_id"] for d in published]
    assert [d["selected_model"] for d in ours] == [d["selected_model"] for d in published]
    np.testing.assert_allclose(
        [d["score"] for d in ours], [d["score"] for d in published], rtol=0, atol=1e-9
    )
    assert got == {key: value for key, value in expected.items() if key != "routing_decisions"}
    outcomes = {
        (question.id, p.model): (p.true_correct, p.true_cost)
        for question in files[0].questions
        for p in question.predictions
    }
    assert [(d["ground_truth_correct"], d["cost"]) for d in ours] == [
        outcomes[d["question_id"], d["selected_model"]] for d in published
    ]


def results(routed, truth, **target):
    return published_results(routed, truth, method="golden", dataset=None, **target)


@pytest.mark.parametrize("budget", EXPECTED["budgets"])
def test_every_budget_is_the_published_one(routed, truth, budget):
    """
    All eight, with the rule that looks at the ground truth.
    """
    expected = EXPECTED["budgets"][budget]

    got = results(routed, truth, budget_usd=float(budget))

    assert (got["budget"], got["optimal_alpha"]) == (float(budget), expected["optimal_alpha"])
    assert got["result"]["alpha"] == expected["optimal_alpha"]
    assert got["result"]["accuracy"] == expected["accuracy"]
    assert got["result"]["total_cost"] == expected["total_cost"]
    assert (got["result"]["total_cost"] <= float(budget)) == expected["feasible"]


def test_a_budget_below_every_cost_takes_the_cheapest(routed, truth):
    """
    The total cost shows that the budget is not met.
    """
    got = results(routed, truth, budget_usd=1e-9)

    assert got["result"]["total_cost"] == min(point["total_cost"] for point in got["pareto_curve"])


CONFIG = {"top_k": 6, "similarity_power": 2, "cost_sensitivity": 2, "stage1_weight": 0.3}


@pytest.mark.parametrize(
    ("target", "keys"),
    [
        ({"alpha": 0.5}, ["method", "dataset", "alpha", "config", "result"]),
        (
            {"budget_usd": 0.1},
            ["method", "dataset", "budget", "optimal_alpha", "config", "result", "pareto_curve"],
        ),
        ({}, ["method", "dataset", "config", "pareto_curve", "best_accuracy", "lowest_cost"]),
    ],
    ids=["alpha", "budget", "neither"],
)
def test_the_results_file_has_the_published_keys(routed, truth, target, keys):
    """
    In the published order, down to the decisions.
    """
    got = results(routed, truth, **target)

    assert list(got) == keys
    assert got["config"] == CONFIG
    if "result" in got:
        assert list(got["result"]) == [
            "alpha",
            "total_questions",
            "accuracy",
            "total_cost",
            "average_cost",
            "prediction_accuracy",
            "model_distribution",
            "routing_decisions",
        ]
        for decision in got["result"]["routing_decisions"]:
            assert list(decision) == [
                "question_id",
                "selected_model",
                "score",
                "ground_truth_correct",
                "cost",
            ]


def test_the_curve_without_a_target_is_the_published_one(routed, truth):
    """
    21 alphas: accuracy and costs of each, the best and the lowest of them.
    """
    got = results(routed, truth, n_alphas=21)

    keys = ("alpha", "accuracy", "total_cost", "average_cost")
    assert got["pareto_curve"] == [
        {key: expected[key] for key in keys} for expected in EXPECTED["routing"]
    ]
    assert got["best_accuracy"] == max(expected["accuracy"] for expected in EXPECTED["routing"])
    assert got["lowest_cost"] == min(expected["total_cost"] for expected in EXPECTED["routing"])


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


def test_every_parameter_enters_its_formula():
    """
    By hand: two anchors, two models, one question.
    """
    anchors = {"near": {"x": (1.0, 0.1), "y": (0.0, 0.2)}, "far": {"x": (0.0, 0.3)}}
    similar = [("near", 0.8), ("far", 0.4)]
    config = TwoStageConfig(top_k=2, similarity_power=1.0, cost_sensitivity=3.0, stage1_weight=0.8)

    entry = stage1(similar, anchors, config)
    assert entry.raw_acc == {"x": pytest.approx(0.8 / 1.2), "y": 0.0}
    assert stage1(similar, anchors, TwoStageConfig(top_k=1)).raw_acc == {"x": 1.0, "y": 0.0}

    selection = Selection([question("q", ("x", "no", 1.0), ("y", "yes", 2.0))])
    (_,), ((score,),) = prepare(selection, {"q": similar}, anchors, config).sweep([0.5])
    weight = 0.8 * 0.75
    cheapness = {"x": 1 - entry.norm_cost["x"], "y": 1 - entry.norm_cost["y"]}
    scores = {
        "x": weight * (0.5 + 0.5 * cheapness["x"] ** 6) + (1 - weight) * 0.5,
        "y": weight * (0.5 * cheapness["y"] ** 6) + (1 - weight) * 0.5,
    }
    assert score == pytest.approx(max(scores.values()), abs=1e-12)


def test_a_small_cost_sensitivity_keeps_zero_at_zero():
    """
    The most expensive model has cheapness 0, and 0 to any power is 0.
    """
    anchors = {"a": {"x": (1.0, 0.1), "y": (0.0, 0.2)}}
    selection = Selection([question("q", ("y", "no", 2.0), ("x", "no", 1.0))])
    config = TwoStageConfig(cost_sensitivity=0.01, stage1_weight=0.0)

    routed = prepare(selection, {"q": [("a", 1.0)]}, anchors, config)
    only_y = Selection([question("q", ("y", "no", 2.0)), question("r", ("x", "no", 1.0))])
    alone = prepare(only_y, {"q": [("a", 1.0)]}, anchors, config)

    assert routed.sweep([0.5])[1][0, 0] == pytest.approx(0.5)
    assert alone.sweep([0.5])[1][0, 0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("top_k", 0),
        ("similarity_power", -1.0),
        ("similarity_power", float("nan")),
        ("cost_sensitivity", 0.0),
        ("cost_sensitivity", float("inf")),
        ("stage1_weight", 1.1),
        ("stage1_weight", -0.1),
    ],
)
def test_a_parameter_outside_its_range_is_refused(parameter, value):
    """
    With its name, the value and what is allowed.
    """
    with pytest.raises(ConfigError, match=f"{parameter} is {value}; expected"):
        TwoStageConfig(**{parameter: value})


def test_a_negative_similarity_needs_a_whole_power():
    """
    The root of a negative number is no weight; a square is, as published.
    """
    similar, anchors = [("a", -0.5)], {"a": {"x": (1.0, 0.1)}}

    assert stage1(similar, anchors).raw_acc == {"x": 1.0}
    assert stage1(similar, anchors, TwoStageConfig(similarity_power=3.0)).raw_acc == {}
    with pytest.raises(ConfigError, match=r"similarity_power is 1\.5, but a similarity is"):
        stage1(similar, anchors, TwoStageConfig(similarity_power=1.5))


def question(question_id, *predictions):
    return SelectedQuestion(
        question_id,
        tuple(SelectionPrediction(m, yes, cost, True, cost) for m, yes, cost in predictions),
    )


def test_a_tie_goes_to_the_first_of_the_questions_own_list():
    """
    The order of models differs between the questions; both are all ties.
    """
    selection = Selection(
        [
            question("q1", ("x", "yes", 1.0), ("y", "yes", 1.0)),
            question("q2", ("y", "yes", 1.0), ("x", "yes", 1.0)),
        ]
    )
    near = [("a", 0.5)]
    routed = prepare(selection, {"q1": near, "q2": near}, {"a": {"x": (1.0, 0.1), "y": (1.0, 0.1)}})

    result = routing_result(routed, SelectionGroundTruth(selection, routed), 0.5)

    assert [d["selected_model"] for d in result["routing_decisions"]] == ["x", "y"]


def test_questions_without_a_stage1_entry_are_skipped():
    """
    As published: they are not counted.
    """
    selection = Selection([question("q1", ("x", "yes", 1.0)), question("q2", ("x", "yes", 1.0))])

    routed = prepare(selection, {"q1": [("a", 0.5)]}, {"a": {"x": (1.0, 0.1)}})

    assert routed.question_ids == ("q1",)


def test_files_of_different_runs_are_refused():
    """
    If no question has an anchor that is known, nothing can be routed.
    """
    selection = Selection([question("q", ("x", "yes", 1.0))])

    with pytest.raises(FormatError, match="must be of one run"):
        prepare(selection, {"q": [("b", 1.0)]}, {"a": {"x": (1, 1)}})


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

    index_aq, scores = routed.sweep(alphas)

    for a, alpha in enumerate(alphas):
        index, score = routed.sweep([alpha])
        np.testing.assert_array_equal(index_aq[a], index[0])
        np.testing.assert_array_equal(scores[a], score[0])


def test_without_ground_truth_there_are_only_choices():
    """
    What depends on outcomes is null; a budget, which needs them, is refused.
    """
    prediction = SelectionPrediction("x", "yes", 1.0, None, None)
    selection = Selection([SelectedQuestion("q1", (prediction,))])
    routed = prepare(selection, {"q1": [("a", 0.5)]}, {"a": {"x": (1.0, 0.1)}})
    truth = SelectionGroundTruth(selection, routed)

    result = routing_result(routed, truth, 0.5)

    (decision,) = result["routing_decisions"]
    assert decision["selected_model"] == "x"
    assert decision["ground_truth_correct"] is decision["cost"] is None
    assert result["accuracy"] is result["total_cost"] is result["prediction_accuracy"] is None
    assert pareto_curve(routed, truth, 2)[0]["accuracy"] is None
    got = results(routed, truth)
    assert got["best_accuracy"] is got["lowest_cost"] is None
    with pytest.raises(FormatError, match="a budget needs all of it"):
        results(routed, truth, budget_usd=1.0)
