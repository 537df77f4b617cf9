import pytest

from deployments.operate.status_reader import api_key as status_key
from deployments.upstream.upstreams import UpstreamRegistry, UpstreamSettings
from pipelines.commands.endpoint_options import api_key
from scope.errors import ConfigError
from scope.upstream.addresses import address_problem, is_variable_name

KEYS = [
    "sk-or-v1-" + "0a" * 20,
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "0123456789abcdef0123456789abcdef",
    "a1b2c3d4e5f60718293a4b5c6d7e8f90",
    "gsk_Qm4xTzWbLkRnVfJhPdYsGcAe",
    "hunter2 and more",
    "correcthorsebatterystaple",
]


@pytest.mark.parametrize(
    "ending",
    ["/chat/completions", "/chat/completions/", "/completions", "/responses", "/messages"],
)
def test_an_address_with_the_path_of_an_endpoint_is_refused(ending):
    """
    Calls would go to /chat/completions/chat/completions, and every one would be a 404.
    """
    problem = address_problem(f"https://openrouter.ai/api/v1{ending}")

    assert (
        problem == f"ends in {ending.rstrip('/')}; leave that out, as calls add /chat/completions"
    )


def test_the_path_that_calls_add_is_that_of_the_api():
    """
    Of the upstream whose address it is.
    """
    problem = address_problem("https://api.anthropic.com/v1/messages", "/messages")

    assert problem == "ends in /messages; leave that out, as calls add /messages"


@pytest.mark.parametrize(
    "address",
    [
        "https://openrouter.ai/api/v1",
        "http://127.0.0.1:8000/v1/",
        "http://[::1]:8000/v1",
        "https://messages.example/v1",
    ],
)
def test_an_address_is_accepted(address):
    """
    With a port or a slash at the end, too.
    """
    assert address_problem(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "api.example/v1",
        "https://sk-key@api.example/v1",
        "https://api.example/v1?key=sk-key",
        "https://api.example/v1#x",
        "https:///v1",
        "http://localhost:99999/v1",
        "https://api.example/v 1",
    ],
)
def test_what_is_no_address_is_refused_and_not_shown(address):
    """
    It may hold a key.
    """
    problem = address_problem(address)

    assert problem
    assert "sk-key" not in problem


@pytest.mark.parametrize(
    "name", ["OPENROUTER_API_KEY", "openai_key", "KEY", "AZURE_OPENAI_KEY_2", "AZUREOPENAIAPIKEY2"]
)
def test_the_name_of_a_variable_is_accepted(name):
    """
    In small letters, too.
    """
    assert is_variable_name(name)


@pytest.mark.parametrize("key", KEYS[:-1])
def test_a_key_is_no_name_of_a_variable(key):
    """
    Settings refuse it, without showing it.
    """
    assert not is_variable_name(key)
    with pytest.raises(ValueError, match="perhaps a key; name the variable") as refused:
        UpstreamSettings(base_url="http://127.0.0.1/v1", key_variable=key)
    assert key not in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize("key", KEYS)
def test_no_error_shows_a_key_in_the_place_of_its_variable(key):
    """
    Not even one that could be a name.
    """
    with pytest.raises(ConfigError) as offline:
        api_key(key)
    with pytest.raises(ConfigError) as status:
        status_key(key, {})

    assert key not in f"{offline.value} {status.value}"


def test_a_missing_key_is_told_without_a_name_that_may_be_one():
    """
    The log of the Router has the sentence.
    """
    settings = UpstreamSettings(base_url="http://127.0.0.1/v1", key_variable=KEYS[-1])

    with pytest.raises(ConfigError) as refused:
        UpstreamRegistry().configure({"small": settings}, {}, {})

    assert KEYS[-1] not in str(refused.value)
    assert "small: the environment variable that it names holds no key" in str(refused.value)
