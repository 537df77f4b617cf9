"""Wire the graph: the only module that applies Ray Serve's decorators."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from ray.serve.context import _get_global_client
from ray.serve.handle import DeploymentHandle

from deployments.api import make_api
from deployments.embedder import Batching, Embedder, Vectors, texts_in
from deployments.hops import Hop
from deployments.prediction import Prediction
from deployments.predictor import Embedded, Predictor
from deployments.router import Router
from deployments.sessions import Held, Key
from deployments.shared_sessions import Peers
from scope import EMBEDDED_BANK
from scope.bank_store import load_bank, verify_bank
from scope.config import parse
from scope.errors import ScopeError

# No `from __future__ import annotations` in this file: Serve looks at the annotation of
# `args`, and a string there silently turns validation off.

log = logging.getLogger("ray.serve")


class AppConfig(BaseModel):
    """``applications[].args`` of serve_config.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bank: str = str(EMBEDDED_BANK)
    """Folder of the anchor bank, the same on every node."""


@serve.deployment(name="Embedder")
class EmbedderReplica(Embedder):
    """Replica of the embedder. Batching is all it adds."""

    _configured = False

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take another batch size and wait, or stay with those in force."""
        try:
            batching = parse(Batching, user_config, "the Embedder's user_config")
        except ScopeError as error:
            _refuse(error, configured=self._configured)
            return
        self.embed.set_max_batch_size(batching.max_batch_size)
        self.embed.set_batch_wait_timeout_s(batching.wait_s)
        self._configured = True

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.0, batch_size_fn=texts_in)
    async def embed(self, calls: list[list[str]]) -> list[Vectors]:
        """Embed the texts of one batch of calls."""
        return await asyncio.to_thread(super().embed, calls)


@serve.deployment(name="Predictor")
class PredictorReplica(Predictor):
    """Replica of the predictor. Batching is all it adds."""

    @serve.batch(max_batch_size=16, batch_wait_timeout_s=0.0)
    async def predict(self, calls: list[Embedded]) -> list[list[Prediction] | None]:
        """Foretell what came while the batch before was under way."""
        return await asyncio.to_thread(super().predict, calls)


@serve.deployment(name="Router")
@serve.ingress()
class RouterReplica:
    """Replica that answers HTTP; no encoder in it, only handles and a light copy of the bank."""

    def __init__(self, bank: str, embedder: DeploymentHandle, predictor: DeploymentHandle) -> None:
        host = _get_global_client().http_config.host
        embed = Hop("embedder", embedder.embed.remote)
        predict = Hop("predictor", predictor.predict.remote)
        context = serve.get_replica_context()
        self._router = Router(
            load_bank(Path(bank)),
            embed,
            predict,
            Peers(Hop("session", self._asked("held")), Hop("session", self._asked("note"))),
            host=host,
            name=context.replica_tag,
        )
        self._configured = False

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the HTTP app; Serve calls this once per replica, after ``__init__``."""
        return make_api(self._router)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take other settings, or stay with those in force."""
        try:
            await self._router.configure(user_config)
        except ScopeError as error:
            _refuse(error, configured=self._configured)
            self._router.refused()
        self._configured = True

    async def held(self, key: Key) -> Held | None:
        """Tell another replica what a session is on that belongs to this one."""
        return self._router.sessions.local.get(key)

    async def note(self, key: Key, held: Held) -> None:
        """Hear from another replica what a session is on."""
        self._router.sessions.local.put(key, held)

    def _asked(self, method: str) -> Callable[[Any], Awaitable[Any]]:
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


def _refuse(error: ScopeError, *, configured: bool) -> None:
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
    return RouterReplica.bind(args.bank, embedder, PredictorReplica.bind(args.bank))
