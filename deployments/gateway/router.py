"""Everything behind the HTTP surface: who may call, what is decided, who answers."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from deployments.gateway.request_context import RequestContext
from deployments.gateway.request_log import RequestLog
from deployments.protocol import NotConfiguredError, OverloadedError, pinned_decision
from deployments.protocol.remote_call import RemoteMethod
from deployments.requests import ChatRequest, RouteBody, RoutingRequest
from deployments.routing import FallbackPredictor, PolicyChooser, PredictionCache
from deployments.routing.decider import DecisionService, deadline_s
from deployments.routing.prediction_client import PredictionClient
from deployments.routing.readiness import Readiness
from deployments.routing.reasoning_client import ReasoningClient
from deployments.routing.sessions import LocalSessions, SessionPeers, SessionStore
from deployments.settings import ActiveSettings, RateLimiter, SessionSettings, check_bind
from deployments.telemetry.metrics import Metrics
from deployments.upstream import FallbackExecutor, UpstreamClient, UpstreamRegistry
from scope.bank import Bank
from scope.errors import ConfigError
from scope.pool import ModelSpec

SESSION_HEADER = "x-session-id"
"""Header by which Serve, too, sends a session to the replica that knows it."""


class Router:
    """One replica of the Router, without Ray.

    Parameters
    ----------
    bank : Bank
    embedder, predictor : RemoteMethod
    peers : SessionPeers
    reasoner : RemoteMethod or None
        `Predictor.reason`; None where there is no engine.
    host : str
        Address that HTTP is bound to.
    name : str
        Of the replica, like no other's.
    """

    def __init__(
        self,
        bank: Bank,
        embedder: RemoteMethod,
        predictor: RemoteMethod,
        peers: SessionPeers,
        *,
        host: str,
        name: str,
        reasoner: RemoteMethod | None = None,
    ) -> None:
        self._bank, self._host = bank, host
        self._meters, self._rates, self._in_flight = Metrics(), RateLimiter(), 0
        self._cache = PredictionCache(0, bank.version)
        self._light_copy = FallbackPredictor(bank)
        foreteller = PredictionClient(
            bank, embedder, predictor, self._light_copy, self._cache, self._meters
        )
        self.sessions = SessionStore(LocalSessions(SessionSettings()), peers)
        self._second_opinion = ReasoningClient(bank, reasoner, self._cache, self._meters)
        self._decider = DecisionService(
            foreteller, self._second_opinion, PolicyChooser(bank), self.sessions
        )
        self._upstreams = UpstreamRegistry()
        self._ledger = RequestLog(bank.version, name, self._upstreams, self._meters)
        self._executor: FallbackExecutor | None = None
        self._until_closed = AsyncExitStack()
        self._current: ActiveSettings | None = None
        self._readiness = Readiness(bank, embedder, predictor)
        self.started_at = int(time.time())

    @property
    def current(self) -> ActiveSettings:
        """The settings in force.

        Raises
        ------
        NotConfiguredError
            Before the first ones came.
        """
        if self._current is None:
            raise NotConfiguredError(
                "the Router has no settings; give it a user_config with access: in its config file"
            )
        return self._current

    async def configure(self, user_config: Mapping[str, Any]) -> None:
        """Put settings in force, whole or not at all; requests under way keep theirs.

        Raises
        ------
        ConfigError
            If they are wrong; those in force stay.
        """
        current = ActiveSettings.from_user_config(user_config, self._bank.models)
        settings = current.settings
        check_bind(self._host, settings.access)
        if settings.policy.alpha is not None and self._bank.reference is None:
            raise ConfigError(
                "policy: alpha needs a calibrated bank (`scope bank fit`); "
                "give min_quality or max_cost_usd"
            )
        settings.reasoning.check(engine=self._second_opinion.available)
        decision_log = self._ledger.make_decision_log(settings.decisions)
        prices = {model.id: model for model in current.models}
        self._upstreams.configure(settings.upstreams, prices)
        if self._executor is None:
            caller = await self._until_closed.enter_async_context(UpstreamClient())
            self._executor = FallbackExecutor(self._upstreams, caller, settings.retries)
        self._executor.retries = settings.retries
        self._ledger.replace_decision_log(decision_log)
        self._cache.resize(settings.max_cached_predictions)
        self.sessions.local = self.sessions.local.with_settings(settings.sessions)
        self._current = current
        self._meters.set_settings_rejected(rejected=False)
        self._readiness.settings = "ok"

    async def close(self) -> None:
        """Let go of connections and files."""
        self._ledger.close()
        await self._until_closed.aclose()

    async def admit(self, endpoint: str, authorization: str | None) -> RequestContext:
        """Let a request in; it must be closed.

        Raises
        ------
        RefusedError
            If its key is wrong or used up, or there is no room.
        """
        current = self.current
        limits = current.settings.limits
        key = current.keyring.authenticate(authorization)
        if self._in_flight >= limits.max_in_flight:
            raise OverloadedError(
                f"{self._in_flight} requests are under way here; try again in 1 s"
            )
        rate = key.requests_per_minute or limits.requests_per_minute
        if rate is not None:
            await self._rates.acquire(key.name, rate)
        self._in_flight += 1
        return RequestContext(endpoint, key.name, current, self._on_finished)

    async def route(
        self, exchange: RequestContext, body: bytes, headers: Mapping[str, str]
    ) -> RouteBody:
        """Decide, and call nobody; what was decided is in the exchange.

        Raises
        ------
        RefusedError
            If the request is wrong.
        """
        current = exchange.current
        request = RouteBody.parse(body, current.settings.limits)
        session_id = headers.get(SESSION_HEADER)
        asks = tuple(ask.with_session(session_id) for ask in request.requests)
        await self._decide(exchange, asks, current.models)
        model = exchange.decisions[-1].model  # the prompts of a list share one session
        if model is not None:
            self.sessions.put(exchange.client, asks[-1], model)
        return request

    async def chat(self, exchange: RequestContext, body: bytes, headers: Mapping[str, str]) -> None:
        """Decide, and have the best model answer that can; the answer is in the exchange.

        Raises
        ------
        RefusedError
            If the request is wrong, or no model has an upstream.
        """
        current = exchange.current
        limits = current.settings.limits
        request = ChatRequest.parse(body, limits)
        models = self._models_with_upstream(current)
        pinned = request.chat.explicit_model(tuple(model.id for model in current.models))
        ask = None
        if pinned is None:
            ask = RoutingRequest.from_chat(request, limits).with_session(
                headers.get(SESSION_HEADER)
            )
            await self._decide(exchange, (ask,), models)
        elif pinned not in (model.id for model in models):
            raise NotConfiguredError(f"model: no upstream is configured for {pinned}", "model")
        else:
            exchange.record_decisions((pinned_decision(pinned),), (None,))
        (decision,) = exchange.decisions
        assert self._executor is not None  # as old as the settings
        answer = await self._executor.execute(
            request.upstream_body(),
            decision.ranking,
            deadline_s=deadline_s(request.options.deadline_ms, limits) - exchange.overhead_s,
            headers={"x-request-id": decision.id, **headers},
        )
        exchange.record_answer(answer)
        if ask is not None and answer.model is not None:
            self.sessions.put(exchange.client, ask, answer.model)

    def mark_settings_rejected(self) -> None:
        """Note that the latest settings were refused, until others are put in force."""
        self._meters.set_settings_rejected(rejected=True)
        self._readiness.settings = "rejected"

    def check_health(self) -> None:
        """Look whether the least of all decisions can be made; raises whatever is wrong."""
        self._light_copy.predict_means(["well?"], "no replica was asked")

    async def readiness(self) -> dict[str, str]:
        """Return whether settings and replicas are there, each by its name."""
        return await self._readiness.state()

    def record_response(self, endpoint: str, status: int) -> None:
        """Count an answer by its status."""
        self._meters.count_response(endpoint, status)

    async def _decide(
        self,
        exchange: RequestContext,
        asks: tuple[RoutingRequest, ...],
        models: tuple[ModelSpec, ...],
    ) -> None:
        limits = exchange.current.settings.limits
        decisions = await self._decider.decide(
            asks,
            models,
            exchange.current,
            client=exchange.client,
            deadline_s=deadline_s(asks[0].options.deadline_ms, limits),
        )
        exchange.record_decisions(decisions, [ask.text for ask in asks])

    def _models_with_upstream(self, current: ActiveSettings) -> tuple[ModelSpec, ...]:
        upstreams = current.settings.upstreams
        models = tuple(model for model in current.models if model.id in upstreams)
        if not models:
            raise NotConfiguredError(
                "no model can be called: user_config names no upstreams; /v1/route works without",
                code="no_upstreams",
            )
        return models

    def _on_finished(self, exchange: RequestContext) -> None:
        self._in_flight -= 1
        self._ledger.record(exchange)
