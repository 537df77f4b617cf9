"""The upstream of each model: address, key, limits and circuit breaker."""

import os
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from deployments.protocol import CircuitBreaker
from deployments.upstream.errors import DEADLINE, FULL, OPEN, RESTING, not_attempted_error
from deployments.upstream.learning import LearnedLimits
from deployments.upstream.private_text import HIDDEN, hide_private
from deployments.upstream.upstream_settings import UpstreamSettings
from deployments.upstream_api import APIS, NOT_SUPPORTED, UpstreamApi, takes_extensions
from scope.arms import Arm, arm_spec, spec_of_one_call
from scope.errors import ConfigError, UnknownModelError
from scope.model_catalogue import ModelLimits, catalogued
from scope.pool import ModelSpec
from scope.prices import catalogue_price, fill_in
from scope.upstream import ParameterRules, UpstreamError, variable_in_words

FULL_RETRY_AFTER_S = 1.0
"""``Retry-After`` of an upstream with no free slot."""

MAX_REST_S = 60.0
"""No ``Retry-After`` keeps other requests from an upstream for longer."""

CLOCK_S = 0.02
"""A request that has waited may be this early by another clock."""


@dataclass(slots=True)
class Upstream:
    """The upstream of one model, and its state.

    Attributes
    ----------
    name : str
        Its key in ``user_config: upstreams``.
    model : str
        Name of the model at the upstream.
    key : str or None
    settings : UpstreamSettings
    breaker : CircuitBreaker
    in_flight : int
        Number of calls.
    learned : LearnedLimits
        What its refusals have shown.
    takes_stream_usage : bool or None
        Whether it takes ``stream_options.include_usage``; None: not known yet.
    rests_until : float
        End of the wait that it asked for, by the monotonic clock; `rests_with` is its status.
    """

    name: str
    model: str
    key: str | None = field(repr=False)
    settings: UpstreamSettings
    breaker: CircuitBreaker
    in_flight: int = 0
    learned: LearnedLimits = field(default_factory=LearnedLimits)
    takes_stream_usage: bool | None = None
    rests_until: float = 0.0
    rests_with: int | None = None

    @property
    def api(self) -> UpstreamApi:
        """The API that it speaks."""
        return APIS[self.settings.api]

    @property
    def takes_extensions(self) -> bool:
        """Whether it is known to take fields beyond OpenAI's, such as ``reasoning_details``."""
        return self.settings.api == "messages" or takes_extensions(self.settings.base_url)

    @property
    def requests_stream_usage(self) -> bool:
        """Whether a stream's usage is requested; Anthropic's API always tells it."""
        if self.settings.api == "messages":
            return False
        return self.settings.stream_usage != "never" and self.takes_stream_usage is not False

    @property
    def rules(self) -> ParameterRules:
        """What happens to the parameters of a request: as set, and as learned."""
        rules = self.settings.rules(self.model, Arm.parse(self.name).model)
        return replace(rules, rename={**rules.rename, **self.learned.rename})

    def without_key(self, text: str) -> str:
        """Return `text` without the key."""
        return text.replace(self.key, HIDDEN) if self.key else text

    def redact(self, text: str) -> str:
        """Return words of the upstream for clients: without the key and what else is private."""
        return hide_private(self.without_key(text))

    def redact_bytes(self, content: bytes) -> bytes:
        """Return `content` without the key."""
        return content.replace(self.key.encode(), HIDDEN.encode()) if self.key else content

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Hold a slot during the block, and report its result to the breaker.

        A wrong request, a client that disconnects and a deadline of the client that is too short
        are no failures of the upstream; a request that it was not sent says nothing about it.

        Raises
        ------
        UpstreamError
            ``full``, ``open circuit`` or ``retry after``, at once: there is no queue.
        """
        rest_s = self.rests_until - time.monotonic()
        if rest_s > CLOCK_S:
            raise not_attempted_error(RESTING, rest_s, self.rests_with)
        if self.in_flight >= self.settings.max_concurrency:
            raise not_attempted_error(FULL, FULL_RETRY_AFTER_S)
        if not self.breaker.try_acquire():
            raise not_attempted_error(OPEN, max(self.breaker.reopens_in_s, FULL_RETRY_AFTER_S))
        self.in_flight += 1
        record = self.breaker.release
        try:
            yield
            record = self.breaker.record_success
        except UpstreamError as error:
            if error.kind not in (DEADLINE, NOT_SUPPORTED):
                wrong = error.is_client_error
                record = self.breaker.record_success if wrong else self.breaker.record_failure
            self._rest(error)
            raise
        finally:
            self.in_flight -= 1
            record()

    def _rest(self, error: UpstreamError) -> None:
        """Keep the wait that an overloaded upstream asks for; an earlier, longer one stays."""
        if error.status in (429, 503) and error.is_retryable and error.wait_s is not None:
            until = time.monotonic() + min(error.wait_s, MAX_REST_S)
            if until > self.rests_until:
                self.rests_until, self.rests_with = until, error.status


@dataclass(frozen=True, slots=True)
class ArmUpstream:
    """An arm, and the upstream that answers for it.

    Attributes
    ----------
    arm : Arm
    upstream : Upstream
        All arms of a model may share one: its slots and its breaker.
    price : ModelSpec or None
        Of one call of the arm; what the pool does not state is the list price of a known
        provider. None if there is neither: costs are unknown.
    """

    arm: Arm
    upstream: Upstream
    price: ModelSpec | None

    @property
    def name(self) -> str:
        """Name of the arm in the pool."""
        return str(self.arm)

    def body(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a request's body with the arm's effort, in parameters that the model knows."""
        effort = self.arm.effort
        if effort is not None:
            body = {**body, "reasoning_effort": effort}
        return self.upstream.rules.fit(body)


def upstream_name(arm: str, configured: Container[str]) -> str | None:
    """Return which of the configured upstreams answers for an arm; None if none does.

    The arm's own, else that of one sample of it, else that of its model.

    Examples
    --------
    >>> upstream_name("gpt-5#low@3", {"gpt-5"}), upstream_name("gpt-5", {"gpt-5#low"})
    ('gpt-5', None)
    """
    if arm in configured:  # nearly all: nothing to parse
        return arm
    parsed = Arm.parse(arm)
    names = (str(parsed.one_sample), parsed.model)
    return next((name for name in names if name in configured), None)


class UpstreamRegistry:
    """The upstreams by model, and which of them answers for each arm."""

    def __init__(self) -> None:
        self._by_model: dict[str, Upstream] = {}
        self._prices: Mapping[str, ModelSpec] = {}
        self._list_prices: Mapping[str, ModelSpec | None] = {}

    def configure(
        self,
        settings: Mapping[str, UpstreamSettings],
        prices: Mapping[str, ModelSpec],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Replace all upstreams; calls in flight end with the old ones.

        A model with the same settings and key as before keeps its breaker and its count.

        Raises
        ------
        ConfigError
            Names every model whose key is missing; then nothing changes.
        """
        keys, problems = {}, []
        for model, model_settings in settings.items():
            try:
                keys[model] = _read_key(model_settings.key_variable, environ)
            except ConfigError as error:
                problems.append(f"  {model}: {error}")
        if problems:
            raise ConfigError("upstreams cannot be used:\n" + "\n".join(problems))
        model_ids = {
            upstream_name(arm, settings): price.upstream_id
            for arm, price in prices.items()
            if price.upstream_id is not None
        }
        self._by_model = {
            model: self._upstream(model, model_settings, keys[model], model_ids.get(model))
            for model, model_settings in settings.items()
        }
        self._prices = prices
        self._list_prices = {
            name: catalogue_price(upstream.model, upstream.settings.base_url)
            for name, upstream in self._by_model.items()
        }

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._by_model.values())

    def select(self, arms: Sequence[str]) -> list[ArmUpstream]:
        """Return `arms` with their upstreams, in that order, without arms that have none.

        Raises
        ------
        UnknownModelError
            If no arm has one.
        """
        found = [(arm, upstream_name(arm, self._by_model)) for arm in arms]
        known = [(arm, name) for arm, name in found if name is not None]
        return [self._arm(arm, name) for arm, name in known or [(arms[0], arms[0])]]

    def _arm(self, arm: str, name: str) -> ArmUpstream:
        upstream, price, known = self[name], arm_spec(arm, self._prices), self._list_prices[name]
        billed = known if price is None else fill_in(spec_of_one_call(price), known)
        return ArmUpstream(Arm.parse(arm), upstream, billed)

    def limits(self, arm: str) -> ModelLimits:
        """Return what is believed of an arm: the catalogue, corrected by the model's refusals."""
        model = Arm.parse(arm).model
        name = upstream_name(arm, self._by_model)
        if name is None:
            return catalogued(model)
        upstream = self._by_model[name]
        learned, known = upstream.learned, catalogued(upstream.model)
        if known == ModelLimits():
            known = catalogued(model)
        return ModelLimits(
            learned.window_tokens or known.window_tokens,
            known.capabilities - learned.lacks,
            learned.lacks,
        )

    def __getitem__(self, model: str) -> Upstream:
        if model not in self._by_model:
            raise UnknownModelError(model, tuple(self._by_model), "the list of upstreams")
        return self._by_model[model]

    def _upstream(
        self, name: str, settings: UpstreamSettings, key: str | None, model_id: str | None
    ) -> Upstream:
        model = settings.model or model_id or Arm.parse(name).model
        old = self._by_model.get(name)
        if old and (old.settings, old.key, old.model) == (settings, key, model):
            return old
        breaker = CircuitBreaker(failures=settings.breaker_failures, open_s=settings.breaker_open_s)
        return Upstream(name, model, key, settings, breaker)


def _read_key(variable: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the key, None if none is needed."""
    if variable is None:
        return None
    key = environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"{variable_in_words(variable)} holds no key; set it, or name another")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"environment variable {variable} holds characters that are not allowed in a header"
        )
    return key
