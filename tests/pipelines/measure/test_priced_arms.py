"""What is called for an arm, and at which price."""

import pytest

from pipelines.measure import priced_arms
from scope.errors import ConfigError, UnknownPriceError
from scope.pool import ModelSpec, Resampling

SAMPLES = Resampling(
    concentration=2.0, odds=3.0, selector="reward", source="fitted", selector_usd_per_mtok=5.0
)
M = ModelSpec(
    id="m",
    usd_per_mtok_in=1.0,
    usd_per_mtok_out=2.0,
    usd_per_mtok_repeated_in=0.1,
    resampling=SAMPLES,
)


def priced(name, *known):
    (arm,) = priced_arms([name], {spec.id: spec for spec in (M, *known)}, "here")
    return arm


@pytest.mark.parametrize(
    ("name", "effort", "numbers", "usd_in"),
    [
        pytest.param("m", None, (None,), 1.0, id="a model"),
        pytest.param("m#high", "high", (None,), 1.0, id="an effort"),
        pytest.param("m@3", None, (0, 1, 2), 0.4, id="three samples, two prompts repeated"),
        pytest.param("m#low@2", "low", (0, 1), 0.55, id="both"),
    ],
)
def test_an_arm_is_called_and_billed_as_its_model(name, effort, numbers, usd_in):
    """
    A repeated prompt costs 0.1 in place of 1: (1 + 2 * 0.1) / 3 = 0.4 a token of three prompts.
    """
    arm = priced(name)

    assert (arm.spec.id, arm.spec.upstream_id, arm.arm.effort) == (name, "m", effort)
    assert arm.sample_numbers == numbers
    assert arm.spec.usd_per_mtok_in == pytest.approx(usd_in)


def test_no_selector_is_paid_for():
    """
    The majority decides: the price of the bank's reward model, 5 a token, is not added.
    """
    assert priced("m@3").spec.usd_per_mtok_out == 2.0


def test_a_price_of_the_arm_itself_goes_first():
    """
    Also for its samples; the model that is called stays the same.
    """
    high = ModelSpec(id="m#high", usd_per_mtok_in=7.0, usd_per_mtok_out=9.0)

    assert priced("m#high", high).spec.usd_per_mtok_in == 7.0
    assert priced("m#high@2", high).spec.usd_per_mtok_out == 9.0
    assert priced("m#high@2", high).spec.upstream_id == "m"
    assert priced("m#low", high).spec.usd_per_mtok_in == 1.0


def test_the_providers_name_of_the_model_is_called():
    """
    An arm may have a name of its own there.
    """
    model = M.model_copy(update={"id": "x", "upstream_id": "vendor/x"})
    high = model.model_copy(update={"id": "x#high", "upstream_id": "vendor/x-thinking"})

    assert priced("x@2", model).spec.upstream_id == "vendor/x"
    assert priced("x#low", model, high).spec.upstream_id == "vendor/x"
    assert priced("x#high@2", model, high).spec.upstream_id == "vendor/x-thinking"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        pytest.param("m@1", ConfigError, "one sample is 'm' itself", id="one sample"),
        pytest.param("m#ultra", ConfigError, "reasoning effort 'ultra' is unknown", id="effort"),
        pytest.param("other", UnknownPriceError, "model 'other' has no price in here", id="model"),
        pytest.param("other#low@3", UnknownPriceError, "model 'other' has no price", id="arm"),
    ],
)
def test_what_is_unknown_is_refused(name, error, message):
    """
    In one sentence that names the arm or its model.
    """
    with pytest.raises(error, match=message):
        priced(name)


def test_a_priced_name_with_another_mark_is_a_model():
    """
    Only the efforts of today's APIs are arms.
    """
    odd = ModelSpec(id="m#ultra", usd_per_mtok_in=1.0, usd_per_mtok_out=1.0)

    assert priced("m#ultra", odd).spec.upstream_id == "m#ultra"
