"""No bank predicts worse for having been fitted, beyond a tolerance."""

import numpy as np
import pytest

from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, AnchorPredictor, load_bank
from scope.predictions import MIN_P
from scope.predictor.cross_validation import choose_forecast
from scope.predictor.reference_population import fit_bank
from tests.factories.banks import bank_of, unit

pytestmark = pytest.mark.usefixtures("one_thread")

TOLERANCE = 0.005
"""Log loss, nats: a tenth of what MMLU-Pro's best forecast gains over its models' means."""
N_HELD_OUT = 400


def made(p_of, n_anchors=80, seed=0):
    """Anchors and held-out questions with outcomes of two models drawn from `p_of` a direction."""
    rng = np.random.default_rng(seed)
    x_nd = unit(rng.standard_normal((n_anchors + N_HELD_OUT, 8)))
    correct_nm = (rng.random((len(x_nd), 2)) < p_of(x_nd)).astype(float)
    whole = bank_of(correct_nm, embedding=x_nd)
    rows = np.arange(len(x_nd))
    return whole.select_anchors(rows[:n_anchors]), whole.select_anchors(rows[n_anchors:])


def embedded(n_anchors):
    """So many anchors of the embedded bank, and held-out questions."""
    bank, held_out = load_bank(EMBEDDED_BANK), load_bank(EMBEDDED_QUESTIONS)
    rows = np.random.default_rng(0).permutation(len(bank.ids))[:n_anchors]
    return bank.select_anchors(np.sort(rows)), held_out.select_anchors(np.arange(N_HELD_OUT))


def log_loss(bank, held_out):
    """Mean over questions and models."""
    estimates, _ = AnchorPredictor(bank).predict(held_out.embedding_ad, held_out.features_af)
    p_qm, y_qm = estimates.p_correct_qm.clip(MIN_P, 1 - MIN_P), held_out.outcomes.correct_am
    return -(y_qm * np.log(p_qm) + (1 - y_qm) * np.log1p(-p_qm)).mean()


def constant(p):
    """Outcomes that no direction tells anything about."""
    return lambda x_nd: np.full((len(x_nd), 2), p)


def of_one_model(x_nd):
    """One model that is better in one half of the space, one that is not."""
    return np.column_stack([np.full(len(x_nd), 0.5), 0.2 + 0.6 * (x_nd[:, 0] > 0)])


CASES = {
    "no pattern": lambda: made(constant(0.5)),
    "nearly all right": lambda: made(constant(0.97)),
    "a pattern in one model": lambda: made(of_one_model),
    "30 of MMLU-Pro": lambda: embedded(30),
    "120 of MMLU-Pro": lambda: embedded(120),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_fitted_bank_is_no_worse_than_before(case):
    anchors, held_out = case()

    fitted = choose_forecast(fit_bank(anchors))

    assert log_loss(fitted, held_out) < log_loss(anchors, held_out) + TOLERANCE
