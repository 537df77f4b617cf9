"""The flow of one request: admit, decide, and call a model."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployments.gateway.admission import Admission
from deployments.gateway.feedback import FeedbackService
from deployments.gateway.live_settings import LiveSettings
from deployments.gateway.request_context import LoggedText, RequestContext
from deployments.protocol import NotConfiguredError, pinned_decision
from deployments.requests import (
    ChatRequest,
    Requirements,
    RouteBody,
    RoutingRequest,
    check_pinned,
)
from deployments.routing import FallbackPredictor
from deployments.routing.decider import DecisionService, deadline_s
from deployments.routing.readiness import Readiness
from deployments.routing.sessions import SessionStore, session_mark
from deployments.settings import ActiveSettings
from deployments.telemetry.metrics import Metrics
from deployments.tracing import Tracing, current_span, decision_attributes, span
from deployments.upstream import HINTS, FallbackExecutor, upstream_name
from scope.pool import ModelSpec

SESSION_HEADER = "x-session-id"
"""Header by which Serve sends the requests of a session to one replica."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """One replica of the Router, without Ray; `build_router` makes one."""

    settings: LiveSettings
    admission: Admission
    decider: DecisionService
    executor: FallbackExecutor
    sessions: SessionStore
    feedback: FeedbackService
    readiness: Readiness
    fallback: FallbackPredictor
    metrics: Metrics
    tracing: Tracing
    started_at: int = field(default_factory=lambda: int(time.time()))
    """Seconds since 1970."""

    async def route(
        self, context: RequestContext, body: bytes, headers: Mapping[str, str]
    ) -> RouteBody:
        """Decide without calling a model; the decisions are in `context`.

        Raises
        ------
        RequestError
            If the request is wrong.
        """
        current = context.current
        parsed = RouteBody.parse(body, current.settings.limits)
        session_id = headers.get(SESSION_HEADER)
        requests = tuple(request.with_session(session_id) for request in parsed.requests)
        models = current.with_arms(requests[0].options.allowed_models)
        await self._decide(context, requests, models)
        model = context.decisions[-1].model
        if model is not None:
            self.sessions.put(context.client, requests[-1], model)  # a batch shares one session
        return parsed

    async def chat(
        self,
        context: RequestContext,
        body: dict[str, Any],
        headers: Mapping[str, str],
        *,
        is_translated: bool = False,
    ) -> None:
        """Decide, and call the models in the order of the decision; the answer is in `context`.

        Parameters
        ----------
        context : RequestContext
        body : dict
            Of a chat completion.
        headers : mapping of str to str
            Of the request, names in lower case.
        is_translated : bool, default=False
            Whether the client speaks another API: a stream ends with its usage, and fields beyond
            OpenAI's are sent only to upstreams that are known to take them.

        Raises
        ------
        RequestError
            If the request is wrong, or no model has an upstream.
        """
        current = context.current
        limits = current.settings.limits
        chat = ChatRequest.from_json(body, limits)
        models = _models_with_upstream(current, chat.scope.allowed_models)
        pool = current.with_arms([chat.model])
        pinned = chat.explicit_model(tuple(model.id for model in pool))
        request = None
        if pinned is None:
            request = RoutingRequest.from_chat(chat, limits)
            request = request.with_session(headers.get(SESSION_HEADER))
            if is_translated:
                request = request.without_fields(HINTS)
            await self._decide(context, (request,), models)
        elif upstream_name(pinned, current.settings.upstreams) is None:
            raise NotConfiguredError(f"model: no upstream is configured for {pinned}", "model")
        else:
            check_pinned(pinned, Requirements.from_chat(chat))
            context.record_decisions((pinned_decision(pinned),), (LoggedText(),))
        (decision,) = context.decisions
        current_span().set({"scope.decision.id": decision.id, "scope.source": decision.source})
        answer = await self.executor.execute(
            chat.upstream_body(),
            decision.ranking,
            deadline_s=deadline_s(chat.scope.deadline_ms, limits) - context.overhead_s,
            headers={"x-request-id": decision.id, **headers},
            is_translated=is_translated,
        )
        context.record_answer(answer)
        current_span().set({"scope.model": answer.model})
        if request is not None and answer.model is not None:
            self.sessions.put(context.client, request, answer.model)

    async def _decide(
        self,
        context: RequestContext,
        requests: tuple[RoutingRequest, ...],
        models: tuple[ModelSpec, ...],
    ) -> None:
        limits = context.current.settings.limits
        requests = tuple(request.with_metadata(context.metadata) for request in requests)
        with span("decide") as decide:
            decisions = await self.decider.decide(
                requests,
                models,
                context.current,
                client=context.client,
                deadline_s=deadline_s(requests[0].options.deadline_ms, limits),
            )
            if decide.records:
                decide.set(decision_attributes(decisions))
        texts = [
            LoggedText(
                request.text,
                request.is_whole,
                session_mark(context.client, request),
                request.is_tool_turn,
            )
            for request in requests
        ]
        context.record_decisions(decisions, texts)

    def check_health(self) -> None:
        """Make the smallest prediction; raises whatever is wrong.

        Serve calls it every few seconds, as the gauges need it, too.
        """
        self.settings.refresh_metrics()
        self.fallback.predict_means(["health check"], "no replica was called")


def _models_with_upstream(current: ActiveSettings, allowed: Sequence[str]) -> tuple[ModelSpec, ...]:
    """Return the arms that can be called, those that the request itself names included."""
    models = current.with_upstream(current.with_arms(allowed))
    if not models:
        raise NotConfiguredError(
            "no model can be called: user_config names no upstreams; /v1/route works without",
            code="no_upstreams",
        )
    return models
