import json
from dataclasses import replace

import numpy as np
import pytest

from scope.errors import UnknownModelError
from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.strategies import ResampledOutcomes
from scope.evaluation.test_set import EvaluationSet
from scope.report.evaluation import evaluate, predict_test_set
from scope.report.export import to_json, to_table
from scope.report.page import to_html
from scope.saving.comparison import HULL, compare_with_reference
from scope.saving.routers import MatchForecast, ReferenceRequest, match_probability
from scope.saving.tables import reference_tables
from tests.factories.banks import LARGE, MIDDLE, SMALL, labelled_pair


@pytest.fixture(scope="module")
def inputs():
    """Two models, one good on one kind of question."""
    bank, questions = labelled_pair(100, 80)
    test_set = EvaluationSet.from_banks(bank, questions)
    return bank, test_set, predict_test_set(bank, test_set)


@pytest.fixture(scope="module")
def evaluation(inputs):
    """Against always the large model, with a learned router that knows the kind of question."""
    _, test_set, predictions = inputs
    easy_q = test_set.embedding_qd[:, 0] > 0
    match_qm = np.column_stack([np.where(easy_q, 0.95, 0.1), np.ones(len(easy_q))])
    router = MatchForecast("router", "by hand", match_qm, predictions.estimates.cost_usd_qm)
    return evaluate(*inputs, against=ReferenceRequest("large", (router,)))


def test_a_perfect_rule_recovers_the_gap():
    """
    Large always right at 10, small right on half at 1: all of the gap at 40 % saved, where the
    static hull loses 22.2 % (4/9 of the questions drawn at random, half of them wrong).
    """
    easy_q = np.arange(40) % 2 == 0
    outcomes = ResampledOutcomes.from_outcomes(
        np.column_stack([easy_q, np.ones(40)]).astype(float),
        np.tile([1.0, 10.0], (40, 1)),
        bootstrap_weights(40, 0),
    )
    choices = np.column_stack([np.where(easy_q, 0, 1), np.zeros(40, int)])

    got = compare_with_reference(outcomes, ("small", "large"), "large", {"it": ("", choices)}, {})

    at_40 = got.sweep("it").at_savings[2]
    assert (at_40.saving, at_40.drop.value, at_40.gap_recovered.value) == (0.4, 0, 1)
    assert got.sweep(HULL).at_savings[2].drop.value == pytest.approx(4 / 9 / 2)
    assert at_40.gain_over_hull.value == pytest.approx(2 / 9)
    assert got.sweep("it").at_shares[2].gain_over_random.value == pytest.approx(0.2)
    assert got.fixed_points[0].saving.value == pytest.approx(0.9)
    assert got.fixed_points[0].gain_over_hull.value == pytest.approx(0)


def test_all_routers_are_compared_and_ours_is_first(evaluation):
    """
    Ours by both rules, the learned router by both, N-label, the baselines, then the bounds.
    """
    section = evaluation.against_reference

    assert [row.name for row in section.sweeps] == [
        "scope, P − λ·cost",
        "scope, P ≥ τ",
        "router, P ≥ τ",
        "router, P − λ·cost",
        "N-label, P ≥ τ",
        "Stage I, published, P − λ·cost",
        "kNN, tuned, P − λ·cost",
        "logistic regression, P − λ·cost",
        "MLP, P − λ·cost",
        "matrix factorisation, P − λ·cost",
        "random mix",
        "hull of static arms",
        "oracle",
    ]
    assert [row.name for row in section.fixed_points] == ["N-class", "small", "large"]
    assert (section.reference, section.smallest, section.n_questions) == ("large", "small", 80)


def test_routers_that_read_the_question_beat_the_hull(evaluation):
    """
    Half of the questions can go to the small model without loss.
    """
    section = evaluation.against_reference

    for name in ("scope, P − λ·cost", "scope, P ≥ τ", "router, P ≥ τ", "N-label, P ≥ τ"):
        assert section.sweep(name).at_savings[2].gain_over_hull.low > 0.05, name
        assert section.sweep(name).at_shares[2].gain_over_random.low > 0.05, name


def test_always_the_reference_saves_and_loses_nothing(evaluation):
    """
    It is a corner of the hull.
    """
    row = evaluation.against_reference.fixed_points[2]

    assert (row.saving.value, row.drop.value, row.gain_over_hull.value) == (0, 0, 0)
    assert row.gap_recovered.value == pytest.approx(1)


def test_the_section_is_in_every_output(evaluation):
    """
    JSON, table, page and text; without a reference the JSON has null.
    """
    numbers = to_json(evaluation)
    rows = [r for r in to_table(evaluation).to_pylist() if r["table"] == "against_reference"]
    keys = [(r["name"], r["at"], r["metric"]) for r in rows]

    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    assert numbers["against_reference"]["sweeps"][0]["at_savings"][0]["saving"] == 0.1
    assert len(set(keys)) == len(keys) > 100
    assert "Against always large" in to_html(evaluation)
    assert [len(table.rows) for table in reference_tables(evaluation.against_reference)] == [
        13,
        12,
        3,
    ]
    assert to_json(replace(evaluation, against_reference=None))["against_reference"] is None


def test_more_than_two_arms_have_no_share_of_the_small_one():
    """
    The cost advantage of HybridLLM is defined for two.
    """
    bank, questions = labelled_pair(models=(SMALL, MIDDLE, LARGE))
    test_set = EvaluationSet.from_banks(bank, questions)

    section = evaluate(
        bank, test_set, predict_test_set(bank, test_set), against=ReferenceRequest("large")
    ).against_reference

    assert all(row.at_shares == () for row in section.sweeps)
    assert len(reference_tables(section)) == 2


def test_a_measured_arm_is_a_column_like_any_model():
    """
    Best of three of the small model, with its own outcomes and price, is compared by its name.
    """
    three = SMALL.model_copy(update={"id": "small@3", "usd_per_mtok_out": 0.6})
    bank, questions = labelled_pair(models=(SMALL, three, LARGE))
    test_set = EvaluationSet.from_banks(bank, questions)

    section = evaluate(
        bank, test_set, predict_test_set(bank, test_set), against=ReferenceRequest("large")
    ).against_reference

    assert [row.name for row in section.fixed_points] == ["N-class", "small", "small@3", "large"]
    assert section.smallest == "small"


def test_a_reference_outside_the_bank_is_refused(inputs):
    """
    The message names the models.
    """
    with pytest.raises(UnknownModelError, match=r"'huge'.*small, large"):
        evaluate(*inputs, against=ReferenceRequest("huge"))


def test_the_match_probability_counts_both_wrong_as_a_match():
    """
    Right .5 against .8: it loses only where the reference is right and it is wrong, .8 x .5.
    """
    got = match_probability(np.array([[0.5, 0.8]]), 1)

    np.testing.assert_allclose(got, [[0.6, 1.0]])
