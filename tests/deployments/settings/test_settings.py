import pytest

from deployments.settings.active import ActiveSettings, parse_settings
from scope.errors import ConfigError
from scope.pool import ModelSpec

OPEN = {"access": {"anonymous": True}}
BANK = tuple(ModelSpec(id=name, usd_per_mtok_in=1.0, usd_per_mtok_out=2.0) for name in "abc")


def test_the_least_that_can_be_said_is_who_may_call():
    """
    All else has a default, but for facts about the world.
    """
    settings = parse_settings(OPEN)

    assert settings.policy.objective_settings == {"alpha": 0.6}
    assert settings.pool_of(BANK) == BANK


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param(None, "all of it: Input should be an object, got null", id="nothing"),
        pytest.param("x", "all of it: Input should be an object, got 'x'", id="text"),
        pytest.param({}, "access: Field required", id="nobody said who may call"),
        pytest.param({"access": {}}, "access: no API key; give keys", id="no key, and not open"),
        pytest.param(
            {"access": {"anonymous": True, "key_file": "k"}},
            "access: anonymous serves anyone",
            id="both",
        ),
        pytest.param(OPEN | {"polcy": {}}, "polcy: Extra inputs", id="typo"),
        pytest.param(OPEN | {"policy": {}}, "policy: give one of alpha", id="no aim"),
        pytest.param(
            OPEN | {"policy": {"alpha": 1, "min_quality": 1}},
            "got alpha and min_quality",
            id="two aims",
        ),
        pytest.param(
            OPEN | {"policy": {"alpha": -0.1}}, "policy.alpha: .* equal to 0, got -0.1", id="alpha"
        ),
        pytest.param(
            OPEN | {"limits": {"max_prompts": 0}}, "limits.max_prompts: .*, got 0", id="limit"
        ),
        pytest.param(
            OPEN | {"sessions": {"ttl_s": float("nan")}}, "sessions.ttl_s: .* finite", id="NaN"
        ),
        pytest.param(
            OPEN | {"models": [{"id": "a", "usd_per_mtok_in": 1}]},
            r"models\[0\].usd_per_mtok_out: Field required",
            id="no price",
        ),
    ],
)
def test_a_wrong_setting_is_named(config, message):
    """
    In one sentence, with its value and what is allowed.
    """
    with pytest.raises(ConfigError, match=message) as refused:
        parse_settings(config)

    assert "\n" not in str(refused.value)


def test_all_mistakes_are_named_at_once():
    """
    Nobody corrects a file line by line.
    """
    with pytest.raises(ConfigError, match=r"policy\.alpha.*; limits\.max_choices"):
        parse_settings(OPEN | {"policy": {"alpha": 2}, "limits": {"max_choices": 0}})


def test_a_key_in_place_of_its_digest_is_not_repeated():
    """
    The message goes to logs.
    """
    with pytest.raises(ConfigError, match=r"access.keys\[0\].sha256") as refused:
        parse_settings({"access": {"keys": [{"name": "ann", "sha256": "sk-secret"}]}})

    assert "sk-secret" not in str(refused.value)


def test_the_pool_is_a_part_of_the_bank_at_todays_prices():
    """
    In the order of the settings, which decides ties.
    """
    dearer = BANK[0].model_copy(update={"usd_per_mtok_in": 9.0})
    config = OPEN | {"pool": ["c", "a"], "models": [dearer.model_dump()]}

    assert parse_settings(config).pool_of(BANK) == (BANK[2], dearer)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({"pool": ["z"]}, "pool: z not in the bank, which has a, b, c", id="pool"),
        pytest.param({"pool": []}, "pool names no model", id="empty pool"),
        pytest.param({"pool": ["a", "a"]}, "pool names a model twice: a", id="repeated"),
        pytest.param(
            {"pool": ["a"], "default_model": "b"}, "default_model 'b' is not in", id="default"
        ),
        pytest.param(
            {"models": [BANK[0].model_copy(update={"id": "z"}).model_dump()]},
            "models: z not in the bank",
            id="price of a stranger",
        ),
    ],
)
def test_settings_that_do_not_fit_the_bank_are_refused(config, message):
    """
    Before any request meets them.
    """
    with pytest.raises(ConfigError, match=message):
        ActiveSettings.from_user_config(OPEN | config, BANK)
