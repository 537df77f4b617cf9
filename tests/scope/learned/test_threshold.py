import numpy as np
import pytest

from scope.errors import ConfigError
from scope.learned.threshold import drop_thresholds

# Four prompts, the small arm at 1 USD, the reference at 10; it loses on the two it is unsure of.
P = np.array([[0.9, 1], [0.8, 1], [0.4, 1], [0.2, 1]])
COST = np.array([[1.0, 10.0]] * 4)
QUALITY = np.array([[1.0, 1], [1.0, 1], [0.9, 1], [0.0, 1]])


def test_the_threshold_saves_most_within_the_drop():
    """
    Without a drop two prompts go small and save 18 of 40 USD; 2.5 % of quality buy a third.
    """
    none, some, all_ = drop_thresholds(P, COST, QUALITY, (0.0, 0.03, 1.0))

    assert (none.threshold, none.drop, none.routed_share) == (0.8, 0, 0.5)
    assert none.saving == pytest.approx(18 / 40)
    assert (some.threshold, some.routed_share) == (0.4, 0.75)
    assert some.drop == pytest.approx(0.025)
    assert some.saving == pytest.approx(27 / 40)
    assert (all_.threshold, all_.target_drop) == (0.2, 1.0)


def test_the_reference_alone_is_always_within_the_drop():
    (none,) = drop_thresholds(P, COST, QUALITY * [[0.5, 1]], (0.0,))

    assert (none.threshold, none.saving, none.routed_share) == (1.0, 0, 0)


def test_a_negative_quality_has_a_drop_too():
    """
    BARTScore is a log-likelihood: -2.2 instead of -2 is a drop of 10 %.
    """
    quality = np.array([[-2.2, -2.0]] * 4)

    (point,) = drop_thresholds(P, COST, quality, (0.1,))

    assert point.drop == pytest.approx(0.1)
    assert point.routed_share == 1


def test_prompts_of_unknown_quality_are_not_used():
    quality = QUALITY.copy()
    quality[3, 0] = np.nan

    (point,) = drop_thresholds(P, COST, quality, (0.05,))

    assert (point.threshold, point.routed_share) == (0.4, 1)


def test_a_reference_of_quality_zero_gives_no_scale():
    with pytest.raises(ConfigError, match="mean quality on validation is 0"):
        drop_thresholds(P, COST, QUALITY * [[1, 0]], (0.0,))
    with pytest.raises(ConfigError, match="no validation prompt has the quality of every arm"):
        drop_thresholds(P, COST, QUALITY * np.nan, (0.0,))


def test_many_probabilities_are_thinned_to_a_grid():
    rng = np.random.default_rng(0)
    p_q = rng.random(5_000)
    quality = np.column_stack([p_q > 0.3, np.ones(5_000)]).astype(float)

    (point,) = drop_thresholds(
        np.column_stack([p_q, np.ones(5_000)]), np.tile([1.0, 10.0], (5_000, 1)), quality, (0.0,)
    )

    assert point.threshold == pytest.approx(0.3, abs=0.01)
