"""Composition root of the Router: which part gets which others."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.gateway.admission import Admission
from deployments.gateway.feedback import FeedbackService
from deployments.gateway.live_settings import ConfigurableParts, LiveSettings
from deployments.gateway.request_log import RequestLog
from deployments.gateway.router import Router
from deployments.protocol import SelectionRequest, StrategyRequest
from deployments.protocol.remote_call import RemoteMethod
from deployments.routing import FallbackPredictor, PolicyChooser, PredictionCache
from deployments.routing.decider import DecisionService
from deployments.routing.learned_strategy import LearnedStrategy
from deployments.routing.prediction_client import PredictionClient
from deployments.routing.readiness import Readiness
from deployments.routing.reasoning_client import ReasoningClient
from deployments.routing.second_embedder_client import SecondEmbedderClient
from deployments.routing.sessions import LocalSessions, SessionPeers, SessionStore
from deployments.settings import SessionSettings
from deployments.telemetry.metrics import Metrics
from deployments.tracing import Tracing
from deployments.upstream import (
    FallbackExecutor,
    RetrySettings,
    SampleSelector,
    UpstreamClient,
    UpstreamRegistry,
)
from scope.bank import Bank
from scope.learned import RouterManifest


@dataclass(frozen=True, slots=True)
class OptionalReplicas:
    """Deployments that run only where they are configured.

    Attributes
    ----------
    reasoner : RemoteMethod or None
        `Predictor.reason`; None if there is no engine.
    selector : RemoteMethod or None
        `Selector.score`; None: the majority chooses among samples.
    learned_router : RemoteMethod or None
        `StrategyPredictor.predict`.
    routers : mapping of str to RouterManifest
        Of the learned routers, by strategy.
    second_embedder : RemoteMethod or None
        `Embedder.embed` of the bank's second encoder; None if the bank uses none.
    """

    reasoner: RemoteMethod | None = None
    selector: RemoteMethod | None = None
    learned_router: RemoteMethod | None = None
    routers: Mapping[str, RouterManifest] = field(default_factory=dict)
    second_embedder: RemoteMethod | None = None


NO_MORE = OptionalReplicas()


@dataclass(frozen=True, slots=True)
class RouterPeers:
    """What a replica of the Router asks the other ones.

    Attributes
    ----------
    sessions : SessionPeers
    feedback : RemoteMethod
        Takes a `Feedback`, and returns what `FeedbackService.record` of every replica returns.
    """

    sessions: SessionPeers
    feedback: RemoteMethod


def build_router(
    bank: Bank,
    embedder: RemoteMethod,
    predictor: RemoteMethod,
    peers: RouterPeers,
    *,
    host: str,
    name: str,
    more: OptionalReplicas = NO_MORE,
) -> Router:
    """Return a Router without settings; `Router.settings` takes them.

    Parameters
    ----------
    bank : Bank
    embedder, predictor : RemoteMethod
        `Embedder.embed` and `Predictor.predict`.
    peers : RouterPeers
    host : str
        Address that HTTP is bound to.
    name : str
        Unique name of the replica.
    more : OptionalReplicas, optional
    """
    metrics, cache, fallback = Metrics(), PredictionCache(0, bank.version), FallbackPredictor(bank)
    second = _second_embedder(bank, more, metrics)
    predictions = PredictionClient(bank, embedder, predictor, second, fallback, cache, metrics)
    reasoning = ReasoningClient(bank, more.reasoner, cache, metrics)
    learned = _learned_strategies(bank, more, metrics)
    sessions = SessionStore(LocalSessions(SessionSettings()), peers.sessions)
    upstreams, client = UpstreamRegistry(), UpstreamClient()
    selector = SampleSelector(more.selector)
    executor = FallbackExecutor(upstreams, client, RetrySettings(), selector)
    request_log = RequestLog(bank.version, name, upstreams, metrics)
    readiness = _readiness(bank, embedder, predictor, more)
    tracing = Tracing(name)
    parts = ConfigurableParts(
        cache=cache,
        client=client,
        executor=executor,
        learned=learned,
        metrics=metrics,
        readiness=readiness,
        reasoning=reasoning,
        request_log=request_log,
        sessions=sessions,
        tracing=tracing,
        upstreams=upstreams,
    )
    settings = LiveSettings(bank, host, parts)
    return Router(
        settings=settings,
        admission=Admission(settings, request_log.record),
        decider=DecisionService(
            predictions, reasoning, PolicyChooser(bank), sessions, learned, upstreams.limits
        ),
        executor=executor,
        sessions=sessions,
        feedback=FeedbackService(request_log, peers.feedback),
        readiness=readiness,
        fallback=fallback,
        metrics=metrics,
        tracing=tracing,
    )


def _second_embedder(
    bank: Bank, more: OptionalReplicas, metrics: Metrics
) -> SecondEmbedderClient | None:
    if more.second_embedder is None or bank.second is None:
        return None
    return SecondEmbedderClient(more.second_embedder, bank.second.embedder, metrics)


def _learned_strategies(
    bank: Bank, more: OptionalReplicas, metrics: Metrics
) -> dict[str, LearnedStrategy]:
    if more.learned_router is None:
        return {}
    return {
        name: LearnedStrategy(bank, router, more.learned_router, metrics)
        for name, router in more.routers.items()
    }


def _readiness(
    bank: Bank, embedder: RemoteMethod, predictor: RemoteMethod, more: OptionalReplicas
) -> Readiness:
    """Return the readiness of all replicas that the Router calls for a decision."""
    readiness = Readiness(bank, embedder, predictor)
    if more.second_embedder is not None:
        readiness.add("second embedder", more.second_embedder, ["ready?"])
    if more.learned_router is not None:
        for name, router in more.routers.items():
            request = StrategyRequest(name, router.version, ["ready?"])
            readiness.add(f"{name} router", more.learned_router, request)
    if more.selector is not None:
        readiness.add("selector", more.selector, SelectionRequest("ready?", ["yes"]))
    return readiness
