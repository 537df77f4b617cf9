"""Wire the graph: the only module that applies Ray Serve's decorators."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import ray
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from ray.serve.context import _get_global_client
from ray.serve.handle import DeploymentHandle

from deployments.gateway.api import make_api
from deployments.gateway.wiring import build_router
from deployments.protocol import EmbeddedTexts, Prediction, PredictionRequest
from deployments.protocol.remote_call import RemoteCall
from deployments.replicas import Batching, Embedder, batch_size
from deployments.replicas.engine import build_engine, engine_call
from deployments.replicas.predictor import Predictor
from deployments.replicas.reasoner import ReasonerArgs, check_reasoner
from deployments.routing.sessions import SessionKey, SessionPeers, SessionState
from scope import EMBEDDED_BANK
from scope.bank import load_bank, verify_bank
from scope.config import parse
from scope.errors import ScopeError
from scope.reasoner import check_capacity

# No `from __future__ import annotations` in this file: Serve looks at the annotation of
# `args`, and a string there silently turns validation off.

ENGINE_BREAKER_RESET_S = 5.0
"""How long an engine that failed is left alone; to start one takes a minute."""

log = logging.getLogger("ray.serve")


class AppConfig(BaseModel):
    """``applications[].args`` of serve_config.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bank: str = str(EMBEDDED_BANK)
    """Folder of the anchor bank, the same on every node."""
    reasoner: ReasonerArgs | None = None
    """The small LLM that is asked where the anchors leave a decision open; None: there is none."""


@serve.deployment(name="Embedder")
class EmbedderReplica(Embedder):
    """Replica of the embedder. Batching is all it adds."""

    _configured = False

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take another batch size and wait, or stay with those in force."""
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
    """Replica of the predictor. Batching and the handle of the engine are all it adds."""

    def __init__(
        self, bank: str, reasoner: ReasonerArgs | None, engine: DeploymentHandle | None
    ) -> None:
        hop = engine and RemoteCall("engine", engine_call(engine), open_s=ENGINE_BREAKER_RESET_S)
        super().__init__(bank, reasoner, hop)

    @serve.batch(max_batch_size=16, batch_wait_timeout_s=0.0)
    async def predict(self, calls: list[PredictionRequest]) -> list[list[Prediction] | None]:
        """Foretell what came while the batch before was under way."""
        return await asyncio.to_thread(super().predict, calls)


@serve.deployment(name="Router")
@serve.ingress()
class RouterReplica:
    """Replica that answers HTTP; no encoder in it, only handles and a light copy of the bank."""

    def __init__(
        self, bank: str, embedder: DeploymentHandle, predictor: DeploymentHandle, *, reasons: bool
    ) -> None:
        host = _get_global_client().http_config.host
        embed = RemoteCall("embedder", embedder.embed.remote)
        predict = RemoteCall("predictor", predictor.predict.remote)
        context = serve.get_replica_context()
        self._router = build_router(
            load_bank(Path(bank)),
            embed,
            predict,
            SessionPeers(
                RemoteCall("session", self._session_owner_call("get_session")),
                RemoteCall("session", self._session_owner_call("put_session")),
            ),
            host=host,
            name=context.replica_tag,
            reasoner=RemoteCall("reasoner", predictor.reason.remote) if reasons else None,
        )
        self._configured = False

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the HTTP app; Serve calls this once per replica, after ``__init__``."""
        return make_api(self._router)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take other settings, or stay with those in force."""
        try:
            await self._router.settings.replace(user_config)
        except ScopeError as error:
            _reject_settings(error, configured=self._configured)
            self._router.settings.mark_rejected()
        self._configured = True

    async def get_session(self, key: SessionKey) -> SessionState | None:
        """Tell another replica what a session is on that belongs to this one."""
        return self._router.sessions.local.get(key)

    async def put_session(self, key: SessionKey, held: SessionState) -> None:
        """Hear from another replica what a session is on."""
        self._router.sessions.local.put(key, held)

    def _session_owner_call(self, method: str) -> Callable[[Any], Awaitable[Any]]:
        """Return a call of the replica that a session belongs to."""
        context = serve.get_replica_context()

        def call(argument: tuple[Any, ...]) -> Awaitable[Any]:
            session_id, *rest = argument
            # Not before it is needed: this replica is still starting.
            router = serve.get_deployment_handle(context.deployment, context.app_name)
            return router.options(method_name=method, session_id=session_id).remote(*rest)

        return call

    async def check_health(self) -> None:
        """Have the light copy say something."""
        self._router.check_health()


def _reject_settings(error: ScopeError, *, configured: bool) -> None:
    """Refuse settings; older ones, if there are any, stay in force.

    Serve stops a replica whose ``reconfigure`` raises, so that a typo would take the service
    down. Only where there is nothing to stay with it has to.
    """
    if not configured:
        raise error
    log.error("settings stay as they were: %s", error)


def build_app(args: AppConfig) -> Application:
    """Entry point named by ``import_path`` in serve_config.yaml."""
    spec = verify_bank(Path(args.bank)).embedder
    embedder = EmbedderReplica.bind(spec.name, spec.revision)
    engine = None
    if args.reasoner is not None:
        check_reasoner(args.reasoner, load_bank(Path(args.bank)))
        check_capacity(args.reasoner.engine, [node.get("GPU", 0.0) for node in _nodes()])
        engine = build_engine(args.reasoner)
    predictor = PredictorReplica.bind(args.bank, args.reasoner, engine)
    return RouterReplica.bind(args.bank, embedder, predictor, reasons=engine is not None)


def _nodes() -> list[dict[str, float]]:
    """Return what each node of the cluster has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
