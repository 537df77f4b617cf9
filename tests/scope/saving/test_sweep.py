import numpy as np
import pytest

from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.strategies import ResampledOutcomes
from scope.saving.sweep import ReferenceScale, interpolate, threshold_choices

SMALL, LARGE = 0, 1


def scale_of(quality_qm, cost_usd_qm, reference=LARGE):
    """Outcomes without resamples, seen from one arm."""
    quality_qm, cost_usd_qm = np.array(quality_qm, float), np.array(cost_usd_qm, float)
    weight_rq = bootstrap_weights(len(quality_qm), 0, 1)[:1]
    return ReferenceScale(
        ResampledOutcomes.from_outcomes(quality_qm, cost_usd_qm, weight_rq), reference
    )


def four_questions():
    """The large arm costs 10 and is always right, the small one costs 1 and is right on two."""
    return scale_of([[1, 1], [1, 1], [0, 1], [0, 1]], [[1, 10]] * 4)


def test_a_sweep_begins_with_always_the_reference():
    """
    It saves nothing; sending two of four questions away saves 18 of 40 and, here, loses nothing.
    """
    sweep = four_questions().sweep(np.array([[SMALL, SMALL], [SMALL, 0], [LARGE, 0], [LARGE, 0]]))

    np.testing.assert_allclose(sweep.saving_rg, [[0, 0.45, 0.9]])
    np.testing.assert_allclose(sweep.away_rg, [[0, 0.5, 1]])
    np.testing.assert_allclose(sweep.quality_rg, [[1, 1, 0.5]])


def test_the_drop_is_interpolated_between_two_settings():
    """
    At 67.5 % saved, half way from .45 to .9, the quality is half way from 1 to .5.
    """
    scale = four_questions()
    sweep = scale.sweep(np.array([[0, 0], [0, 0], [1, 0], [1, 0]]))

    quality_r = sweep.quality_at_saving(0.675)

    assert scale.drop(quality_r) == pytest.approx([0.25])
    assert scale.gap_recovered(quality_r) == pytest.approx([0.5])
    assert sweep.quality_at_share(0.75) == pytest.approx([0.75])


def test_a_saving_out_of_reach_is_undefined():
    """
    All questions at the small arm save 90 %.
    """
    sweep = four_questions().random_mix()

    assert sweep.quality_at_saving(0.9) == pytest.approx([0.5])
    assert np.isnan(sweep.quality_at_saving(0.95)).all()


def test_the_first_crossing_counts_where_savings_fall_again():
    """
    The sweep passes .3 between 0 and .6, then falls back to .2 and passes it again.
    """
    got = interpolate(np.array([[0, 0.6, 0.2, 0.9]]), np.array([[0, 0.6, 5, 9]]), 0.3)

    assert got == pytest.approx([0.3])


def test_the_hull_of_two_arms_is_their_random_mixture():
    """
    At 45 % saved half of the questions go to the small arm, which is right on half of them.
    """
    scale = four_questions()

    mixed = scale.random_mix().quality_at_saving(0.45)

    assert mixed == pytest.approx([0.75])
    assert scale.hull_quality_at_saving(0.45) == pytest.approx(mixed)


def test_the_hull_uses_an_arm_between_the_two():
    """
    An arm of half the cost and full quality is a corner: no drop at 50 % saved.
    """
    scale = scale_of([[1, 1, 1], [0, 1, 1]], [[1, 5, 10]] * 2, reference=2)

    assert scale.hull_quality_at_saving(0.5) == pytest.approx([1.0])
    assert scale.hull_quality_at_saving(0.7) == pytest.approx([0.75])


def test_the_oracle_sends_the_right_questions():
    """
    Two of four can go to the small arm without loss, by share and by cost.
    """
    scale = four_questions()

    assert scale.oracle_quality_at_share(0.5) == pytest.approx([1.0])
    assert scale.oracle_quality_at_share(0.75) == pytest.approx([0.75])
    assert scale.oracle_quality_at_saving(0.45) == pytest.approx([1.0])
    assert np.isnan(scale.oracle_quality_at_saving(0.95)).all()


def test_the_oracle_sends_wins_before_ties():
    """
    The small arm wins on one question and ties on two: one question sent away gains 1 of 4.
    """
    scale = scale_of([[1, 0], [1, 1], [0, 0], [0, 1]], [[1, 10]] * 4)

    assert scale.oracle_quality_at_share(0.25) == pytest.approx([0.75])
    assert scale.oracle_quality_at_share(1.0) == pytest.approx([0.5])


def test_equal_arms_leave_no_gap():
    """
    The share of a gap of 0 is undefined, not 1.
    """
    scale = scale_of([[1, 1], [0, 0]], [[1, 10]] * 2)

    assert np.isnan(scale.gap_recovered(np.array([0.5]))).all()


def test_the_cheapest_arm_that_clears_the_threshold_is_chosen():
    """
    For falling tau: .9 lets the middle arm pass on question 0, .6 the small one on question 1.
    """
    p_qm = np.array([[0.2, 0.9, 0.0], [0.6, 0.6, 0.0]])
    cost_qm = np.array([[1.0, 5.0, 10.0]] * 2)

    model_qt = threshold_choices(p_qm, cost_qm, 2)

    # Thresholds .9, .6, .2 and 0.
    assert model_qt.tolist() == [[1, 1, 0, 0], [2, 0, 0, 0]]


def test_an_arm_without_a_forecast_is_never_chosen():
    """
    Neither for want of a probability nor for want of a cost; the reference always can be.
    """
    p_qm = np.array([[np.nan, 0.9, np.nan]])
    cost_qm = np.array([[1.0, np.nan, np.nan]])

    assert set(threshold_choices(p_qm, cost_qm, 2).ravel().tolist()) == {2}


def test_a_cheaper_reference_is_preferred():
    """
    An arm that clears the threshold at a higher cost than the reference is no saving.
    """
    model_qt = threshold_choices(np.array([[0.9, 1.0]]), np.array([[3.0, 2.0]]), 1)

    assert set(model_qt.ravel().tolist()) == {1}
