"""Add a model to a fitted bank, from a few of its outcomes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope import ModelSpec, load_bank, save_bank
from scope.embedding.text_features import FEATURES
from scope.errors import BankError
from scope.fusion.calibrated_reasoner import CalibratedReasoner
from scope.outcomes import Outcomes
from scope.predictor.add_model import add_model
from scope.predictor.fit import fit_forecaster
from scope.predictor.measurement_plan import MIN_MEASURED, MeasurementLimits, plan_measurement
from scope.predictor.reference_population import fit_bank
from tests.factories.banks import LARGE, MIDDLE, SMALL, bank_of, unit, with_correct
from tests.factories.blends import SPEC, blend_of

TINY = ModelSpec(id="tiny", usd_per_mtok_in=0.05, usd_per_mtok_out=0.1)
NEW = ModelSpec(id="new", usd_per_mtok_in=1.0, usd_per_mtok_out=2.0)
MODELS = (TINY, SMALL, MIDDLE, LARGE)
LEVELS = np.array([0.35, 0.5, 0.65, 0.8])
N = 120


def raw_bank(models=MODELS, *, seed=0):
    """120 anchors on a line from easy to hard; better models fail later, with some noise."""
    rng = np.random.default_rng(seed)
    hard_a = np.linspace(-1, 1, N)
    embedding = unit(
        np.column_stack([np.cos(1.5 * hard_a), np.sin(1.5 * hard_a), np.zeros((N, 2))])
    )
    p_am = (LEVELS[: len(models)] - 0.4 * hard_a[:, None]).clip(0.02, 0.98)
    correct_am = (rng.random((N, 1)) * 0.7 + rng.random(p_am.shape) * 0.3 < p_am).astype(float)
    return bank_of(correct_am, models=models, embedding=embedding)


@pytest.fixture(scope="module")
def bank():
    """A fitted bank of four models."""
    return fit_bank(raw_bank())


def outcomes_of(correct_a, *, tokens=100.0, prompt_tokens=50.0):
    """Outcomes of the new model; NaN where it was not measured."""
    correct_am = np.asarray(correct_a, dtype=float)[:, None]
    gap_am = np.where(np.isnan(correct_am), np.nan, 0.0)
    return Outcomes(("new",), correct_am, gap_am + prompt_tokens, gap_am + tokens)


def at(anchors, values=1.0):
    """Outcomes at some of the anchors, NaN at the others."""
    correct_a = np.full(N, np.nan)
    correct_a[anchors] = values
    return correct_a


def extend(bank, correct_a, **limits):
    return add_model(bank, NEW, outcomes_of(correct_a), MeasurementLimits(**limits))


def unseen(n=40):
    """Questions between the anchors and off their line."""
    rng = np.random.default_rng(1)
    features_qf = np.zeros((n, len(FEATURES)))
    features_qf[:, 0] = rng.integers(10, 1000, n)
    return unit(rng.standard_normal((n, 4))), features_qf, np.full(n, -1)


@pytest.mark.parametrize("copied", [0, 3], ids=["the weakest", "the strongest"])
def test_a_copy_of_a_known_model_is_recovered(bank, copied):
    """
    From all 120 outcomes: close to the original on anchors and on new questions.
    """
    extended = extend(bank, bank.outcomes.correct_am[:, copied])

    forecaster, p_nm = extended.forecaster, extended.forecaster.loo_p_nm
    p_qm = forecaster.predict(*unseen()).p_correct_qm
    assert forecaster.correct.mean_m[-1] == pytest.approx(
        forecaster.correct.mean_m[copied], abs=0.05
    )
    assert np.abs(p_nm[:, -1] - p_nm[:, copied]).mean() < 0.05
    assert np.abs(p_qm[:, -1] - p_qm[:, copied]).mean() < 0.05


def test_ten_random_outcomes_hardly_change_the_prediction(bank):
    """
    Its correlation with the average model stays above .95.
    """
    extended = extend(bank, at(np.arange(5, 120, 12), np.arange(10) % 2))

    p_nm = extended.forecaster.loo_p_nm
    average_n = p_nm[:, :-1].mean(axis=1)
    assert np.corrcoef(p_nm[:, -1], average_n)[0, 1] > 0.95


def test_known_models_are_not_refitted(bank):
    """
    Each of their stored numbers is the same to the last bit.
    """
    extended = extend(bank, bank.outcomes.correct_am[:, 1])

    back = extended.select_models(bank.model_ids)
    for name in ("loo_p_nm", "loo_log_length_nm", "smearing_um"):
        np.testing.assert_array_equal(
            getattr(back.forecaster, name), getattr(bank.forecaster, name)
        )
    for name in ("mean_m", "weight_bm", "category_cm"):
        for head in ("correct", "length"):
            np.testing.assert_array_equal(
                getattr(getattr(back.forecaster, head), name),
                getattr(getattr(bank.forecaster, head), name),
            )
    np.testing.assert_array_equal(back.outcomes.correct_am, bank.outcomes.correct_am)
    np.testing.assert_array_equal(back.reference.p_correct_qm, bank.reference.p_correct_qm)


def test_predictions_of_known_models_do_not_change(bank):
    """
    On new questions, except for the last digit of a product of another shape.
    """
    extended = extend(bank, bank.outcomes.correct_am[:, 1])

    before, after = (each.forecaster.predict(*unseen()) for each in (bank, extended))

    np.testing.assert_allclose(after.p_correct_qm[:, :-1], before.p_correct_qm, rtol=1e-12)
    np.testing.assert_allclose(after.tokens_uqm[:, :, :-1], before.tokens_uqm, rtol=1e-12)
    np.testing.assert_array_equal(after.in_distribution_q, before.in_distribution_q)


def test_an_extended_bank_survives_save_and_load(bank, tmp_path):
    """
    Anchors are predicted to the last bit, new questions to half precision.
    """
    extended = extend(bank, bank.outcomes.correct_am[:, 1])

    save_bank(extended, tmp_path / "bank", created_at="2026-01-01", sources=())
    back = load_bank(tmp_path / "bank")

    assert back.model_ids == ("tiny", "small", "middle", "large", "new")
    assert back.models[-1] == NEW
    for name in ("loo_p_nm", "loo_log_length_nm"):
        np.testing.assert_array_equal(
            getattr(back.forecaster, name), getattr(extended.forecaster, name)
        )
    np.testing.assert_allclose(
        back.forecaster.predict(*unseen()).p_correct_qm,
        extended.forecaster.predict(*unseen()).p_correct_qm,
        atol=5e-3,
    )
    np.testing.assert_array_equal(back.outcomes.correct_am, extended.outcomes.correct_am)


def test_a_pool_may_hold_the_new_model(bank):
    """
    In any order, with any of the known models.
    """
    extended = extend(bank, bank.outcomes.correct_am[:, 1])

    pool = extended.select_models(("new", "small"))

    np.testing.assert_array_equal(pool.forecaster.loo_p_nm, extended.forecaster.loo_p_nm[:, [4, 1]])
    np.testing.assert_array_equal(
        pool.reference.p_correct_qm, extended.reference.p_correct_qm[:, [4, 1]]
    )


def test_a_reasoner_has_no_weight_for_the_new_model(bank):
    """
    Its weights for the other models stay.
    """
    known = replace(bank, reasoner=CalibratedReasoner(SPEC, blend_of(4, weight=0.5)))

    extended = extend(known, bank.outcomes.correct_am[:, 1])

    assert extended.reasoner.spec == SPEC
    assert extended.reasoner.blend.informative_m.tolist() == [True] * 4 + [False]
    assert extend(bank, bank.outcomes.correct_am[:, 1]).reasoner is None


def test_fitting_again_drops_the_reasoner(bank):
    """
    Its weights belong to the former forecasts.
    """
    known = replace(bank, reasoner=CalibratedReasoner(SPEC, blend_of(4, weight=0.5)))

    assert fit_bank(known).reasoner is None


@settings(max_examples=15)
@given(index=st.integers(0, 29))
def test_an_outcome_does_not_change_the_prediction_of_its_own_anchor(bank, index):
    """
    One flipped outcome changes the predictions of other anchors only.
    """
    measured = np.arange(0, N, 4)
    given_a = at(measured, bank.outcomes.correct_am[measured, 2])
    flipped_a = given_a.copy()
    flipped_a[measured[index]] = 1 - flipped_a[measured[index]]

    before_n, after_n = (
        extend(bank, correct_a).forecaster.loo_p_nm[:, -1] for correct_a in (given_a, flipped_a)
    )

    assert after_n[measured[index]] == pytest.approx(before_n[measured[index]], abs=1e-9)
    assert np.abs(after_n - before_n).max() > 1e-3


@pytest.mark.parametrize("value", [0.0, 1.0], ids=["all wrong", "all right"])
def test_probabilities_are_never_0_or_1(bank, value):
    """
    Even if it is correct on all 120, or on none, p stays within [.01, .99].
    """
    extended = extend(bank, np.full(N, value))

    p_q = extended.forecaster.predict(*unseen()).p_correct_qm[:, -1]
    p = np.r_[p_q, extended.forecaster.loo_p_nm[:, -1]]
    half_step = 2**-12  # of half precision, just below 1
    assert p.min() >= 0.01 - half_step
    assert p.max() <= 0.99 + half_step
    assert np.abs(p - value).mean() < 0.1


def test_a_model_of_long_answers_is_predicted_so(bank):
    """
    Three times the tokens of the others, 300, on 40 anchors.
    """
    extended = add_model(
        bank, NEW, outcomes_of(at(np.arange(0, N, 3)), tokens=300.0), MeasurementLimits()
    )

    tokens_uqm = extended.forecaster.predict(*unseen()).tokens_uqm
    low_q, high_q = tokens_uqm[1, :, -1], tokens_uqm[2, :, -1]
    np.testing.assert_allclose(tokens_uqm[0, :, 0], 100, rtol=0.01)
    np.testing.assert_allclose(tokens_uqm[0, :, -1], 300, rtol=0.05)
    assert (low_q <= tokens_uqm[0, :, -1]).all()
    assert (high_q >= tokens_uqm[0, :, -1]).all()


def test_expected_tokens_are_the_arithmetic_mean(bank):
    """
    1 and 999 tokens in turn: 500 are expected, although the mean log is that of 44.
    """
    tokens_am = np.where(np.arange(N) % 2, 1.0, 999.0)[:, None]
    outcomes = replace(outcomes_of(np.ones(N)), completion_tokens_am=tokens_am)

    extended = add_model(bank, NEW, outcomes, MeasurementLimits())

    expected_q = extended.forecaster.predict(*unseen()).tokens_uqm[0, :, -1]
    np.testing.assert_allclose(expected_q, 500, rtol=0.15)


@pytest.mark.parametrize("number", ["correct_am", "prompt_tokens_am", "completion_tokens_am"])
def test_an_incomplete_outcome_is_ignored(bank, number):
    """
    One of three numbers is missing: it is neither used nor kept.
    """
    whole = outcomes_of(at(np.arange(30), np.arange(30) % 2))
    values_am = getattr(whole, number).copy()
    values_am[20:] = np.nan

    holes = add_model(bank, NEW, replace(whole, **{number: values_am}), MeasurementLimits())

    never = extend(bank, at(np.arange(20), np.arange(20) % 2))
    np.testing.assert_array_equal(holes.outcomes.correct_am, never.outcomes.correct_am)
    np.testing.assert_array_equal(holes.forecaster.loo_p_nm, never.forecaster.loo_p_nm)


@pytest.mark.parametrize(
    ("correct_a", "limits", "message"),
    [
        pytest.param(at(range(9)), {}, "^9 anchors with outcome.*at least 10", id="nine outcomes"),
        pytest.param(at([]), {}, "^0 anchors with outcome, prompt and compl", id="no outcome"),
        pytest.param(at(range(30)), {"max_anchors": 5}, "^5 anchors within the limits", id="five"),
        pytest.param(at(range(30)), {"budget_usd": 1e-9}, "^0 anchors within", id="no budget"),
    ],
)
def test_too_few_outcomes_are_refused(bank, correct_a, limits, message):
    """
    The message names both numbers.
    """
    with pytest.raises(BankError, match=message):
        extend(bank, correct_a, **limits)


@pytest.mark.parametrize("tokens", ["tokens", "prompt_tokens"])
def test_outcomes_without_token_counts_are_refused(bank, tokens):
    """
    Without them no cost can be predicted.
    """
    outcomes = outcomes_of(np.ones(N), **{tokens: np.nan})

    with pytest.raises(BankError, match=r"^0 anchors with outcome, prompt and completion tokens"):
        add_model(bank, NEW, outcomes, MeasurementLimits())


@pytest.mark.parametrize("spec", [SMALL, NEW], ids=["in the bank", "bank not fitted"])
def test_a_known_model_or_an_unfitted_bank_is_refused(bank, spec):
    """
    By the plan and by the addition.
    """
    bank = bank if spec is SMALL else replace(bank, forecaster=None)
    message = "'small' is in the bank already" if spec is SMALL else "run `scope bank fit`"

    with pytest.raises(BankError, match=message):
        plan_measurement(bank, spec, MeasurementLimits(max_anchors=20))
    with pytest.raises(BankError, match=message):
        add_model(bank, spec, outcomes_of(np.ones(N)), MeasurementLimits())


@pytest.mark.parametrize("n_models", [1, 2])
def test_one_or_two_known_models_are_enough(n_models):
    """
    A copy of the last one is recovered.
    """
    bank = fit_bank(raw_bank(MODELS[:n_models]))

    extended = extend(bank, bank.outcomes.correct_am[:, -1])

    p_nm = extended.forecaster.loo_p_nm
    assert np.abs(p_nm[:, -1] - p_nm[:, -2]).mean() < 0.05
    assert len(plan_measurement(bank, NEW, MeasurementLimits(max_anchors=12)).ids) == 12


def test_a_model_never_measured_has_no_influence():
    """
    The new model is predicted as without it; its own predictions stay unknown.
    """
    raw = raw_bank()
    holes_am = raw.outcomes.correct_am.copy()
    holes_am[:, 1] = np.nan
    with_hole = fit_bank(with_correct(raw, holes_am))
    without = fit_bank(raw).select_models(("tiny", "middle", "large"))
    without = replace(without, forecaster=fit_forecaster(without))
    given_a = at(np.arange(0, N, 3), raw.outcomes.correct_am[::3, 1])

    p_hole_nm, p_nm = (extend(each, given_a).forecaster.loo_p_nm for each in (with_hole, without))

    np.testing.assert_allclose(p_hole_nm[:, -1], p_nm[:, -1], atol=1e-3)
    assert np.isnan(p_hole_nm[:, 1]).all()
    assert len(plan_measurement(with_hole, NEW, MeasurementLimits(max_anchors=12)).ids) == 12


def test_a_model_of_few_outcomes_is_not_in_the_prior(bank):
    """
    The next new model is predicted as if the first were not in the bank.
    """
    first = extend(bank, at(np.arange(10), np.arange(10) % 2))
    second = NEW.model_copy(update={"id": "newer"})
    outcomes = outcomes_of(bank.outcomes.correct_am[:, 2])

    after, alone = (
        add_model(each, second, outcomes, MeasurementLimits()) for each in (first, bank)
    )

    np.testing.assert_array_equal(
        after.forecaster.loo_p_nm[:, -1], alone.forecaster.loo_p_nm[:, -1]
    )


def test_limits_keep_the_most_informative_outcomes(bank):
    """
    Twelve of 60 outcomes are selected; the others are dropped.
    """
    extended = extend(bank, at(np.arange(60)), max_anchors=12)

    assert (~np.isnan(extended.outcomes.correct_am[:, -1])).sum() == 12
    assert (~np.isnan(extended.outcomes.completion_tokens_am[:, -1])).sum() == 12
    assert not (~np.isnan(extended.outcomes.correct_am[60:, -1])).any()


def test_all_outcomes_of_a_plan_are_kept_with_its_limits(bank):
    """
    Measured on exactly the planned anchors.
    """
    limits = MeasurementLimits(max_anchors=15)
    planned = plan_measurement(bank, NEW, limits)
    indices = [bank.ids.index(anchor) for anchor in planned.ids]

    extended = add_model(bank, NEW, outcomes_of(at(indices)), limits)

    kept = np.flatnonzero(~np.isnan(extended.outcomes.correct_am[:, -1]))
    assert kept.tolist() == sorted(indices)


def test_the_expected_cost_is_tokens_times_prices(bank):
    """
    Anchor i has 10 (i + 1) prompt tokens at $1 a million, and 100 completion tokens at $2.
    """
    planned = plan_measurement(bank, NEW, MeasurementLimits(max_anchors=20))

    prompt_tokens = np.array([10 * (bank.ids.index(anchor) + 1) for anchor in planned.ids])
    np.testing.assert_allclose(planned.cost_usd_j, (prompt_tokens + 200) / 1e6, rtol=0.01)


def test_a_plan_stops_at_the_half_width(bank):
    """
    At the first anchor with a half-width within the limit.
    """
    every = plan_measurement(bank, NEW, MeasurementLimits(max_anchors=N))
    limit = float(every.half_width_j[29]) + 1e-9

    planned = plan_measurement(bank, NEW, MeasurementLimits(half_width=limit))

    assert len(every.ids) == len(set(every.ids)) == N
    assert planned.ids == every.ids[:30]
    assert (np.diff(every.half_width_j) < 0).all()


def test_a_plan_has_at_least_the_minimum(bank):
    """
    Ten anchors, even if the prior alone is within the half-width.
    """
    assert len(plan_measurement(bank, NEW, MeasurementLimits(half_width=0.99)).ids) == MIN_MEASURED


def test_a_plan_is_among_the_anchors_that_can_be_asked(bank):
    """
    Fifteen have a text, and ids that the bank does not know make no difference.
    """
    among = (*bank.ids[20:35], "another")

    planned = plan_measurement(bank, NEW, MeasurementLimits(max_anchors=N), among)

    assert set(planned.ids) == set(bank.ids[20:35])
    with pytest.raises(BankError, match=r"^9 anchors within the limits"):
        plan_measurement(bank, NEW, MeasurementLimits(max_anchors=N), bank.ids[:9])


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        pytest.param({"budget_usd": 1e-9}, "^0 anchors within the limits", id="buys none"),
        pytest.param({"budget_usd": 0.0015}, r"^\d anchors within the limits", id="buys a few"),
        pytest.param({"max_anchors": 9}, "^9 anchors within the limits", id="nine"),
    ],
)
def test_a_plan_of_too_few_anchors_is_refused(bank, limits, message):
    """
    Before any call is paid for.
    """
    with pytest.raises(BankError, match=message + " for 'new'; at least 10 are needed"):
        plan_measurement(bank, NEW, MeasurementLimits(**limits))


@settings(max_examples=15)
@given(budget_usd=st.floats(0.01, 0.2))
def test_a_plan_stays_within_its_budget(bank, budget_usd):
    """
    The sum of expected costs; the whole bank costs $.0966.
    """
    planned = plan_measurement(bank, NEW, MeasurementLimits(budget_usd=budget_usd))

    assert planned.cost_usd_j.sum() <= budget_usd
    assert (len(planned.ids) == N) == (budget_usd > 0.0966)


def test_no_plan_without_prompt_tokens(bank):
    """
    A model can be added to a bank without prompt tokens, but costs cannot be predicted.
    """
    gap_am = np.full_like(bank.outcomes.correct_am, np.nan)
    uncounted = replace(bank, outcomes=replace(bank.outcomes, prompt_tokens_am=gap_am))

    assert extend(uncounted, np.ones(N)).model_ids[-1] == "new"
    with pytest.raises(BankError, match="no model of the bank has prompt tokens"):
        plan_measurement(uncounted, NEW, MeasurementLimits(max_anchors=20))
