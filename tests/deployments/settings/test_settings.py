import pytest

from deployments.settings.active import ActiveSettings, parse_settings
from scope.errors import ConfigError
from scope.pool import ModelSpec

OPEN = {"access": {"anonymous": True}}
BANK = tuple(ModelSpec(id=name, usd_per_mtok_in=1.0, usd_per_mtok_out=2.0) for name in "abc")


def test_only_access_has_no_default():
    """
    Except facts such as prices, everything else has one.
    """
    settings = parse_settings(OPEN)

    assert settings.policy.objective_settings == {"alpha": 0.6}
    assert settings.pool_of(BANK) == BANK


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param(None, "the whole value: expected an object, got null", id="nothing"),
        pytest.param("x", "the whole value: expected an object, got 'x'", id="text"),
        pytest.param({}, "access: missing", id="no access"),
        pytest.param({"access": {}}, "access: no API key; give keys", id="no key, and not open"),
        pytest.param(
            {"access": {"anonymous": True, "key_file": "k"}},
            "access: anonymous serves every caller",
            id="both",
        ),
        pytest.param(OPEN | {"polcy": {}}, "polcy: unknown .* of access, policy", id="typo"),
        pytest.param(OPEN | {"policy": {}}, "policy: give one of alpha", id="no objective"),
        pytest.param(
            OPEN | {"policy": {"alpha": 1, "min_quality": 1}},
            "got alpha and min_quality",
            id="two objectives",
        ),
        pytest.param(
            OPEN | {"policy": {"alpha": -0.1}},
            "policy.alpha: .* at least 0, got -0.1",
            id="alpha",
        ),
        pytest.param(
            OPEN | {"limits": {"max_prompts": 0}}, "limits.max_prompts: .*, got 0", id="limit"
        ),
        pytest.param(
            OPEN | {"sessions": {"ttl_s": float("nan")}}, "sessions.ttl_s: .* finite", id="NaN"
        ),
        pytest.param(
            OPEN | {"models": [{"id": "a", "usd_per_mtok_in": 1}]},
            r"models\[0\].usd_per_mtok_out: missing",
            id="no price",
        ),
    ],
)
def test_an_invalid_setting_is_named(config, message):
    """
    In one sentence, with its value and the allowed values.
    """
    with pytest.raises(ConfigError, match=message) as refused:
        parse_settings(config)

    assert "\n" not in str(refused.value)


def test_all_errors_are_named_at_once():
    """
    In one message.
    """
    with pytest.raises(ConfigError, match=r"policy\.alpha.*; limits\.max_choices"):
        parse_settings(OPEN | {"policy": {"alpha": 2}, "limits": {"max_choices": 0}})


def test_a_key_in_place_of_its_digest_is_not_shown():
    """
    The message goes to logs.
    """
    with pytest.raises(ConfigError, match=r"access.keys\[0\].sha256") as refused:
        parse_settings({"access": {"keys": [{"name": "ann", "sha256": "sk-secret"}]}})

    assert "sk-secret" not in str(refused.value)


def test_the_pool_is_a_subset_of_the_bank_at_current_prices():
    """
    In the order of the settings, which decides ties.
    """
    repriced = BANK[0].model_copy(update={"usd_per_mtok_in": 9.0})
    config = OPEN | {"pool": ["c", "a"], "models": [repriced.model_dump()]}

    assert parse_settings(config).pool_of(BANK) == (BANK[2], repriced)


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
            id="price of an unknown model",
        ),
    ],
)
def test_settings_that_do_not_fit_the_bank_are_refused(config, message):
    """
    Before they are applied.
    """
    with pytest.raises(ConfigError, match=message):
        ActiveSettings.from_user_config(OPEN | config, BANK)


def test_the_digest_tells_settings_apart_and_holds_no_key():
    """
    The same settings written differently have one digest, another alpha has another; the digest
    of an API key does not enter it.
    """
    keys = [{"name": "ann", "sha256": 64 * digit} for digit in "ab"]
    one, other_key = (parse_settings({"access": {"keys": [key]}}) for key in keys)

    assert one.digest == other_key.digest
    assert parse_settings(OPEN).digest == parse_settings(OPEN | {"policy": {"alpha": 0.6}}).digest
    assert parse_settings(OPEN).digest != parse_settings(OPEN | {"policy": {"alpha": 0.7}}).digest
    assert len(one.digest) == 8


def test_a_budget_is_positive_or_none():
    """
    A budget of 0 would always be exceeded.
    """
    assert parse_settings(OPEN).spend.budget_usd_per_day is None
    with pytest.raises(ConfigError, match=r"spend.budget_usd_per_day: expected more than 0, got 0"):
        parse_settings(OPEN | {"spend": {"budget_usd_per_day": 0}})


@pytest.mark.parametrize("policy", ["auto", {"alpha": 0.6, "auto": True}], ids=["word", "field"])
def test_auto_is_the_default_alpha_where_routing_pays(policy):
    """
    The word alone, or beside an objective.
    """
    settings = parse_settings(OPEN | {"policy": policy})

    assert settings.policy.auto
    assert settings.policy.objective_settings == {"alpha": 0.6}
