import numpy as np
import pytest
from pydantic import ValidationError

from scope.policy.bill_ratio import BillRatio
from tests.factories.banks import bill_ratio_of

CURVE = BillRatio(
    ratios=(1.2, 1.1, 1.05, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.8),
    standard_errors=(0.05, 0.06, 0.02, *(0.01,) * 6, 0.06, 0.01),
    n_anchors=400,
)


def test_a_ratio_counts_where_it_differs_by_two_standard_errors():
    """
    1.1 with an error of .06, and .9 with one of .06, may be chance.
    """
    assert CURVE.shown.tolist() == [1.2, 1.0, 1.05, *[1.0] * 7, 0.8]


@pytest.mark.parametrize(
    ("alpha", "ratio"),
    [
        pytest.param(0.0, 1.2, id="the first point"),
        pytest.param(0.05, 1.1, id="half of the way to 1"),
        pytest.param(0.2, 1.05, id="a point"),
        pytest.param(0.5, 1.0, id="not shown"),
        pytest.param(0.975, 0.85, id="three quarters of the way to .8"),
        pytest.param(1.0, 0.8, id="the last point"),
    ],
)
def test_between_the_points_a_ratio_is_linear(alpha, ratio):
    """
    Between shown ratios, 1 where none is shown.
    """
    np.testing.assert_allclose(CURVE.at(np.array([alpha])), [ratio])


@pytest.mark.parametrize(
    ("curve", "text"),
    [
        pytest.param(CURVE, "The plan includes -20.0 % to +20.0 % that the anchors", id="shown"),
        pytest.param(
            bill_ratio_of(1.0),
            "The bills of the chosen models agree with the plan on 100 anchors.",
            id="none is shown",
        ),
    ],
)
def test_a_curve_is_one_sentence(curve, text):
    """
    Of its ends.
    """
    assert str(curve).startswith(text)


def test_a_curve_has_eleven_points():
    """
    Of another length it could not be read along the scale.
    """
    with pytest.raises(ValidationError, match="at least 11 items"):
        BillRatio(ratios=(1.0,), standard_errors=(0.0,), n_anchors=3)
