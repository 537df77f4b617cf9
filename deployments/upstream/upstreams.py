"""Where each model is asked, with which key, and how much of it at once."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from pydantic import Field, field_validator

from deployments.protocol import CircuitBreaker
from deployments.upstream.errors import DEADLINE, FULL, OPEN, is_client_error, not_attempted_error
from scope.config import StrictModel
from scope.errors import ConfigError, UnknownModelError
from scope.pool import ModelSpec
from scope.upstream import UpstreamError

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


FULL_RETRY_AFTER_S = 1.0
"""When to come again where every place is taken."""


class UpstreamSettings(StrictModel):
    """One model's entry in ``user_config: upstreams``."""

    base_url: str
    """Up to and without ``/chat/completions``."""
    key_variable: str | None = Field(default=None, min_length=1)
    """Environment variable that holds the key; None: the upstream wants none."""
    model: str | None = Field(default=None, min_length=1)
    """What the upstream calls the model; None: as the pool does."""
    timeout_s: Seconds = 60.0
    """For a whole answer, for the first byte of a stream, and between two chunks of it."""
    max_concurrency: int = Field(default=64, ge=1)
    """Most calls under way at once, per replica."""
    breaker_failures: int = Field(default=5, ge=1)
    """Failures in a row after which the model is left alone."""
    breaker_open_s: Seconds = 30.0
    """For how long, until one call may try."""

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, base_url: str) -> str:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError("expected http:// or https://")
        if any(mark in base_url for mark in "@?#"):
            raise ValueError("holds more than an address; name the key's variable instead")
        return base_url.rstrip("/")


@dataclass(slots=True)
class Upstream:
    """One model's upstream at work.

    Attributes
    ----------
    name : str
        The model, as the pool calls it.
    model : str
        As the upstream calls it.
    key : str or None
    settings : UpstreamSettings
    price : ModelSpec or None
        None where the pool has no price: then costs are unknown.
    breaker : CircuitBreaker
    in_flight : int
        Calls under way.
    """

    name: str
    model: str
    key: str | None = field(repr=False)
    settings: UpstreamSettings
    price: ModelSpec | None
    breaker: CircuitBreaker
    in_flight: int = 0

    def redact(self, text: str) -> str:
        """Return `text` without the key."""
        return text.replace(self.key, "***") if self.key else text

    def clean_bytes(self, content: bytes) -> bytes:
        """Return `content` without the key."""
        return content.replace(self.key.encode(), b"***") if self.key else content

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Hold one of its places; the breaker learns how the block ends.

        What the client did wrong, and a client that hangs up or wanted it too fast, is no failure
        of the upstream.

        Raises
        ------
        UpstreamError
            ``full`` or ``open circuit``, at once: nobody queues here.
        """
        if self.in_flight >= self.settings.max_concurrency:
            raise not_attempted_error(FULL, FULL_RETRY_AFTER_S)
        if not self.breaker.try_acquire():
            raise not_attempted_error(OPEN, max(self.breaker.reopens_in_s, FULL_RETRY_AFTER_S))
        self.in_flight += 1
        tell = self.breaker.release
        try:
            yield
            tell = self.breaker.record_success
        except UpstreamError as error:
            if is_client_error(error):
                tell = self.breaker.record_success
            elif error.kind != DEADLINE:
                tell = partial(self.breaker.record_failure, error)
            raise
        finally:
            self.in_flight -= 1
            tell()


class UpstreamRegistry:
    """The upstreams by model; exchanged as a whole, or not at all."""

    def __init__(self) -> None:
        self._by_model: dict[str, Upstream] = {}

    def configure(
        self,
        settings: Mapping[str, UpstreamSettings],
        prices: Mapping[str, ModelSpec],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Take these from now on; calls under way end as they began.

        A model whose settings and key stay as they are keeps its breaker and its count.

        Raises
        ------
        ConfigError
            Naming every model whose key is missing; then all stays as it was.
        """
        keys, wrong = {}, []
        for model, told in settings.items():
            try:
                keys[model] = _key(told.key_variable, environ)
            except ConfigError as error:
                wrong.append(f"  {model}: {error}")
        if wrong:
            raise ConfigError("upstreams cannot be used:\n" + "\n".join(wrong))
        self._by_model = {
            model: self._renewed(model, told, keys[model], prices.get(model))
            for model, told in settings.items()
        }

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._by_model.values())

    def select(self, models: Sequence[str]) -> list[Upstream]:
        """Return those of some models, in that order; one that settings just dropped is no more.

        Raises
        ------
        UnknownModelError
            If none of them has one.
        """
        left = [model for model in models if model in self._by_model]
        return [self[model] for model in left or models[:1]]

    def __getitem__(self, model: str) -> Upstream:
        if model not in self._by_model:
            raise UnknownModelError(model, tuple(self._by_model), "the list of upstreams")
        return self._by_model[model]

    def _renewed(
        self, name: str, settings: UpstreamSettings, key: str | None, price: ModelSpec | None
    ) -> Upstream:
        model = settings.model or (price.upstream_id if price else None) or name
        old = self._by_model.get(name)
        if old and (old.settings, old.key, old.model) == (settings, key, model):
            old.price = price
            return old
        breaker = CircuitBreaker(
            name, failures=settings.breaker_failures, open_s=settings.breaker_open_s
        )
        return Upstream(name, model, key, settings, price, breaker)


def _key(variable: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the key, None where none is wanted."""
    if variable is None:
        return None
    key = environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"environment variable {variable} holds no key; set it, or name another")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"environment variable {variable} holds what no header may carry")
    return key
