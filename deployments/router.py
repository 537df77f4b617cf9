"""Everything behind the HTTP surface: who may call, what is decided, who answers."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from deployments.asks import Ask, RouteRequest
from deployments.calls import Caller
from deployments.chat import ChatRequest
from deployments.choosing import Chooser
from deployments.deciding import Decider, deadline_s
from deployments.decision import of_client
from deployments.exchange import Exchange
from deployments.execution import Executor
from deployments.foretelling import Foreteller
from deployments.keys import check_bind
from deployments.ledger import Ledger
from deployments.light_copy import LightCopy
from deployments.live import Current
from deployments.meters import Meters
from deployments.prediction_cache import PredictionCache
from deployments.rates import Rates
from deployments.readiness import Readiness
from deployments.refusals import BusyError, NotReadyError
from deployments.replica import Replica
from deployments.second_opinion import SecondOpinion
from deployments.sessions import Sessions
from deployments.settings import Stickiness
from deployments.shared_sessions import Peers, SharedSessions
from deployments.upstreams import Upstreams
from scope.bank import Bank
from scope.errors import ConfigError
from scope.pool import ModelSpec

SESSION = "x-session-id"
"""Header by which Serve, too, sends a session to the replica that knows it."""


class Router:
    """One replica of the Router, without Ray.

    Parameters
    ----------
    bank : Bank
    embedder, predictor : Replica
    peers : Peers
    reasoner : Replica or None
        `Predictor.reason`; None where there is no engine.
    host : str
        Address that HTTP is bound to.
    name : str
        Of the replica, like no other's.
    """

    def __init__(
        self,
        bank: Bank,
        embedder: Replica,
        predictor: Replica,
        peers: Peers,
        *,
        host: str,
        name: str,
        reasoner: Replica | None = None,
    ) -> None:
        self._bank, self._host = bank, host
        self._meters, self._rates, self._in_flight = Meters(), Rates(), 0
        self._cache = PredictionCache(0, bank.version)
        self._light_copy = LightCopy(bank)
        foreteller = Foreteller(
            bank, embedder, predictor, self._light_copy, self._cache, self._meters
        )
        self.sessions = SharedSessions(Sessions(Stickiness()), peers)
        self._second_opinion = SecondOpinion(bank, reasoner, self._cache, self._meters)
        self._decider = Decider(foreteller, self._second_opinion, Chooser(bank), self.sessions)
        self._upstreams = Upstreams()
        self._ledger = Ledger(bank.version, name, self._upstreams, self._meters)
        self._executor: Executor | None = None
        self._until_closed = AsyncExitStack()
        self._current: Current | None = None
        self._readiness = Readiness(bank, embedder, predictor)
        self.born_at = int(time.time())

    @property
    def current(self) -> Current:
        """The settings in force.

        Raises
        ------
        NotReadyError
            Before the first ones came.
        """
        if self._current is None:
            raise NotReadyError(
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
        current = Current.of(user_config, self._bank.models)
        settings = current.settings
        check_bind(self._host, settings.access)
        if settings.policy.alpha is not None and self._bank.calibration is None:
            raise ConfigError(
                "policy: alpha needs a calibrated bank (`scope bank calibrate`); "
                "give min_quality or max_cost_usd"
            )
        settings.reasoning.check(engine=self._second_opinion.available)
        decision_log = self._ledger.log_of(settings.decisions)
        prices = {model.id: model for model in current.models}
        self._upstreams.configure(settings.upstreams, prices)
        if self._executor is None:
            caller = await self._until_closed.enter_async_context(Caller())
            self._executor = Executor(self._upstreams, caller, settings.retries)
        self._executor.retries = settings.retries
        self._ledger.keep(decision_log)
        self._cache.resize(settings.max_cached_predictions)
        self.sessions.local = self.sessions.local.under(settings.sessions)
        self._current = current
        self._meters.settings(rejected=False)
        self._readiness.settings = "ok"

    async def close(self) -> None:
        """Let go of connections and files."""
        self._ledger.close()
        await self._until_closed.aclose()

    async def admit(self, endpoint: str, authorization: str | None) -> Exchange:
        """Let a request in; it must be closed.

        Raises
        ------
        RefusedError
            If its key is wrong or used up, or there is no room.
        """
        current = self.current
        limits = current.settings.limits
        key = current.keyring.owner(authorization)
        if self._in_flight >= limits.max_in_flight:
            raise BusyError(f"{self._in_flight} requests are under way here; try again in 1 s")
        rate = key.requests_per_minute or limits.requests_per_minute
        if rate is not None:
            await self._rates.admit(key.name, rate)
        self._in_flight += 1
        return Exchange(endpoint, key.name, current, self._ended)

    async def route(
        self, exchange: Exchange, body: bytes, headers: Mapping[str, str]
    ) -> RouteRequest:
        """Decide, and call nobody; what was decided is in the exchange.

        Raises
        ------
        RefusedError
            If the request is wrong.
        """
        current = exchange.current
        request = RouteRequest.parse(body, current.settings.limits)
        session_id = headers.get(SESSION)
        asks = tuple(ask.in_session(session_id) for ask in request.asks)
        await self._decide(exchange, asks, current.models)
        model = exchange.decisions[-1].model  # the prompts of a list share one session
        if model is not None:
            self.sessions.note(exchange.client, asks[-1], model)
        return request

    async def chat(self, exchange: Exchange, body: bytes, headers: Mapping[str, str]) -> None:
        """Decide, and have the best model answer that can; the answer is in the exchange.

        Raises
        ------
        RefusedError
            If the request is wrong, or no model has an upstream.
        """
        current = exchange.current
        limits = current.settings.limits
        request = ChatRequest.parse(body, limits)
        models = self._callable(current)
        pinned = request.chat.pinned(tuple(model.id for model in current.models))
        ask = None
        if pinned is None:
            ask = Ask.of_chat(request, limits).in_session(headers.get(SESSION))
            await self._decide(exchange, (ask,), models)
        elif pinned not in (model.id for model in models):
            raise NotReadyError(f"model: no upstream is configured for {pinned}", "model")
        else:
            exchange.decided((of_client(pinned),), (None,))
        (decision,) = exchange.decisions
        assert self._executor is not None  # as old as the settings
        answer = await self._executor.execute(
            request.upstream_body(),
            decision.order,
            deadline_s=deadline_s(request.wish.deadline_ms, limits) - exchange.overhead_s,
            headers={"x-request-id": decision.id, **headers},
        )
        exchange.answered(answer)
        if ask is not None and answer.model is not None:
            self.sessions.note(exchange.client, ask, answer.model)

    def refused(self) -> None:
        """Note that the latest settings were refused, until others are put in force."""
        self._meters.settings(rejected=True)
        self._readiness.settings = "rejected"

    def check_health(self) -> None:
        """Look whether the least of all decisions can be made; raises whatever is wrong."""
        self._light_copy.averages(["well?"], "no replica was asked")

    async def readiness(self) -> dict[str, str]:
        """Return whether settings and replicas are there, each by its name."""
        return await self._readiness.state()

    def told(self, endpoint: str, status: int) -> None:
        """Count an answer by its status."""
        self._meters.answered(endpoint, status)

    async def _decide(
        self, exchange: Exchange, asks: tuple[Ask, ...], models: tuple[ModelSpec, ...]
    ) -> None:
        limits = exchange.current.settings.limits
        decisions = await self._decider.decide(
            asks,
            models,
            exchange.current,
            client=exchange.client,
            deadline_s=deadline_s(asks[0].wish.deadline_ms, limits),
        )
        exchange.decided(decisions, [ask.text for ask in asks])

    def _callable(self, current: Current) -> tuple[ModelSpec, ...]:
        upstreams = current.settings.upstreams
        models = tuple(model for model in current.models if model.id in upstreams)
        if not models:
            raise NotReadyError(
                "no model can be called: user_config names no upstreams; /v1/route works without",
                code="no_upstreams",
            )
        return models

    def _ended(self, exchange: Exchange) -> None:
        self._in_flight -= 1
        self._ledger.ended(exchange)
