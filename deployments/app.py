"""Wire the graph: the only module that applies Ray Serve's decorators."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.exceptions import RayTaskError
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from deployments.api import make_api
from deployments.embedder import Embedded, Embedder
from deployments.predictor import Predictor
from deployments.wishes import Wish
from scope import EMBEDDED_BANK
from scope.bank_store import verify_bank
from scope.errors import ScopeError

# No `from __future__ import annotations` in this file: Serve looks at the annotation of
# `args`, and a string there silently turns validation off.


class AppConfig(BaseModel):
    """``applications[].args`` of serve_config.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bank: str = str(EMBEDDED_BANK)
    """Folder of the anchor bank."""
    alpha: float = Field(default=0.6, ge=0, le=1)
    """Dial of requests that ask for nothing: 0 = cheapest, 1 = most accurate."""


@serve.deployment(name="Embedder")
class EmbedderReplica(Embedder):
    """Replica of the embedder. Batching is all it adds."""

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.005)
    async def embed(self, prompts: list[str]) -> list[Embedded]:
        """Embed the prompts of one batch."""
        return await super().embed(prompts)


@serve.deployment(name="Predictor")
class PredictorReplica(Predictor):
    """Replica of the predictor. All behaviour is inherited."""


@serve.deployment(name="Router")
@serve.ingress()
class Router:
    """Replica that answers HTTP; no model in it, only handles."""

    def __init__(
        self, alpha: float, embedder: DeploymentHandle, predictor: DeploymentHandle
    ) -> None:
        self._alpha = alpha
        self._embedder, self._predictor = embedder, predictor

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the HTTP app; Serve calls this once per replica, after ``__init__``."""
        return make_api(self.decide)

    async def decide(self, prompt: str, wish: Wish) -> dict[str, Any]:
        """Embed, predict, choose; what a replica refuses arrives in its own words."""
        embedded = self._embedder.embed.remote(prompt)
        target = wish.aim() or {"alpha": self._alpha}
        try:
            decision: dict[str, Any] = await self._predictor.decide.remote(
                embedded, target, wish.allowed_models, wish.denied_models
            )
        except RayTaskError as error:
            if isinstance(error.cause, ScopeError):
                raise error.cause from None
            raise
        return decision


def build_app(args: AppConfig) -> Application:
    """Entry point named by ``import_path`` in serve_config.yaml."""
    spec = verify_bank(Path(args.bank)).embedder
    embedder = EmbedderReplica.bind(spec.name, spec.revision)
    return Router.bind(args.alpha, embedder, PredictorReplica.bind(args.bank))
