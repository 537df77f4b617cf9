"""Settings of upstreams: what is refused, and what a change leaves alone."""

import pytest

from deployments.upstream.upstreams import UpstreamRegistry, UpstreamSettings
from scope.config import parse
from scope.errors import ConfigError, UnknownModelError
from scope.pool import ModelSpec

URL = "http://127.0.0.1:9/v1"
SMALL = ModelSpec(id="small", usd_per_mtok_in=1, usd_per_mtok_out=2, upstream_id="small-2026")


def upstreams(environ=None, **settings):
    made = UpstreamRegistry()
    told = {name: UpstreamSettings(base_url=URL, **fields) for name, fields in settings.items()}
    made.configure(told, {"small": SMALL}, environ or {})
    return made


def test_every_missing_key_is_named():
    """
    By variable and model, all at once, and before the first request.
    """
    with pytest.raises(ConfigError, match=r"(?s)small: .*KEY_A.*large: .*KEY_B"):
        upstreams({"KEY_B": " "}, small={"key_variable": "KEY_A"}, large={"key_variable": "KEY_B"})


def test_a_key_no_header_may_carry_is_refused_unseen():
    """
    The message names the variable, never its value.
    """
    with pytest.raises(ConfigError) as refused:
        upstreams({"KEY": "sk-secret\n123"}, small={"key_variable": "KEY"})

    assert "KEY" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_key_is_in_no_repr():
    """
    Nor in what the upstream is told to say.
    """
    small = upstreams({"KEY": "sk-secret"}, small={"key_variable": "KEY"})["small"]

    assert "sk-secret" not in repr(small)
    assert small.redact("no sk-secret here") == "no *** here"


@pytest.mark.parametrize(
    ("base_url", "said"),
    [
        pytest.param("ftp://host/v1", "http://", id="another scheme"),
        pytest.param("https://me:sk-1@host/v1", "variable", id="a key in the address"),
        pytest.param("https://host/v1?key=sk-1", "variable", id="a key in the query"),
    ],
)
def test_only_an_address_is_an_address(base_url, said):
    """
    Secrets come from environment variables alone.
    """
    with pytest.raises(ConfigError, match=said):
        parse(UpstreamSettings, {"base_url": base_url}, "user_config")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"model": "asked-for"}, "asked-for", id="as the settings say"),
        pytest.param({}, "small-2026", id="else as the pool says"),
    ],
)
def test_the_upstream_knows_the_model_by_its_own_name(fields, expected):
    """
    Settings win over the pool's price list.
    """
    assert upstreams(small=fields)["small"].model == expected


def test_a_model_without_an_upstream_is_named():
    """
    With the ones that have one.
    """
    with pytest.raises(UnknownModelError, match=r"unknown model 'large'.*small"):
        upstreams(small={})["large"]


def test_what_stays_as_it_is_keeps_its_state():
    """
    New prices or another model's new timeout close no open circuit.
    """
    made = upstreams(small={}, large={})
    small, large = made["small"], made["large"]
    told = {
        "small": UpstreamSettings(base_url=URL),
        "large": UpstreamSettings(base_url=URL, timeout_s=1),
    }
    made.configure(told, {"small": SMALL.model_copy(update={"usd_per_mtok_in": 9.0})}, {})

    assert made["small"] is small
    assert made["large"] is not large
    assert small.price.usd_per_mtok_in == 9.0


def test_an_invalid_change_changes_nothing():
    """
    It is refused whole.
    """
    made = upstreams(small={})
    with pytest.raises(ConfigError):
        made.configure({"small": UpstreamSettings(base_url=URL, key_variable="NOT_SET")}, {}, {})

    assert made["small"].settings.key_variable is None


def test_metrics_can_read_every_upstream():
    """
    How many calls are under way, and whether it is left alone.
    """
    told = {each.name: (each.in_flight, each.breaker.state) for each in upstreams(a={}, b={})}

    assert told == {"a": (0, "closed"), "b": (0, "closed")}
