"""A Serve graph of the shape of ours whose replicas wait where ours compute.

Real work does not get faster with replicas that share two cores; waiting does, so that this graph
shows what autoscaling is worth on one machine.
"""

import asyncio
import time
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request

START_S = 4.0
"""Of an Embedder and a Predictor, with the time that a process takes: as ours, with a bank."""
BATCH_SIZE = 4

# No `from __future__ import annotations` in this file: Serve reads the annotation of `args`.


@serve.deployment(name="Embedder")
class WaitingEmbedder:
    """Answers batches of four in 0.5 s: 8 requests a second."""

    def __init__(self) -> None:
        time.sleep(START_S)

    @serve.batch(max_batch_size=BATCH_SIZE, batch_wait_timeout_s=0.0)
    async def embed(self, prompts: list[str]) -> list[int]:
        """Return the length of each prompt."""
        await asyncio.sleep(0.1 + 0.1 * len(prompts))
        return [len(prompt) for prompt in prompts]


@serve.deployment(name="Predictor")
class WaitingPredictor:
    """Answers batches of four in 0.45 s: 9 requests a second."""

    def __init__(self) -> None:
        time.sleep(START_S)

    @serve.batch(max_batch_size=BATCH_SIZE, batch_wait_timeout_s=0.0)
    async def predict(self, lengths: list[int]) -> list[int]:
        """Return the lengths."""
        await asyncio.sleep(0.05 + 0.1 * len(lengths))
        return lengths


@serve.deployment(name="Router")
class WaitingRouter:
    """Answers HTTP: calls the Embedder, then the Predictor."""

    def __init__(self, embedder: DeploymentHandle, predictor: DeploymentHandle) -> None:
        self._embed, self._predict = embedder.embed, predictor.predict

    async def __call__(self, request: Request) -> dict[str, int]:
        """Return the length of the prompt."""
        length = await self._embed.remote((await request.body()).decode())
        return {"length": await self._predict.remote(length)}


def build(args: dict[str, Any]) -> Application:
    """Return the graph; `args` are options of every deployment."""
    embedder = WaitingEmbedder.options(**args).bind()
    predictor = WaitingPredictor.options(**args).bind()
    return WaitingRouter.options(**args).bind(embedder, predictor)
