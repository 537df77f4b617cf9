"""Settings of upstreams: their checks, and what a change keeps."""

import pytest
from pydantic import ValidationError

from deployments.upstream.upstream_settings import UpstreamSettings
from deployments.upstream.upstreams import UpstreamRegistry
from scope.config import parse
from scope.errors import ConfigError, UnknownModelError
from scope.pool import ModelSpec

URL = "http://127.0.0.1:9/v1"
SMALL = ModelSpec(id="small", usd_per_mtok_in=1, usd_per_mtok_out=2, upstream_id="small-2026")


def upstreams(environ=None, **settings):
    registry = UpstreamRegistry()
    models = {name: UpstreamSettings(base_url=URL, **fields) for name, fields in settings.items()}
    registry.configure(models, {"small": SMALL}, environ or {})
    return registry


def test_every_missing_key_is_named():
    """
    With its variable and model, all in one error.
    """
    with pytest.raises(ConfigError, match=r"(?s)small: .*KEY_A.*large: .*KEY_B"):
        upstreams({"KEY_B": " "}, small={"key_variable": "KEY_A"}, large={"key_variable": "KEY_B"})


def test_a_key_with_a_line_break_is_refused_and_not_shown():
    """
    The message names the variable, never its value.
    """
    with pytest.raises(ConfigError) as raised:
        upstreams({"KEY": "sk-secret\n123"}, small={"key_variable": "KEY"})

    assert "KEY" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_key_is_in_no_repr():
    """
    And is redacted from texts.
    """
    small = upstreams({"KEY": "sk-secret"}, small={"key_variable": "KEY"})["small"]

    assert "sk-secret" not in repr(small)
    assert small.redact("no sk-secret here") == "no *** here"


@pytest.mark.parametrize(
    ("base_url", "message"),
    [
        pytest.param("ftp://host/v1", "http://", id="another scheme"),
        pytest.param("https://me:sk-1@host/v1", "variable", id="a key in the address"),
        pytest.param("https://host/v1?key=sk-1", "variable", id="a key in the query"),
    ],
)
def test_a_base_url_holds_only_an_address(base_url, message):
    """
    Secrets come from environment variables only.
    """
    with pytest.raises(ConfigError, match=message):
        parse(UpstreamSettings, {"base_url": base_url}, "user_config")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"api": "chat"}, "calls add /chat/completions"),
        ({"api": "messages"}, "calls add /messages"),
        ({"api": "responses"}, "api"),
    ],
)
def test_a_base_url_fits_the_api(fields, message):
    """
    The sentence names the path that follows the address.
    """
    fields = {**fields, "base_url": "https://host/v1/messages"}
    with pytest.raises(ConfigError, match=message):
        parse(UpstreamSettings, fields, "user_config")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"model": "their-name"}, "their-name", id="settings"),
        pytest.param({}, "small-2026", id="otherwise the pool"),
    ],
)
def test_the_upstream_has_its_own_name_of_the_model(fields, expected):
    """
    The settings take precedence over the pool's price list.
    """
    assert upstreams(small=fields)["small"].model == expected


def test_a_model_without_an_upstream_is_named():
    """
    With the models that have one.
    """
    with pytest.raises(UnknownModelError, match=r"unknown model 'large'.*small"):
        upstreams(small={})["large"]


def test_an_unchanged_upstream_keeps_its_state():
    """
    New prices, or a new time-out of another model, close no open circuit.
    """
    registry = upstreams(small={}, large={})
    small, large = registry["small"], registry["large"]
    settings = {
        "small": UpstreamSettings(base_url=URL),
        "large": UpstreamSettings(base_url=URL, timeout_s=1),
    }
    registry.configure(settings, {"small": SMALL.model_copy(update={"usd_per_mtok_in": 9.0})}, {})

    assert registry["small"] is small
    assert registry["large"] is not large
    assert registry.select(["small"])[0].price.usd_per_mtok_in == 9.0


def test_arms_share_the_upstream_of_their_model():
    """
    Unless one is configured for the arm; each has its own price, and its effort in the body.
    """
    high = ModelSpec(id="small#high", usd_per_mtok_in=3, usd_per_mtok_out=4)
    registry = UpstreamRegistry()
    settings = {
        "small": UpstreamSettings(base_url=URL),
        "large": UpstreamSettings(base_url=URL),
        "large#low": UpstreamSettings(base_url=URL, timeout_s=1),
    }
    registry.configure(settings, {"small": SMALL, "small#high": high}, {})
    names = ("small", "small#high", "small#high@3", "large#low@2", "unknown@2")

    small, effort, several, own = registry.select(names)

    assert small.upstream is effort.upstream is several.upstream is registry["small"]
    assert (own.upstream, own.upstream.model) == (registry["large#low"], "large")
    assert (effort.price, several.arm.n_samples) == (high, 3)
    assert small.body({"n": 1}) == {"n": 1}
    assert effort.body({"n": 1}) == {"n": 1, "reasoning_effort": "high"}


def test_an_arm_alone_in_the_pool_has_its_models_name_upstream():
    """
    The price list of the arm knows it.
    """
    registry = UpstreamRegistry()
    several = SMALL.model_copy(update={"id": "small@3"})
    registry.configure({"small": UpstreamSettings(base_url=URL)}, {"small@3": several}, {})

    assert registry["small"].model == "small-2026"


OPENAI = "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("pool", "usd"),
    [
        pytest.param({}, (2.5, 10, 1.25), id="no price: the list's"),
        pytest.param({"in": 5, "out": 20}, (5, 20, 2.5), id="cached tokens at the list's discount"),
        pytest.param({"in": 5, "out": 20, "cached_in": 4}, (5, 20, 4), id="the pool's own"),
    ],
)
def test_a_known_provider_completes_the_prices_of_the_pool(pool, usd):
    """
    GPT-4o costs $2.50 and $10 for a million tokens, and cached ones half.
    """
    prices = {f"usd_per_mtok_{name}": value for name, value in pool.items()}
    specs = {"gpt-4o": ModelSpec(id="gpt-4o", **prices)} if prices else {}
    registry = UpstreamRegistry()
    registry.configure({"gpt-4o": UpstreamSettings(base_url=OPENAI)}, specs, {})

    (arm,) = registry.select(["gpt-4o"])

    price = arm.price
    assert (price.usd_per_mtok_in, price.usd_per_mtok_out, price.usd_per_mtok_cached_in) == usd


def test_an_invalid_change_changes_nothing():
    """
    It is refused as a whole.
    """
    registry = upstreams(small={})
    with pytest.raises(ConfigError):
        registry.configure(
            {"small": UpstreamSettings(base_url=URL, key_variable="NOT_SET")}, {}, {}
        )

    assert registry["small"].settings.key_variable is None


def test_metrics_can_read_every_upstream():
    """
    The number of calls in flight and the state of the breaker.
    """
    states = {
        upstream.name: (upstream.in_flight, upstream.breaker.state)
        for upstream in upstreams(a={}, b={})
    }

    assert states == {"a": (0, "closed"), "b": (0, "closed")}


@pytest.mark.parametrize(
    ("name", "settings", "sent"),
    [
        pytest.param("o3#low", {}, {"max_completion_tokens": 9}, id="by the pool's name"),
        pytest.param("mine", {"model": "openai/o3"}, {"max_completion_tokens": 9}, id="upstream's"),
        pytest.param("mine", {}, {"max_tokens": 9, "temperature": 0}, id="unknown"),
        pytest.param(
            "o3", {"drop": ()}, {"max_completion_tokens": 9, "temperature": 0}, id="nothing dropped"
        ),
        pytest.param("o3", {"rename": {}}, {"max_tokens": 9}, id="nothing renamed"),
        pytest.param("mine", {"drop": ("temperature",)}, {"max_tokens": 9}, id="as set"),
    ],
)
def test_the_rules_of_parameters_are_those_set_else_those_known(name, settings, sent):
    """
    By the name of the model at the upstream, else in the pool.
    """
    registry = UpstreamRegistry()
    registry.configure({name: UpstreamSettings(base_url="http://127.0.0.1:1/v1", **settings)}, {})

    assert registry[name].rules.fit({"max_tokens": 9, "temperature": 0}) == sent


@pytest.mark.parametrize("rule", [{"drop": ("model",)}, {"rename": {"messages": "x"}}])
def test_a_rule_for_a_field_of_the_router_is_refused(rule):
    """
    The sentence names both.
    """
    with pytest.raises(ValidationError, match="is set by the router itself; leave it out"):
        UpstreamSettings(base_url="http://127.0.0.1:1/v1", **rule)
