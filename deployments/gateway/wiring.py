"""Composition root of the Router: which part gets which others."""

from deployments.gateway.admission import Admission
from deployments.gateway.live_settings import ConfigurableParts, LiveSettings
from deployments.gateway.request_log import RequestLog
from deployments.gateway.router import Router
from deployments.protocol.remote_call import RemoteMethod
from deployments.routing import FallbackPredictor, PolicyChooser, PredictionCache
from deployments.routing.decider import DecisionService
from deployments.routing.prediction_client import PredictionClient
from deployments.routing.readiness import Readiness
from deployments.routing.reasoning_client import ReasoningClient
from deployments.routing.sessions import LocalSessions, SessionPeers, SessionStore
from deployments.settings import SessionSettings
from deployments.telemetry.metrics import Metrics
from deployments.upstream import FallbackExecutor, RetrySettings, UpstreamClient, UpstreamRegistry
from scope.bank import Bank


def build_router(
    bank: Bank,
    embedder: RemoteMethod,
    predictor: RemoteMethod,
    peers: SessionPeers,
    *,
    host: str,
    name: str,
    reasoner: RemoteMethod | None = None,
) -> Router:
    """Return a Router without settings; `Router.settings` takes them.

    Parameters
    ----------
    bank : Bank
    embedder, predictor : RemoteMethod
        `Embedder.embed` and `Predictor.predict`.
    peers : SessionPeers
        The sessions of all replicas of the Router.
    host : str
        Address that HTTP is bound to.
    name : str
        Unique name of the replica.
    reasoner : RemoteMethod, optional
        `Predictor.reason`; None if there is no engine.
    """
    metrics, cache, fallback = Metrics(), PredictionCache(0, bank.version), FallbackPredictor(bank)
    predictions = PredictionClient(bank, embedder, predictor, fallback, cache, metrics)
    reasoning = ReasoningClient(bank, reasoner, cache, metrics)
    sessions = SessionStore(LocalSessions(SessionSettings()), peers)
    upstreams, client = UpstreamRegistry(), UpstreamClient()
    executor = FallbackExecutor(upstreams, client, RetrySettings())
    request_log = RequestLog(bank.version, name, upstreams, metrics)
    readiness = Readiness(bank, embedder, predictor)
    parts = ConfigurableParts(
        cache=cache,
        client=client,
        executor=executor,
        metrics=metrics,
        readiness=readiness,
        reasoning=reasoning,
        request_log=request_log,
        sessions=sessions,
        upstreams=upstreams,
    )
    settings = LiveSettings(bank, host, parts)
    return Router(
        settings=settings,
        admission=Admission(settings, request_log.record),
        decider=DecisionService(predictions, reasoning, PolicyChooser(bank), sessions),
        executor=executor,
        sessions=sessions,
        readiness=readiness,
        fallback=fallback,
        metrics=metrics,
    )
