"""Access: API keys by their digests, compared in constant time, and rate limits."""

import hashlib
import hmac
import math
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from aiolimiter import AsyncLimiter

from deployments.protocol import AuthenticationError, RateLimitError
from deployments.settings.settings import Access, ApiKey
from scope.errors import ConfigError
from scope.text_files import read_text

ANONYMOUS = ApiKey(name="anyone", sha256=64 * "0")
"""The caller where no key is required; no known text has this digest."""

DIGEST_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Keyring:
    """The accepted keys; an empty keyring accepts every caller."""

    keys: tuple[ApiKey, ...]

    @classmethod
    def from_access(cls, access: Access) -> "Keyring":
        """Collect the keys of the settings and of their key file.

        Raises
        ------
        ConfigError
            If the file cannot be read or is malformed, or two keys have the same name.
        """
        keys = (*access.keys, *_read_key_file(access.key_file))
        names = [key.name for key in keys]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(f"access names a key twice: {', '.join(repeated)}")
        return cls(keys)

    def authenticate(self, authorization: str | None) -> ApiKey:
        """Return the key of an ``Authorization`` header.

        Every key is compared in constant time, so that the duration reveals nothing.

        Raises
        ------
        AuthenticationError
            If the header has no key, or an unknown one.
        """
        if not self.keys:
            return ANONYMOUS
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise AuthenticationError(
                "no API key; send the header 'Authorization: Bearer KEY'", code="missing_api_key"
            )
        digest = hashlib.sha256(secret.strip().encode("utf-8", "surrogateescape")).hexdigest()
        found = [key for key in self.keys if hmac.compare_digest(key.sha256, digest)]
        if not found:
            raise AuthenticationError("unknown API key", code="invalid_api_key")
        return found[0]


def check_bind(host: str, access: Access) -> None:
    """Refuse to serve other machines without API keys.

    Raises
    ------
    ConfigError
        If `host` is not a loopback address and the settings name no key.
    """
    if access.anonymous and not _is_loopback(host):
        raise ConfigError(
            f"{host} can be reached from other machines and no API key is required; "
            "bind 127.0.0.1, or set keys instead of anonymous: true"
        )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _read_key_file(path: str | None) -> tuple[ApiKey, ...]:
    if path is None:
        return ()
    try:
        lines = read_text(Path(path)).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"key_file {path} cannot be read: {error}") from error
    found = [(n, line.split("#")[0].split()) for n, line in enumerate(lines, 1)]
    keys = tuple(_parse_key_line(path, n, words) for n, words in found if words)
    if not keys:
        raise ConfigError(f"key_file {path} holds no key; expected lines of digest and name")
    return keys


def _parse_key_line(path: str, n: int, words: list[str]) -> ApiKey:
    """Return the key of one line; an error never quotes the line."""
    digest = words[0].lower()
    if len(words) != 2 or len(digest) != DIGEST_DIGITS or set(digest) - set("0123456789abcdef"):
        raise ConfigError(
            f"key_file {path}, line {n}: expected a SHA-256 digest of 64 hexadecimal digits, "
            "a space and a name"
        )
    return ApiKey(name=words[1], sha256=digest)


MINUTE_S = 60.0


class RateLimiter:
    """One leaky bucket for each key, in this replica only.

    A bucket holds the requests of one minute: an idle key may send that many at once.
    """

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, AsyncLimiter]] = {}

    async def acquire(self, name: str, requests_per_minute: float) -> None:
        """Count one request of a key, without waiting.

        Parameters
        ----------
        name : str
            Of the key; the configuration bounds the number of names.
        requests_per_minute : float
            A changed rate starts with an empty bucket.

        Raises
        ------
        RateLimitError
            If the bucket is full; after `retry_after_s` it has room for one request.
        """
        rate, bucket = self._buckets.get(name, (None, None))
        if bucket is None or rate != requests_per_minute:
            size = max(requests_per_minute, 1.0)
            bucket = AsyncLimiter(size, MINUTE_S * size / requests_per_minute)
            self._buckets[name] = requests_per_minute, bucket
        if not bucket.has_capacity():
            wait_s = math.ceil(MINUTE_S / requests_per_minute)
            raise RateLimitError(
                f"more than {requests_per_minute:g} requests per minute with this key; "
                f"try again in {wait_s} s",
                wait_s,
            )
        await bucket.acquire()
