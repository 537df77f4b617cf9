"""Predictions, decisions and metrics on the embedded bank equal those of the golden file.

OpenBLAS chooses its kernels by CPU, and two kernels round differently: numbers differ by up to
3e-4 relative between SkylakeX and Haswell, decisions do not.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from scope.predictions import COLUMNS
from tests.golden_decisions import (
    TARGETS,
    blas_architecture,
    decision_json,
    estimates_json,
    evaluation_json,
    sample_case,
)

EXPECTED = json.loads((Path(__file__).parent / "golden" / "decisions.json").read_text())
RTOL = 0 if blas_architecture() == EXPECTED["blas_architecture"] else 1e-3


def assert_same(got, expected):
    """Compare to 1e-12 on the kernels of the golden file, else to 1e-3; None equals None."""
    got, expected = (np.array(values, dtype=np.float64) for values in (got, expected))
    np.testing.assert_allclose(got, expected, rtol=RTOL, atol=1e-12, equal_nan=True)


@pytest.fixture(scope="module")
def case():
    return sample_case()


@pytest.fixture(scope="module")
def estimates(case):
    return estimates_json(case)


@pytest.fixture(scope="module")
def evaluation():
    return evaluation_json()


def test_questions_and_models_equal_the_golden_file(case):
    """
    50 questions spread over the labelled set and all 17 models, in the same order.
    """
    assert list(case.predictions.question_ids) == EXPECTED["question_id"]
    assert list(case.predictions.models) == EXPECTED["model"]


@pytest.mark.parametrize("field", COLUMNS)
def test_every_estimate_equals_the_golden_file(estimates, field):
    """
    For every question and every model.
    """
    assert_same(estimates[field], EXPECTED["estimates"][field])


@pytest.mark.parametrize("name", TARGETS)
def test_every_decision_equals_the_golden_file(case, name):
    """
    The same model for every question, and the same planned and realised scores.
    """
    got, expected = decision_json(case, TARGETS[name]), EXPECTED["decisions"][name]

    assert got["selected_model"] == expected["selected_model"]
    assert got["satisfied"] == expected["satisfied"]
    assert_same(got["trade_off"], expected["trade_off"])
    for score in ("planned", "realised"):
        assert_same(list(got[score].values()), list(expected[score].values()))


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(EXPECTED["evaluation"])), ids=lambda n: f"router {n}")
def test_every_metric_of_the_evaluation_equals_the_golden_file(evaluation, index):
    """
    Areas and forecast metrics of our router and of each baseline, whatever its name.
    """
    (got, expected) = (
        {key: value for key, value in numbers[index].items() if key != "name"}
        for numbers in (evaluation, EXPECTED["evaluation"])
    )

    assert got.keys() == expected.keys()
    assert_same(list(got.values()), list(expected.values()))
