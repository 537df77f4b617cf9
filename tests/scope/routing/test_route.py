"""Routing, of questions in memory and in portions."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scope import AnchorConfig
from scope.bank.reference_population import ReferencePopulation
from scope.errors import ConfigError, NoEvidenceError
from scope.outcomes import Outcomes
from scope.routing.prediction_set import PredictionSet
from scope.routing.route import Objective, restrict_models, route, route_to_file
from tests.factories.banks import LARGE, MIDDLE, SMALL, bill_ratio_of, gain_of, predictions_of
from tests.factories.partitions import Portions, cut

MODELS = (SMALL, MIDDLE, LARGE)
NAMES = tuple(model.id for model in MODELS)
TARGETS = [
    {"alpha": 0.6},
    {"budget_usd": 2.0},
    {"min_quality": 0.5},
    {"max_cost_usd": 0.2},
    {"alpha": 0.6, "auto": True},
    {"budget_usd": 2.0, "auto": True},
]


@st.composite
def predicted_sets(draw):
    """Up to nine questions, some without estimates, with or without outcomes."""
    shape = (draw(st.integers(1, 9)), 3)
    p = draw(arrays(float, shape, elements=st.sampled_from([0.1, 0.3, 0.5, 0.7, np.nan])))
    cost = draw(arrays(float, shape, elements=st.sampled_from([0.0, 0.1, 0.2, 0.7, 1.3])))
    tokens = np.full((4, 3), 100.0)
    ratio = bill_ratio_of(1.25) if draw(st.booleans()) else None
    calibration = ReferencePopulation(
        AnchorConfig(), np.array([[0.2, 0.5, 0.9]] * 4), tokens, tokens, ratio
    )
    outcomes = None
    if draw(st.booleans()):
        right = draw(arrays(float, shape, elements=st.sampled_from([0.0, 1.0, 0.25, np.nan])))
        spent = draw(arrays(float, shape, elements=st.sampled_from([1.0, 70.0])))
        outcomes = Outcomes(NAMES, right, spent, spent)
    return PredictionSet(predictions_of(p, cost, NAMES), MODELS, calibration, outcomes)


@pytest.mark.parametrize("target", TARGETS, ids=" ".join)
@settings(max_examples=25)
@given(predicted_sets(), st.data())
def test_a_routing_file_does_not_depend_on_the_portions(tmp_path_factory, target, whole, data):
    """
    Portions or all at once: the same decisions, sums and keys, in the same order.
    """
    output = tmp_path_factory.getbasetemp() / "routing.json"
    portions = Portions(whole, cut(data, len(whole.predictions.question_ids)))
    try:
        result, truth = route(whole, Objective(**target)), whole.truth()
        expected = result.summary(truth).to_json(result.decisions(truth))
    except NoEvidenceError:
        with pytest.raises(NoEvidenceError):
            route_to_file(output, portions, Objective(**target))
        return

    summary = route_to_file(output, portions, Objective(**target))

    assert output.read_text(encoding="utf-8").startswith('{\n "method"')
    assert json.dumps(json.loads(output.read_text(encoding="utf-8"))) == json.dumps(expected)
    assert summary.n_questions == len(whole.predictions.question_ids)


def two_questions():
    """One where the large model is chosen, one without estimates."""
    predictions = predictions_of([[0.5, 0.9], [np.nan] * 2], [[1.0, 2.0]] * 2, ("small", "large"))
    return PredictionSet(predictions, (SMALL, LARGE), None, None)


def test_a_question_without_estimates_is_written(tmp_path):
    """
    Without a model; it is not in the sums.
    """
    output = tmp_path / "routing.json"

    summary = route_to_file(output, two_questions(), Objective(min_quality=0.8))

    decisions = json.loads(output.read_text())["result"]["routing_decisions"]
    assert [one["selected_model"] for one in decisions] == ["large", None]
    assert (summary.n_questions, summary.planned.n_questions) == (2, 1)
    assert summary.distribution == {"large": 1}


def test_each_decision_is_one_line(tmp_path):
    """
    Line tools can read a large file.
    """
    output = tmp_path / "routing.json"

    route_to_file(output, two_questions(), Objective(min_quality=0.8))

    lines = [line for line in output.read_text().splitlines() if '"question_id"' in line]
    assert [json.loads(line.rstrip(","))["question_id"] for line in lines] == ["q000", "q001"]


def test_an_invalid_objective_keeps_the_existing_file(tmp_path):
    """
    The file is replaced after all decisions.
    """
    output = tmp_path / "routing.json"
    output.write_text("before")

    with pytest.raises(ConfigError, match="no alpha"):
        route_to_file(output, two_questions(), Objective(alpha=0.5))

    assert output.read_text() == "before"


def test_portions_are_restricted_like_the_whole():
    """
    Allow and deny lists apply to both forms.
    """
    portions = Portions(two_questions(), [slice(0, 1), slice(1, 2)])

    assert restrict_models(portions, None, (), ("small",)).model_ids == ("large",)


def differing(gain=None):
    """A question that small answers and one that large does; .5 and .6 on average."""
    p = [[0.9, 0.3], [0.1, 0.9]]
    tokens = np.array([[1e6, 2e6]] * 2) / 2
    population = ReferencePopulation(AnchorConfig(), np.array(p), tokens * 0, tokens)
    predictions = predictions_of(p, [[1.0, 2.0]] * 2, ("small", "large"))
    return PredictionSet(predictions, (SMALL, LARGE), population, None, gain)


@pytest.mark.parametrize(
    ("gain", "chosen"),
    [
        pytest.param(gain_of(0.001), ["small", "large"], id="routing pays"),
        pytest.param(gain_of(0.0), ["large", "large"], id="it does not"),
        pytest.param(None, ["large", "large"], id="unknown"),
    ],
)
def test_auto_tells_questions_apart_only_where_routing_pays(gain, chosen):
    """
    Elsewhere all have the means .5 and .6, of which the higher wins at alpha 1.
    """
    routing = route(differing(gain), Objective(alpha=1.0, auto=True))

    assert [decision["selected_model"] for decision in routing.decisions()] == chosen


def test_without_auto_questions_are_told_apart_anyway():
    """
    Whatever the fit has found.
    """
    routing = route(differing(gain_of(-0.01)), Objective(alpha=1.0))

    assert routing.choices.model_q.tolist() == [0, 1]


def test_means_say_so_and_have_no_interval():
    """
    In the reason of a decision.
    """
    (first, _) = route(differing(), Objective(alpha=1.0, auto=True)).decisions()

    assert first["reason"].startswith("mean p 0.60 for $")
    assert (first["p_low"], first["p_high"]) == (None, None)


def test_a_question_without_estimates_has_no_means():
    """
    What failed stays failed.
    """
    failed = predictions_of([[np.nan, np.nan]], [[np.nan, np.nan]], ("small", "large"))
    predicted = replace(differing(), predictions=failed)

    routing = route(predicted, Objective(alpha=1.0, auto=True))

    assert routing.choices.model_q.tolist() == [-1]


def test_auto_needs_the_reference_population():
    """
    A bank that was never fitted has none.
    """
    predicted = replace(differing(), reference=None)

    with pytest.raises(ConfigError, match="policy auto needs the models' means"):
        route(predicted, Objective(min_quality=0.5, auto=True))


@pytest.mark.parametrize("value", [0.0, 0.6])
def test_settings_name_the_value_and_auto(value):
    """
    Nought is a value; what is not set is left out.
    """
    assert Objective(alpha=value).settings == {"alpha": value}
    assert Objective(alpha=value, auto=True).settings == {"alpha": value, "auto": True}


def compared(ratio):
    """`differing`, from a bank whose bills were compared with the plan."""
    predicted = differing()
    return replace(predicted, reference=replace(predicted.reference, bill_ratio=ratio))


@pytest.mark.parametrize(
    ("target", "ratio", "planned_usd"),
    [
        pytest.param({"alpha": 1.0}, 2.0, 6.0, id="alpha 1: 3 USD of forecasts"),
        pytest.param({"alpha": 0.0}, 1.5, 3.0, id="alpha 0: 2 USD of forecasts"),
        pytest.param({"budget_usd": 7.0}, 2.0, 6.0, id="a budget for all steps"),
        pytest.param({"min_quality": 0.5}, 1.0, 3.0, id="a floor has no alpha"),
        pytest.param({"max_cost_usd": 1.0}, 1.0, 2.0, id="nor has a ceiling"),
        pytest.param({"alpha": 1.0, "auto": True}, 1.0, 30.0, id="nor have the means"),
    ],
)
def test_a_plan_counts_the_bill_that_anchors_show(target, ratio, planned_usd):
    """
    From one and a half times the forecasts at alpha 0 to twice at alpha 1; choices stay.
    """
    objective, curve = Objective(**target), bill_ratio_of(*np.linspace(1.5, 2, 11))

    routing, plain = route(compared(curve), objective), route(differing(), objective)

    summary = routing.summary()
    assert routing.bill_ratio == summary.bill_ratio == summary.to_json()["bill_ratio"] == ratio
    assert routing.planned().cost_usd == summary.planned.cost_usd == planned_usd
    assert (plain.bill_ratio, plain.planned().cost_usd) == (1.0, planned_usd / ratio)
    assert routing.choices.model_q.tolist() == plain.choices.model_q.tolist()


def test_a_budget_that_forecasts_keep_is_not_kept_by_the_bill():
    """
    3 USD pay for both steps at the sums of the forecasts, and for none at twice them.
    """
    objective = Objective(budget_usd=3.0)

    plain, twice = (route(compared(curve), objective) for curve in (None, bill_ratio_of(2.0)))

    assert plain.choices.model_q.tolist() == [0, 1]
    assert twice.choices.model_q.tolist() == [0, 0]
    assert twice.overshoot_usd == 1.0
