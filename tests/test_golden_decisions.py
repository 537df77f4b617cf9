"""Predictions, decisions and scores on the embedded bank, as they were when they were pinned."""

import json
from pathlib import Path

import numpy as np
import pytest

from scope.predictions import COLUMNS
from tests.golden_decisions import (
    TARGETS,
    decision_json,
    estimates_json,
    evaluation_json,
    sample_case,
)

EXPECTED = json.loads((Path(__file__).parent / "golden" / "decisions.json").read_text())


def same(got, expected):
    """Equal but for the last digits; null is equal to null."""
    got, expected = (np.array(values, dtype=np.float64) for values in (got, expected))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12, equal_nan=True)


@pytest.fixture(scope="module")
def case():
    return sample_case()


@pytest.fixture(scope="module")
def estimates(case):
    return estimates_json(case)


@pytest.fixture(scope="module")
def evaluation():
    return evaluation_json()


def test_the_questions_and_models_are_the_pinned_ones(case):
    """
    50 questions spread over the labelled set, all 17 models, both in their order.
    """
    assert list(case.predictions.question_ids) == EXPECTED["question_id"]
    assert list(case.predictions.models) == EXPECTED["model"]


@pytest.mark.parametrize("field", COLUMNS)
def test_every_predicted_number_is_the_pinned_one(estimates, field):
    """
    For every question and every model.
    """
    same(estimates[field], EXPECTED["estimates"][field])


@pytest.mark.parametrize("name", TARGETS)
def test_every_decision_is_the_pinned_one(case, name):
    """
    The same model for every question, and the same plan, price and outcome of it all.
    """
    got, expected = decision_json(case, TARGETS[name]), EXPECTED["decisions"][name]

    assert got["selected_model"] == expected["selected_model"]
    assert got["satisfied"] == expected["satisfied"]
    same(got["trade_off"], expected["trade_off"])
    for score in ("planned", "realised"):
        same(list(got[score].values()), list(expected[score].values()))


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(EXPECTED["evaluation"])), ids=lambda n: f"router {n}")
def test_every_headline_number_of_the_evaluation_is_the_pinned_one(evaluation, place):
    """
    Areas and the quality of forecasts, ours first, then each baseline whatever it is called.
    """
    (got, expected) = (
        {key: value for key, value in numbers[place].items() if key != "name"}
        for numbers in (evaluation, EXPECTED["evaluation"])
    )

    assert got.keys() == expected.keys()
    same(list(got.values()), list(expected.values()))
