"""Several samples of a model as a column of its own."""

import numpy as np
import pytest

from scope.arms import (
    ArmColumns,
    arm_spec,
    assumed_arms,
    reprice,
    sampled_spec,
    select_arms,
    spec_of_one_call,
)
from scope.errors import ConfigError, UnknownModelError, UnknownPriceError
from scope.pool import ModelSpec, PriceTier, Resampling
from scope.predictions import Estimates, IntervalEstimate
from scope.prices import PriceFile

FITTED = Resampling(concentration=2.0, odds=3.0, selector="majority", source="fitted")
SMALL = ModelSpec(id="small", usd_per_mtok_in=1.0, usd_per_mtok_out=2.0, resampling=FITTED)
LARGE = ModelSpec(id="large", usd_per_mtok_in=10.0, usd_per_mtok_out=20.0)


def estimates_of(p_m):
    """One question: 100 prompt tokens, 50 (40 to 80) completion tokens; USD as SMALL, LARGE."""
    p = np.array([p_m])
    prompt = np.full(p.shape, 100.0)
    tokens = [np.full(p.shape, n) for n in (50.0, 40.0, 80.0)]
    usd_in, usd_out = np.array([1e-6, 1e-5]), np.array([2e-6, 2e-5])
    costs = [prompt * usd_in + n * usd_out for n in tokens]
    return Estimates(
        IntervalEstimate(p, p - 0.1, p + 0.1),
        prompt,
        IntervalEstimate(*tokens),
        IntervalEstimate(*costs),
        np.ones(p.shape),
    )


def resolve(*wanted, known=(SMALL, LARGE)):
    return ArmColumns.resolve(wanted, known, "the bank")


def test_five_samples_have_the_published_probability():
    """
    p = .3 and .5, kappa 2, AUC .75, n = 5: .425 and .639 (BEST-Route's Beta-Binomial).
    """
    p_qm = np.array([[0.3, 0.9], [0.5, 0.9]])

    got = resolve("small@5", "large").p_correct(p_qm)

    np.testing.assert_allclose(got, [[0.425, 0.9], [0.639, 0.9]], atol=5e-4)


def test_all_samples_are_paid():
    """
    3 x (100 x $1 + 50 x $2) a million are $600; the ends of the interval alike.
    """
    got = resolve("small@3").estimates(estimates_of([0.5, 0.9]))

    assert got.prompt_tokens_qm.tolist() == [[300.0]]
    assert [value_qm.tolist() for value_qm in got.completion_tokens] == [
        [[150.0]],
        [[120.0]],
        [[240.0]],
    ]
    np.testing.assert_allclose(np.ravel(got.cost_usd), [600e-6, 540e-6, 780e-6])


def test_the_other_columns_stay_as_they_are():
    """
    To the last bit, in the order of the pool.
    """
    known = estimates_of([0.5, 0.9])

    got = resolve("large", "small@2", "small").estimates(known)

    for here_qm, there_qm in zip(got.stack(), known.stack(), strict=True):
        assert here_qm[0, 0] == there_qm[0, 1]
        assert here_qm[0, 2] == there_qm[0, 0]


def test_an_arm_with_outcomes_of_its_own_is_not_derived():
    """
    What was measured is better than a formula.
    """
    measured = ModelSpec(id="small@3", usd_per_mtok_in=1.0, usd_per_mtok_out=2.0)

    arms = resolve("small@3", "small@5", known=(SMALL, measured))

    assert (arms.columns, arms.n_samples) == ([1, 0], (1, 5))
    assert arms.derived == (1,)


def test_samples_of_an_effort_are_derived_from_that_effort():
    """
    Not from the model without it.
    """
    high = SMALL.model_copy(update={"id": "small#high"})

    assert resolve("small#high@4", known=(SMALL, high)).columns == [1]


@pytest.mark.parametrize(
    ("cached", "usd_in"),
    [
        pytest.param(None, 1.0, id="the prompt is paid n times"),
        pytest.param(0.0, 0.25, id="the prompt is paid once"),
        pytest.param(0.1, 0.325, id="a repeated prompt costs a tenth"),
    ],
)
def test_a_repeated_prompt_has_its_own_price(cached, usd_in):
    """
    Four samples read 4 x the prompt: (1 + 3 c) / 4 a token.
    """
    spec = sampled_spec(SMALL.model_copy(update={"usd_per_mtok_repeated_in": cached}), 4)

    assert (spec.id, spec.usd_per_mtok_out) == ("small@4", 2.0)
    assert spec.usd_per_mtok_in == pytest.approx(usd_in)


def test_a_selector_with_a_price_reads_every_token():
    """
    Prompt and answer of each sample.
    """
    priced = FITTED.model_copy(update={"selector_usd_per_mtok": 0.5})

    spec = sampled_spec(SMALL.model_copy(update={"resampling": priced}), 2)

    assert (spec.usd_per_mtok_in, spec.usd_per_mtok_out) == (1.5, 2.5)


def test_each_sample_has_the_tier_of_its_own_prompt():
    """
    Three samples of 150,000 tokens are 450,000 together, and none of them is above 200,000.
    """
    tier = PriceTier(above_prompt_tokens=200_000, usd_per_mtok_in=10, usd_per_mtok_out=10)
    one = SMALL.model_copy(update={"usd_per_mtok_cached_in": 0.1, "tiers": (tier,)})

    spec = sampled_spec(one, 3)

    assert spec.cost_usd(np.array([450_000.0, 600_003.0]), np.zeros(2)) == pytest.approx(
        [0.45, 6.00003]
    )
    assert spec.usd_per_mtok_cached_in == 0.1
    assert spec_of_one_call(spec).tiers == (tier,)


@pytest.mark.parametrize("name", ["m", "m#low", "m@3", "m#low@3"])
def test_an_arm_whose_model_was_left_out_of_a_file_is_an_error(name):
    """
    What is wrong with its entry is said, not that there is none.
    """
    prices = PriceFile({}, {"m": "prices.json: price of 'm' is negative"})

    with pytest.raises(ConfigError, match="price of 'm' is negative"):
        select_arms(prices, (name,), "prices.json")


def test_an_odd_entry_of_the_model_does_not_matter_to_an_arm_with_its_own():
    """
    ``small#low`` has a price; ``small`` is not asked for.
    """
    low = SMALL.model_copy(update={"id": "small#low"})
    prices = PriceFile({"small#low": low}, {"small": "prices.json: price of 'small' is negative"})

    assert select_arms(prices, ("small#low",), "prices.json") == (low,)


def test_samples_that_were_never_fitted_are_refused():
    """
    One sentence, which names both ways out.
    """
    with pytest.raises(ConfigError) as error:
        resolve("large@5")

    assert str(error.value) == (
        "arm 'large@5': the bank cannot tell what 5 samples of large are worth; fit the bank to "
        "graded samples with `scope bank fit-samples --samples FILE`, or assume a cautious prior "
        "with `scope bank fit-samples --assume`"
    )


@pytest.mark.parametrize("name", ["other@5", "small#low", "small#low@5"])
def test_an_arm_of_something_unknown_is_unknown(name):
    """
    An effort is never derived: it changes the model.
    """
    with pytest.raises(UnknownModelError, match=name):
        resolve(name)


def test_new_prices_keep_what_is_known_of_samples():
    """
    A price file knows nothing of it; an arm without a price of its own has that of its model.
    """
    dear = ModelSpec(id="small", usd_per_mtok_in=4.0, usd_per_mtok_out=8.0)
    arms = resolve("small", "small@2").models

    one, two = reprice(arms, {"small": dear}, "prices.json")

    assert (one.usd_per_mtok_in, two.usd_per_mtok_out) == (4.0, 8.0)
    assert one.resampling == two.resampling == FITTED
    assert two.id == "small@2"
    with pytest.raises(UnknownPriceError, match="large"):
        reprice((LARGE,), {"small": dear}, "prices.json")


def test_a_known_arm_has_its_own_price():
    """
    Else that of its model; None if that is unknown, too.
    """
    own = LARGE.model_copy(update={"id": "small@2"})

    assert arm_spec("small@2", {"small": SMALL, "small@2": own}) == own
    assert arm_spec("small@3", {"small": SMALL}).id == "small@3"
    assert arm_spec("large@3", {"small": SMALL}) is None


def test_only_several_samples_under_a_prior_are_assumed():
    """
    One sample of the same model is not.
    """
    prior = SMALL.model_copy(update={"resampling": FITTED.model_copy(update={"source": "assumed"})})

    assert assumed_arms(resolve("small", "small@2", known=(prior,)).models) == ("small@2",)
    assert assumed_arms(resolve("small", "small@2").models) == ()


@pytest.mark.parametrize(
    ("name", "usd_out"),
    [
        pytest.param("small#high", 2.0, id="an effort has the price of its model"),
        pytest.param("small#high@3", 2.0, id="its samples, too"),
        pytest.param("large#low", 30.0, id="unless it has its own"),
        pytest.param("large#low@2", 30.0, id="which its samples share"),
    ],
)
def test_the_longest_known_part_of_a_name_has_the_price(name, usd_out):
    """
    As itself, with one sample, as the model.
    """
    low = LARGE.model_copy(update={"id": "large#low", "usd_per_mtok_out": 30.0})
    prices = {"small": SMALL, "large": LARGE, "large#low": low}

    (spec,) = select_arms(prices, (name,), "prices.json")

    assert (spec.id, spec.usd_per_mtok_out) == (name, usd_out)


def test_an_arm_without_any_price_is_refused():
    """
    An unknown price is not free.
    """
    with pytest.raises(UnknownPriceError, match="other@3"):
        select_arms({"small": SMALL}, ("other@3",), "prices.json")
