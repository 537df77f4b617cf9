import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.arms import EFFORTS, Arm
from scope.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "arm"),
    [
        ("gpt-5", Arm("gpt-5")),
        ("gpt-5@3", Arm("gpt-5", None, 3)),
        ("gpt-5#low", Arm("gpt-5", "low")),
        ("openai/gpt-5#high@12", Arm("openai/gpt-5", "high", 12)),
        ("claude-sonnet@20240620", Arm("claude-sonnet@20240620")),
        ("model#beta", Arm("model#beta")),
        ("@2", Arm("@2")),
        ("two\nlines", Arm("two\nlines")),
    ],
    ids=repr,
)
def test_a_name_is_an_arm(name, arm):
    assert Arm.parse(name) == arm
    assert str(arm) == name


@given(
    st.from_regex(r"[a-z/.-]{1,12}", fullmatch=True),
    st.sampled_from([None, *EFFORTS]),
    st.integers(1, 99),
)
def test_every_arm_is_read_back_from_its_name(model, effort, n_samples):
    arm = Arm(model, effort, n_samples)
    assert Arm.parse(str(arm)) == arm


@pytest.mark.parametrize("name", ["gpt-5@1", "gpt-5@0", "gpt-5#low@1", "gpt-5@02"])
def test_one_sample_has_no_second_name(name):
    with pytest.raises(ConfigError, match="one sample is 'gpt-5"):
        Arm.parse(name)
