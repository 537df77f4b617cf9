"""Baseline Serve graphs: the shape of ours, without its work."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from httpx_aiohttp import AiohttpTransport
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from scope.embedding.encoder import Encoder

EMBEDDERS = 2
"""Replicas of the batched deployment, as in serve_config.yaml."""

# No `from __future__ import annotations` in this file: Serve reads the annotation of `args`.


@serve.deployment
class Empty:
    """Takes a batch of prompts and returns their lengths."""

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.0)
    async def embed(self, prompts: list[str]) -> list[Any]:
        """Return the length of each."""
        return [len(prompt) for prompt in prompts]


@serve.deployment
class Bare:
    """Takes a batch of prompts and embeds them with torch, in a thread."""

    def __init__(self) -> None:
        self._encoder = Encoder(backend="torch")

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.0)
    async def embed(self, prompts: list[str]) -> list[Any]:
        """Return the vector of each."""
        encode = self._encoder._model.encode
        embedding_qd = await asyncio.to_thread(encode, prompts, show_progress_bar=False)
        return list(embedding_qd)


@serve.deployment
class Last:
    """Takes the result of the batched deployment and answers."""

    def decide(self, result: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return a small JSON object."""
        return {"model": "any", "type": str(type(result))}


@serve.deployment
@serve.ingress()
class Ingress:
    """Answers HTTP: calls the batched deployment, then the last one."""

    def __init__(self, batched: DeploymentHandle, last: DeploymentHandle) -> None:
        self._batched, self._last = batched, last

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the HTTP app."""
        api = FastAPI()

        @api.post("/")
        async def route(request: Request) -> dict[str, Any]:
            prompt = (await request.json())["prompt"]
            return await self._last.decide.remote(await self._batched.embed.remote(prompt))

        @api.post("/here")
        async def here(request: Request) -> dict[str, Any]:
            return {"length": len((await request.json())["prompt"])}

        return api


@serve.deployment
@serve.ingress()
class PassThrough:
    """Passes the stream of an upstream through."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, transport=AiohttpTransport())

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the HTTP app."""
        api = FastAPI()

        @api.post("/")
        async def chat(request: Request) -> StreamingResponse:
            return StreamingResponse(self._chunks(await request.json()))

        return api

    async def _chunks(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        async with self._client.stream("POST", "/chat/completions", json=body) as response:
            async for chunk in response.aiter_raw():
                yield chunk


def empty(args: dict[str, Any]) -> Application:
    """Return ingress, batched deployment and deployment, without work."""
    batched = Empty.options(**args, num_replicas=EMBEDDERS).bind()
    return Ingress.options(**args).bind(batched, Last.options(**args).bind())


def encoder(args: dict[str, Any]) -> Application:
    """Return the same, with the encoder in the batched deployment."""
    batched = Bare.options(**args, num_replicas=EMBEDDERS).bind()
    return Ingress.options(**args).bind(batched, Last.options(**args).bind())


def stream(args: dict[str, Any]) -> Application:
    """Return an ingress that passes the stream of ``base_url`` through."""
    base_url = args.pop("base_url")
    return PassThrough.options(**args).bind(base_url)
