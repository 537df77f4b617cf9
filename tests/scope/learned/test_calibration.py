import numpy as np
import pytest

from scope.learned.calibration import calibrate, calibration_error, fit_head, mean_nll
from scope.learned.spec import HeadCalibration

RNG = np.random.default_rng(0)


def labels_of(logit_q):
    """Draws with exactly these log-odds."""
    return (RNG.random(len(logit_q)) < 1 / (1 + np.exp(-logit_q))).astype(float)


def test_temperature_and_bias_are_recovered():
    truth_q = RNG.normal(size=20_000)

    head = fit_head(3 * (truth_q - 0.5), labels_of(truth_q))

    assert head.temperature == pytest.approx(3, rel=0.05)
    assert head.bias == pytest.approx(0.5, abs=0.05)


def test_calibration_lowers_loss_and_error_of_labels_it_has_not_seen():
    truth_q = RNG.normal(size=4_000)

    _, (report,) = calibrate("prob_nlabels", 4 * truth_q[:, None], labels_of(truth_q)[:, None])

    assert report.n_labels == 4_000
    assert report.nll_after < report.nll_before - 0.1
    assert report.ece_after < 0.03 < report.ece_before


def test_a_head_that_is_calibrated_stays_as_it_is():
    truth_q = np.repeat([-1.0, 1.0], 50)
    label_q = np.tile([1.0, 0.0], 50)  # no relation: any fit is noise

    heads, (report,) = calibrate("prob_nlabels", 0 * truth_q[:, None], label_q[:, None])

    assert heads == (HeadCalibration(),)
    assert report.nll_after == report.nll_before == pytest.approx(np.log(2))


def test_equal_labels_and_no_labels_give_a_finite_calibration():
    for label_q in (np.ones(10), np.full(10, np.nan)):
        head = fit_head(RNG.normal(size=10), label_q)
        assert 0.02 < head.temperature < 55
        assert abs(head.bias) <= 10


def test_a_head_without_labels_is_reported_as_such():
    _, (report,) = calibrate("prob_nlabels", np.zeros((3, 1)), np.full((3, 1), np.nan))

    assert (report.n_labels, report.nll_before) == (0, None)


def test_n_classes_keep_their_distribution():
    assert calibrate("det_ncls", np.zeros((3, 2)), np.eye(3)[:, :2]) == (
        (HeadCalibration(),) * 2,
        (),
    )


def test_the_error_is_the_gap_of_a_bin_times_its_share():
    """
    Nine of ten at .8, of which half match; one at .1 that does not: .9 * .3 + .1 * .1.
    """
    p_q, label_q = np.array([0.8] * 9 + [0.1]), np.array([0.5] * 9 + [0])

    assert calibration_error(p_q, label_q) == pytest.approx(0.28)


def test_the_loss_of_no_knowledge_is_one_bit():
    assert mean_nll(np.zeros(2), np.array([0, 1.0])) == pytest.approx(np.log(2))
