"""Wire the graph: the only module that applies Ray Serve's decorators."""

import asyncio
import logging
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

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take other batch sizes and waits."""
        batching = parse(Batching, user_config, "the Embedder's user_config")
        self.embed.set_max_batch_size(batching.max_batch_size)
        self.embed.set_batch_wait_timeout_s(batching.wait_s)

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.005, batch_size_fn=texts_in)
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
        name = serve.get_replica_context().replica_tag
        self._router = Router(load_bank(Path(bank)), embed, predict, host=host, name=name)
        self._configured = False

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the HTTP app; Serve calls this once per replica, after ``__init__``."""
        return make_api(self._router)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take other settings; wrong ones leave those in force as they are.

        Serve stops a replica whose ``reconfigure`` raises, so that a typo would take the
        service down. Only at the start, with nothing to stay with, it does raise.
        """
        try:
            await self._router.configure(user_config)
        except ScopeError as error:
            if not self._configured:
                raise
            self._router.refuse(error)
        self._configured = True


def build_app(args: AppConfig) -> Application:
    """Entry point named by ``import_path`` in serve_config.yaml."""
    spec = verify_bank(Path(args.bank)).embedder
    embedder = EmbedderReplica.bind(spec.name, spec.revision)
    return RouterReplica.bind(args.bank, embedder, PredictorReplica.bind(args.bank))
