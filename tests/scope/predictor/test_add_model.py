"""A model added to a bank that has learned, from a few of its outcomes."""

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
    """120 anchors on a line from easy to hard; better models fail later, all with some luck."""
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
    """Four models, learned from."""
    return fit_bank(raw_bank())


def asked(correct_a, *, tokens=100.0, prompt_tokens=50.0):
    """Outcomes of the new model; NaN where it was not asked."""
    correct_am = np.asarray(correct_a, dtype=float)[:, None]
    gap_am = np.where(np.isnan(correct_am), np.nan, 0.0)
    return Outcomes(("new",), correct_am, gap_am + prompt_tokens, gap_am + tokens)


def at(places, values=1.0):
    """Outcomes at some of the anchors, NaN at the others."""
    correct_a = np.full(N, np.nan)
    correct_a[places] = values
    return correct_a


def grow(bank, correct_a, **limits):
    return add_model(bank, NEW, asked(correct_a), MeasurementLimits(**limits))


def unseen(n=40):
    """Questions between the anchors and off their line."""
    rng = np.random.default_rng(1)
    features_qf = np.zeros((n, len(FEATURES)))
    features_qf[:, 0] = rng.integers(10, 1000, n)
    return unit(rng.standard_normal((n, 4))), features_qf, np.full(n, -1)


@pytest.mark.parametrize("copied", [0, 3], ids=["the weakest", "the strongest"])
def test_a_copy_is_recovered_from_its_outcomes(bank, copied):
    """
    From all 120: on anchors and on new questions within a few points of the original.
    """
    grown = grow(bank, bank.outcomes.correct_am[:, copied])

    learned, p_nm = grown.forecaster, grown.forecaster.loo_p_nm
    p_qm = learned.predict(*unseen()).p_correct_qm
    assert learned.correct.mean_m[-1] == pytest.approx(learned.correct.mean_m[copied], abs=0.05)
    assert np.abs(p_nm[:, -1] - p_nm[:, copied]).mean() < 0.05
    assert np.abs(p_qm[:, -1] - p_qm[:, copied]).mean() < 0.05


def test_the_fewest_outcomes_leave_the_shape_as_it_is_known(bank):
    """
    Ten coin flips, from easy to hard: still the order of the average model, .95 alike.
    """
    grown = grow(bank, at(np.arange(5, 120, 12), np.arange(10) % 2))

    p_nm = grown.forecaster.loo_p_nm
    average_n = p_nm[:, :-1].mean(axis=1)
    assert np.corrcoef(p_nm[:, -1], average_n)[0, 1] > 0.95


def test_the_known_models_stay_as_they_were(bank):
    """
    Nothing of theirs is fitted again: each stored number is the same, to the last bit.
    """
    grown = grow(bank, bank.outcomes.correct_am[:, 1])

    back = grown.select_models(bank.model_ids)
    for name in ("loo_p_nm", "loo_log_length_nm", "smearing_um"):
        np.testing.assert_array_equal(
            getattr(back.forecaster, name), getattr(bank.forecaster, name)
        )
    for name in ("mean_m", "weight_nm", "category_cm"):
        for head in ("correct", "length"):
            np.testing.assert_array_equal(
                getattr(getattr(back.forecaster, head), name),
                getattr(getattr(bank.forecaster, head), name),
            )
    np.testing.assert_array_equal(back.outcomes.correct_am, bank.outcomes.correct_am)
    np.testing.assert_array_equal(back.reference.p_correct_qm, bank.reference.p_correct_qm)


def test_what_is_foretold_of_known_models_does_not_change(bank):
    """
    New questions: but for the last digit of a product of another shape.
    """
    grown = grow(bank, bank.outcomes.correct_am[:, 1])

    before, after = (each.forecaster.predict(*unseen()) for each in (bank, grown))

    np.testing.assert_allclose(after.p_correct_qm[:, :-1], before.p_correct_qm, rtol=1e-12)
    np.testing.assert_allclose(after.tokens_uqm[:, :, :-1], before.tokens_uqm, rtol=1e-12)
    np.testing.assert_array_equal(after.in_distribution_q, before.in_distribution_q)


def test_a_grown_bank_comes_back_from_disk(bank, tmp_path):
    """
    What it says of anchors to the last bit, of new questions as half precision allows.
    """
    grown = grow(bank, bank.outcomes.correct_am[:, 1])

    save_bank(grown, tmp_path / "bank", created_at="2026-01-01", sources=())
    back = load_bank(tmp_path / "bank")

    assert back.model_ids == ("tiny", "small", "middle", "large", "new")
    assert back.models[-1] == NEW
    for name in ("loo_p_nm", "loo_log_length_nm"):
        np.testing.assert_array_equal(
            getattr(back.forecaster, name), getattr(grown.forecaster, name)
        )
    np.testing.assert_allclose(
        back.forecaster.predict(*unseen()).p_correct_qm,
        grown.forecaster.predict(*unseen()).p_correct_qm,
        atol=5e-3,
    )
    np.testing.assert_array_equal(back.outcomes.correct_am, grown.outcomes.correct_am)


def test_a_pool_may_hold_the_new_model(bank):
    """
    In any order, beside any of the known ones.
    """
    grown = grow(bank, bank.outcomes.correct_am[:, 1])

    pool = grown.select_models(("new", "small"))

    np.testing.assert_array_equal(pool.forecaster.loo_p_nm, grown.forecaster.loo_p_nm[:, [4, 1]])
    np.testing.assert_array_equal(
        pool.reference.p_correct_qm, grown.reference.p_correct_qm[:, [4, 1]]
    )


def test_a_reasoner_says_nothing_of_the_new_model(bank):
    """
    It was never asked about it; of the others it says what it did.
    """
    known = replace(bank, reasoner=CalibratedReasoner(SPEC, blend_of(4, weight=0.5)))

    grown = grow(known, bank.outcomes.correct_am[:, 1])

    assert grown.reasoner.spec == SPEC
    assert grown.reasoner.blend.informative_m.tolist() == [True] * 4 + [False]
    assert grow(bank, bank.outcomes.correct_am[:, 1]).reasoner is None


def test_learning_anew_drops_what_a_reasoner_had_earned(bank):
    """
    It was earned beside other forecasts.
    """
    known = replace(bank, reasoner=CalibratedReasoner(SPEC, blend_of(4, weight=0.5)))

    assert fit_bank(known).reasoner is None


@settings(max_examples=15)
@given(place=st.integers(0, 29))
def test_an_outcome_has_no_say_in_its_own_anchor(bank, place):
    """
    Flipped, it moves what is said of other anchors, and not of its own.
    """
    measured = np.arange(0, N, 4)
    given_a = at(measured, bank.outcomes.correct_am[measured, 2])
    flipped_a = given_a.copy()
    flipped_a[measured[place]] = 1 - flipped_a[measured[place]]

    before_n, after_n = (
        grow(bank, correct_a).forecaster.loo_p_nm[:, -1] for correct_a in (given_a, flipped_a)
    )

    assert after_n[measured[place]] == pytest.approx(before_n[measured[place]], abs=1e-9)
    assert np.abs(after_n - before_n).max() > 1e-3


@pytest.mark.parametrize("value", [0.0, 1.0], ids=["all wrong", "all right"])
def test_no_forecast_is_certain(bank, value):
    """
    Whatever it did on all 120, p stays within [.01, .99], and on the right side.
    """
    grown = grow(bank, np.full(N, value))

    p_q = grown.forecaster.predict(*unseen()).p_correct_qm[:, -1]
    p = np.r_[p_q, grown.forecaster.loo_p_nm[:, -1]]
    half_step = 2**-12  # of half precision, just below 1
    assert p.min() >= 0.01 - half_step
    assert p.max() <= 0.99 + half_step
    assert np.abs(p - value).mean() < 0.1


def test_a_wordy_model_is_foretold_to_be_wordy(bank):
    """
    Three times the tokens of the others, 300, on 40 anchors.
    """
    grown = add_model(bank, NEW, asked(at(np.arange(0, N, 3)), tokens=300.0), MeasurementLimits())

    tokens_uqm = grown.forecaster.predict(*unseen()).tokens_uqm
    low_q, high_q = tokens_uqm[1, :, -1], tokens_uqm[2, :, -1]
    np.testing.assert_allclose(tokens_uqm[0, :, 0], 100, rtol=0.01)
    np.testing.assert_allclose(tokens_uqm[0, :, -1], 300, rtol=0.05)
    assert (low_q <= tokens_uqm[0, :, -1]).all()
    assert (high_q >= tokens_uqm[0, :, -1]).all()


def test_expected_tokens_are_a_mean_not_a_typical_count(bank):
    """
    1 token or 999 in turn: 500 are expected, though the mean of the logs is that of 44.
    """
    tokens_am = np.where(np.arange(N) % 2, 1.0, 999.0)[:, None]
    outcomes = replace(asked(np.ones(N)), completion_tokens_am=tokens_am)

    grown = add_model(bank, NEW, outcomes, MeasurementLimits())

    expected_q = grown.forecaster.predict(*unseen()).tokens_uqm[0, :, -1]
    np.testing.assert_allclose(expected_q, 500, rtol=0.15)


@pytest.mark.parametrize("number", ["correct_am", "prompt_tokens_am", "completion_tokens_am"])
def test_an_anchor_with_a_hole_is_as_if_never_asked(bank, number):
    """
    One of three numbers missing: neither used nor kept.
    """
    whole = asked(at(np.arange(30), np.arange(30) % 2))
    values_am = getattr(whole, number).copy()
    values_am[20:] = np.nan

    holes = add_model(bank, NEW, replace(whole, **{number: values_am}), MeasurementLimits())

    never = grow(bank, at(np.arange(20), np.arange(20) % 2))
    np.testing.assert_array_equal(holes.outcomes.correct_am, never.outcomes.correct_am)
    np.testing.assert_array_equal(holes.forecaster.loo_p_nm, never.forecaster.loo_p_nm)


@pytest.mark.parametrize(
    ("correct_a", "limits", "message"),
    [
        pytest.param(at(range(9)), {}, "^9 anchors with outcome.*at least 10", id="nine outcomes"),
        pytest.param(at([]), {}, "^0 anchors with outcome, prompt and compl", id="no outcome"),
        pytest.param(at(range(30)), {"max_anchors": 5}, "^5 anchors within the limits", id="five"),
        pytest.param(at(range(30)), {"budget_usd": 1e-9}, "^0 anchors within", id="no money"),
    ],
)
def test_too_few_outcomes_are_refused(bank, correct_a, limits, message):
    """
    The sentence says how many there are and how many it takes.
    """
    with pytest.raises(BankError, match=message):
        grow(bank, correct_a, **limits)


@pytest.mark.parametrize("tokens", ["tokens", "prompt_tokens"])
def test_outcomes_without_token_counts_are_refused(bank, tokens):
    """
    Without them no cost could be foretold.
    """
    outcomes = asked(np.ones(N), **{tokens: np.nan})

    with pytest.raises(BankError, match=r"^0 anchors with outcome, prompt and completion tokens"):
        add_model(bank, NEW, outcomes, MeasurementLimits())


@pytest.mark.parametrize("spec", [SMALL, NEW], ids=["in the bank", "bank not learned"])
def test_what_cannot_be_planned_cannot_be_added(bank, spec):
    """
    A model that is there already; a bank that has learned nothing.
    """
    bank = bank if spec is SMALL else replace(bank, forecaster=None)
    message = "'small' is in the bank already" if spec is SMALL else "run `scope bank fit`"

    with pytest.raises(BankError, match=message):
        plan_measurement(bank, spec, MeasurementLimits(max_anchors=20))
    with pytest.raises(BankError, match=message):
        add_model(bank, spec, asked(np.ones(N)), MeasurementLimits())


@pytest.mark.parametrize("n_models", [1, 2])
def test_a_small_pool_will_do(n_models):
    """
    One or two known models: the copy of the last is found.
    """
    bank = fit_bank(raw_bank(MODELS[:n_models]))

    grown = grow(bank, bank.outcomes.correct_am[:, -1])

    p_nm = grown.forecaster.loo_p_nm
    assert np.abs(p_nm[:, -1] - p_nm[:, -2]).mean() < 0.05
    assert len(plan_measurement(bank, NEW, MeasurementLimits(max_anchors=12)).ids) == 12


def test_a_model_never_measured_has_no_say():
    """
    Beside it the newcomer is placed as without it; its own forecasts stay unknown.
    """
    raw = raw_bank()
    holes_am = raw.outcomes.correct_am.copy()
    holes_am[:, 1] = np.nan
    with_hole = fit_bank(with_correct(raw, holes_am))
    without = fit_bank(raw).select_models(("tiny", "middle", "large"))
    without = replace(without, forecaster=fit_forecaster(without))
    given_a = at(np.arange(0, N, 3), raw.outcomes.correct_am[::3, 1])

    p_hole_nm, p_nm = (grow(each, given_a).forecaster.loo_p_nm for each in (with_hole, without))

    np.testing.assert_allclose(p_hole_nm[:, -1], p_nm[:, -1], atol=1e-3)
    assert np.isnan(p_hole_nm[:, 1]).all()
    assert len(plan_measurement(with_hole, NEW, MeasurementLimits(max_anchors=12)).ids) == 12


def test_a_newcomer_of_few_outcomes_teaches_nothing(bank):
    """
    The next is placed as if the first, known from ten coin flips, were not there.
    """
    first = grow(bank, at(np.arange(10), np.arange(10) % 2))
    second = NEW.model_copy(update={"id": "newer"})
    outcomes = asked(bank.outcomes.correct_am[:, 2])

    after, alone = (
        add_model(each, second, outcomes, MeasurementLimits()) for each in (first, bank)
    )

    np.testing.assert_array_equal(
        after.forecaster.loo_p_nm[:, -1], alone.forecaster.loo_p_nm[:, -1]
    )


def test_limits_keep_the_most_telling_outcomes(bank):
    """
    Of 60 outcomes the twelve that would have been chosen among them; the others are not kept.
    """
    grown = grow(bank, at(np.arange(60)), max_anchors=12)

    assert (~np.isnan(grown.outcomes.correct_am[:, -1])).sum() == 12
    assert (~np.isnan(grown.outcomes.completion_tokens_am[:, -1])).sum() == 12
    assert not (~np.isnan(grown.outcomes.correct_am[60:, -1])).any()


def test_outcomes_of_a_plan_are_all_kept_under_its_limits(bank):
    """
    Asked what was planned and nothing else.
    """
    limits = MeasurementLimits(max_anchors=15)
    planned = plan_measurement(bank, NEW, limits)
    places = [bank.ids.index(anchor) for anchor in planned.ids]

    grown = add_model(bank, NEW, asked(at(places)), limits)

    kept = np.flatnonzero(~np.isnan(grown.outcomes.correct_am[:, -1]))
    assert kept.tolist() == sorted(places)


def test_the_bill_is_tokens_times_prices(bank):
    """
    Anchor i has 10 (i + 1) prompt tokens at $1 a million, and 100 completion tokens at $2.
    """
    planned = plan_measurement(bank, NEW, MeasurementLimits(max_anchors=20))

    prompt_tokens = np.array([10 * (bank.ids.index(anchor) + 1) for anchor in planned.ids])
    np.testing.assert_allclose(planned.cost_usd_j, (prompt_tokens + 200) / 1e6, rtol=0.01)


def test_a_plan_stops_where_p_is_known_well_enough(bank):
    """
    At the first width within the wish.
    """
    every = plan_measurement(bank, NEW, MeasurementLimits(max_anchors=N))
    wish = float(every.half_width_j[29]) + 1e-9

    planned = plan_measurement(bank, NEW, MeasurementLimits(half_width=wish))

    assert len(every.ids) == len(set(every.ids)) == N
    assert planned.ids == every.ids[:30]
    assert (np.diff(every.half_width_j) < 0).all()


def test_no_plan_is_too_small_to_use(bank):
    """
    A wish that the known models alone fulfil still asks ten anchors.
    """
    assert len(plan_measurement(bank, NEW, MeasurementLimits(half_width=0.99)).ids) == MIN_MEASURED


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        pytest.param({"budget_usd": 1e-9}, "^0 anchors within the limits", id="buys none"),
        pytest.param({"budget_usd": 0.0015}, r"^\d anchors within the limits", id="buys a few"),
        pytest.param({"max_anchors": 9}, "^9 anchors within the limits", id="nine"),
    ],
)
def test_a_plan_nobody_could_use_is_refused(bank, limits, message):
    """
    Before money is spent on it.
    """
    with pytest.raises(BankError, match=message + " for 'new'; at least 10 are needed"):
        plan_measurement(bank, NEW, MeasurementLimits(**limits))


@settings(max_examples=15)
@given(budget_usd=st.floats(0.01, 0.2))
def test_a_plan_keeps_to_its_budget(bank, budget_usd):
    """
    Expected prices together; the whole bank costs $.0966.
    """
    planned = plan_measurement(bank, NEW, MeasurementLimits(budget_usd=budget_usd))

    assert planned.cost_usd_j.sum() <= budget_usd
    assert (len(planned.ids) == N) == (budget_usd > 0.0966)


def test_no_bill_without_prompt_tokens(bank):
    """
    A bank that counted none can be added to, but what asking will cost is unknown.
    """
    gap_am = np.full_like(bank.outcomes.correct_am, np.nan)
    uncounted = replace(bank, outcomes=replace(bank.outcomes, prompt_tokens_am=gap_am))

    assert grow(uncounted, np.ones(N)).model_ids[-1] == "new"
    with pytest.raises(BankError, match="no model of the bank has prompt tokens"):
        plan_measurement(uncounted, NEW, MeasurementLimits(max_anchors=20))
