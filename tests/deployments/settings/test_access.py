import hashlib

import pytest

from deployments.protocol.request_errors import AuthenticationError
from deployments.settings.access import ANONYMOUS, Keyring, check_bind
from deployments.settings.settings import Access, ApiKey
from scope.errors import ConfigError


def key(name, secret):
    return ApiKey(name=name, sha256=hashlib.sha256(secret.encode()).hexdigest())


ANN, BOB = key("ann", "sk-ann"), key("bob", "sk-bob")
KEYRING = Keyring((ANN, BOB))


@pytest.mark.parametrize(
    ("headers", "owner"),
    [
        pytest.param({"authorization": "Bearer sk-ann"}, ANN, id="first"),
        pytest.param({"authorization": "Bearer sk-bob"}, BOB, id="second"),
        pytest.param({"authorization": "bearer  sk-bob "}, BOB, id="case and spaces"),
        pytest.param({"x-api-key": "sk-bob"}, BOB, id="as Anthropic's clients send it"),
        pytest.param({"api-key": " sk-bob"}, BOB, id="as Azure's clients send it"),
        pytest.param(
            {"authorization": "Bearer of-a-proxy", "x-api-key": "sk-bob"}, BOB, id="beside another"
        ),
        pytest.param(
            {"authorization": "Basic c2stYW5u", "api-key": "sk-bob"}, BOB, id="beside a password"
        ),
    ],
)
def test_a_key_is_recognised_by_its_digest(headers, owner):
    """
    In any of three headers; its name is what logs and metrics show.
    """
    assert KEYRING.authenticate(headers) == owner


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({}, "missing_api_key", id="no header"),
        pytest.param({"authorization": ""}, "missing_api_key", id="empty"),
        pytest.param({"authorization": "Bearer "}, "missing_api_key", id="no key"),
        pytest.param({"authorization": "Basic c2stYW5u"}, "missing_api_key", id="other scheme"),
        pytest.param({"authorization": "Bearer sk-eve"}, "invalid_api_key", id="unknown"),
        pytest.param(
            {"authorization": f"Bearer {ANN.sha256}"}, "invalid_api_key", id="the digest itself"
        ),
        pytest.param({"authorization": "Bearer sk-\udcff"}, "invalid_api_key", id="no text"),
        pytest.param({"x-api-key": " "}, "missing_api_key", id="no key as Anthropic's clients"),
        pytest.param({"x-api-key": "sk-eve"}, "invalid_api_key", id="unknown to Anthropic's"),
        pytest.param({"api-key": "Bearer sk-ann"}, "invalid_api_key", id="with a scheme"),
    ],
)
def test_a_request_without_a_known_key_is_refused(headers, code):
    """
    The message does not contain the headers.
    """
    with pytest.raises(AuthenticationError) as refused:
        KEYRING.authenticate(headers)

    assert refused.value.code == code
    assert "sk-eve" not in str(refused.value)


def test_without_keys_every_caller_is_anonymous():
    """
    With any header; metrics and rates have one name.
    """
    keyring = Keyring.from_access(Access(anonymous=True))

    assert keyring.authenticate({}) == keyring.authenticate({"api-key": "sk-eve"}) == ANONYMOUS


def test_keys_are_also_read_from_a_file(tmp_path):
    """
    In the format of sha256sum, with comments.
    """
    file = tmp_path / "keys"
    file.write_text(f"# who may call\n\n{ANN.sha256.upper()}  ann # since May\n")

    assert Keyring.from_access(Access(keys=(BOB,), key_file=str(file))).keys == (BOB, ANN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("sk-ann ann", "line 1: expected a SHA-256 digest", id="the key itself"),
        pytest.param(f"\n{ANN.sha256}", "line 2: expected", id="no name"),
        pytest.param("# none", "holds no key", id="empty"),
        pytest.param(f"{ANN.sha256} bob", "names a key twice: bob", id="name taken"),
    ],
)
def test_a_wrong_key_file_is_refused(tmp_path, text, message):
    """
    The error gives the number of the line, never its text: it may be a key.
    """
    file = tmp_path / "keys"
    file.write_text(text)

    with pytest.raises(ConfigError, match=message) as refused:
        Keyring.from_access(Access(keys=(BOB,), key_file=str(file)))

    assert "sk-ann" not in str(refused.value)


def test_an_absent_key_file_is_refused(tmp_path):
    """
    It does not count as empty.
    """
    with pytest.raises(ConfigError, match="cannot be read"):
        Keyring.from_access(Access(key_file=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"])
def test_without_keys_loopback_addresses_are_allowed(host):
    """
    No other machine can reach them.
    """
    assert check_bind(host, Access(anonymous=True)) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "router.example", ""])
def test_without_keys_other_addresses_are_refused(host):
    """
    Also with `anonymous: true`.
    """
    with pytest.raises(ConfigError, match="no API key is required"):
        check_bind(host, Access(anonymous=True))

    check_bind(host, Access(keys=(ANN,)))
