"""Wire the graph: the only module that applies Ray Serve's decorators."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from deployments.gateway.api import make_api
from deployments.gateway.feedback import Feedback, FeedbackReceipt
from deployments.gateway.wiring import OptionalReplicas, RouterPeers, build_router
from deployments.protocol import (
    EmbeddedTexts,
    Prediction,
    PredictionRequest,
    SelectionRequest,
    StrategyRequest,
)
from deployments.protocol.ray_internals import http_host
from deployments.protocol.remote_call import RemoteCall
from deployments.replicas import Batching, Embedder, batch_size
from deployments.replicas.app_config import AppConfig
from deployments.replicas.engine import build_engine, engine_call
from deployments.replicas.learned_router import StrategyPredictor, check_routers, n_texts
from deployments.replicas.predictor import Predictor
from deployments.replicas.reasoner import ReasonerArgs, check_reasoner
from deployments.replicas.selector import Selector, SelectorArgs, n_responses
from deployments.routing.second_embedder_client import NAME as SECOND_EMBEDDER
from deployments.routing.sessions import SessionKey, SessionPeers, SessionState
from scope.bank import BankManifest, load_bank, verify_bank
from scope.config import parse
from scope.errors import ScopeError
from scope.learned import Strategy
from scope.reasoner import check_capacity

# No `from __future__ import annotations` in this file: Serve reads the annotation of `args`, and
# silently skips validation if it is a string.

ENGINE_BREAKER_RESET_S = 5.0
"""Time until a failed engine is called again; starting one takes a minute."""

SECOND_EMBEDDER_SCALING = {
    "min_replicas": 1,
    "max_replicas": 2,
    "target_ongoing_requests": 16,
    "metrics_interval_s": 1,
    "look_back_period_s": 4,
    "upscale_delay_s": 2,
    "downscale_delay_s": 120,
}
"""How the SecondEmbedder grows where the configuration has no block for it."""

log = logging.getLogger("ray.serve")


@serve.deployment(name="Embedder")
class EmbedderReplica(Embedder):
    """Replica of the embedder; it adds batching."""

    _configured = False

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Put a batch size and wait in force; wrong ones change nothing."""
        try:
            batching = parse(Batching, user_config, "the Embedder's user_config")
        except ScopeError as error:
            _reject_settings(error, configured=self._configured)
            return
        self.embed.set_max_batch_size(batching.max_batch_size)
        self.embed.set_batch_wait_timeout_s(batching.wait_s)
        self._configured = True

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.0, batch_size_fn=batch_size)
    async def embed(self, calls: list[list[str]]) -> list[EmbeddedTexts]:
        """Embed the texts of one batch of calls."""
        return await asyncio.to_thread(super().embed, calls)


@serve.deployment(name="Predictor")
class PredictorReplica(Predictor):
    """Replica of the predictor; it adds batching and the handle of the engine."""

    def __init__(
        self, bank: str, reasoner: ReasonerArgs | None, engine: DeploymentHandle | None
    ) -> None:
        call = engine and RemoteCall("engine", engine_call(engine), open_s=ENGINE_BREAKER_RESET_S)
        super().__init__(bank, reasoner, call)

    @serve.batch(max_batch_size=16, batch_wait_timeout_s=0.0)
    async def predict(self, calls: list[PredictionRequest]) -> list[list[Prediction] | None]:
        """Predict for the calls of one batch."""
        return await asyncio.to_thread(super().predict, calls)


@serve.deployment(name="Selector")
class SelectorReplica(Selector):
    """Replica of the reward model; it adds batching."""

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Put a batch size and wait in force."""
        _set_batching(self.score, user_config, "the Selector's user_config")

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.0, batch_size_fn=n_responses)
    async def score(self, calls: list[SelectionRequest]) -> list[list[float]]:
        """Score the answers of one batch of calls."""
        return await asyncio.to_thread(super().score, calls)


@serve.deployment(name="LearnedRouter")
class LearnedRouterReplica(StrategyPredictor):
    """Replica of the learned routers; it adds batching."""

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Put a batch size and wait in force."""
        _set_batching(self.predict, user_config, "the LearnedRouter's user_config")

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.0, batch_size_fn=n_texts)
    async def predict(self, calls: list[StrategyRequest]) -> list[list[Prediction] | None]:
        """Predict for the texts of one batch of calls."""
        return await asyncio.to_thread(super().predict, calls)


@serve.deployment(name="Router")
@serve.ingress()
class RouterReplica:
    """Replica that answers HTTP; it holds the bank and handles of the others, and no encoder."""

    def __init__(
        self,
        bank: str,
        embedder: DeploymentHandle,
        predictor: DeploymentHandle,
        *,
        has_engine: bool,
        selector: DeploymentHandle | None,
        learned_router: DeploymentHandle | None,
        second_embedder: DeploymentHandle | None,
        routers: dict[Strategy, str],
    ) -> None:
        host = http_host()
        embed = RemoteCall("embedder", embedder.embed.remote)
        predict = RemoteCall("predictor", predictor.predict.remote)
        context = serve.get_replica_context()
        self._router = build_router(
            load_bank(Path(bank)),
            embed,
            predict,
            RouterPeers(
                SessionPeers(
                    RemoteCall("session", self._session_owner_call("get_session")),
                    RemoteCall("session", self._session_owner_call("put_session")),
                ),
                RemoteCall("router", self._record_feedback_everywhere),
            ),
            host=host,
            name=context.replica_tag,
            more=OptionalReplicas(
                reasoner=RemoteCall("reasoner", predictor.reason.remote) if has_engine else None,
                selector=selector and RemoteCall("selector", selector.score.remote),
                learned_router=learned_router
                and RemoteCall("learned router", learned_router.predict.remote),
                routers=check_routers(routers),
                second_embedder=second_embedder
                and RemoteCall(SECOND_EMBEDDER, second_embedder.embed.remote),
            ),
        )
        self._configured = False

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the HTTP app; Serve calls this once per replica, after ``__init__``."""
        return make_api(self._router)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Put settings in force; wrong ones change nothing."""
        try:
            await self._router.settings.replace(user_config)
        except ScopeError as error:
            _reject_settings(error, configured=self._configured)
            self._router.settings.mark_rejected()
        self._configured = True

    async def get_session(self, key: SessionKey) -> SessionState | None:
        """Return the state of a session that belongs to this replica."""
        return self._router.sessions.local.get(key)

    async def put_session(self, key: SessionKey, state: SessionState) -> None:
        """Store the state of a session that belongs to this replica."""
        self._router.sessions.local.put(key, state)

    async def record_feedback(self, feedback: Feedback) -> FeedbackReceipt | None:
        """Count a score if the decision is one of this replica."""
        return self._router.feedback.record(feedback)

    async def _record_feedback_everywhere(self, feedback: Feedback) -> list[Any]:
        """Return what `record_feedback` of every replica returns or raises."""
        context = serve.get_replica_context()
        router = serve.get_deployment_handle(context.deployment, context.app_name)
        answers = router.broadcast("record_feedback", feedback)
        return await answers.results_async(return_exceptions=True)

    def _session_owner_call(self, method: str) -> Callable[[Any], Awaitable[Any]]:
        """Return a call of a method on the replica that a session belongs to."""
        context = serve.get_replica_context()

        def call(argument: tuple[Any, ...]) -> Awaitable[Any]:
            session_id, *rest = argument
            # The handle is made here because this replica is still starting in `__init__`.
            router = serve.get_deployment_handle(context.deployment, context.app_name)
            return router.options(method_name=method, session_id=session_id).remote(*rest)

        return call

    async def check_health(self) -> None:
        """Make a prediction from the local bank; raises if it fails."""
        self._router.check_health()


def _set_batching(batched: Any, user_config: dict[str, Any], source: str) -> None:  # noqa: ANN401 - what `serve.batch` makes of a method
    """Put a batch size and wait in force; wrong ones change nothing."""
    try:
        batching = parse(Batching, user_config, source)
    except ScopeError as error:
        # The defaults of the decorator are in force, so that a typo takes no service down.
        _reject_settings(error, configured=True)
        return
    batched.set_max_batch_size(batching.max_batch_size)
    batched.set_batch_wait_timeout_s(batching.wait_s)


def _reject_settings(error: ScopeError, *, configured: bool) -> None:
    """Log the error of rejected settings; raise it if no settings are in force.

    Serve stops a replica whose ``reconfigure`` raises, so that a typo would take the service
    down.
    """
    if not configured:
        raise error
    log.error("new settings rejected, the old ones stay in force: %s", error)


def build_app(args: AppConfig) -> Application:
    """Return the graph; ``import_path`` in serve_config.yaml names this function."""
    manifest = verify_bank(Path(args.bank))
    spec = manifest.embedder
    embedder = EmbedderReplica.bind(spec.name, spec.revision, args.encoder_backend, spec.layer)
    engine = None
    if args.reasoner is not None:
        check_reasoner(args.reasoner, load_bank(Path(args.bank)))
        check_capacity(args.reasoner.engine, [node.get("GPU", 0.0) for node in _nodes()])
        engine = build_engine(args.reasoner)
    predictor = PredictorReplica.bind(args.bank, args.reasoner, engine)
    check_routers(args.routers)
    selector = None
    if isinstance(args.selector, SelectorArgs):
        args.selector.check()
        selector = SelectorReplica.bind(args.selector)
    return RouterReplica.bind(
        args.bank,
        embedder,
        predictor,
        has_engine=engine is not None,
        selector=selector,
        learned_router=LearnedRouterReplica.bind(args.routers) if args.routers else None,
        second_embedder=_second_embedder(manifest),
        routers=args.routers,
    )


def _second_embedder(manifest: BankManifest) -> Application | None:
    """Return the deployment of the bank's second encoder; None if the bank uses none."""
    spec = manifest.second_embedder
    if spec is None or not manifest.uses_second_encoder:
        return None
    second = EmbedderReplica.options(
        name="SecondEmbedder",
        max_ongoing_requests=64,
        max_queued_requests=256,
        autoscaling_config=SECOND_EMBEDDER_SCALING,
    )
    return second.bind(spec.name, spec.revision, None, spec.layer, has_features=False)


def _nodes() -> list[dict[str, float]]:
    """Return the resources of each node that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
