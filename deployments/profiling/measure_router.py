"""Time the Router's own code: its ASGI app in this process, with replicas that answer at once."""

import asyncio
import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI

from deployments.gateway.api import make_api
from deployments.gateway.wiring import OptionalReplicas, RouterPeers, build_router
from deployments.profiling.prompts import distinct_prompts
from deployments.profiling.service_times import RouterTimes
from deployments.protocol import EmbeddedTexts, PredictionRequest
from deployments.protocol.remote_call import RemoteCallError
from deployments.replicas.predictor import Predictor
from deployments.routing.sessions import SessionPeers
from scope.bank import Bank, load_bank
from scope.errors import ConfigError

SETTINGS = {"access": {"anonymous": True}, "limits": {"requests_per_minute": 1e9}}
MIN_REQUESTS = 10


class InstantReplica:
    """Answers every call at once with what an earlier call returned."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    async def call(self, argument: object, *, timeout_s: float, slow_call_s: float) -> Any:  # noqa: ANN401 - of the kind that a replica returns
        """Return the answer."""
        return self._answer


class AbsentPeers:
    """Stands for the other replicas of a Router that has none."""

    async def call(self, argument: object, *, timeout_s: float, slow_call_s: float) -> Any:  # noqa: ANN401
        """Raise `RemoteCallError`."""
        raise RemoteCallError("session", "down")


def measure_router(bank_folder: str, *, prompt_tokens: int, seconds: float) -> RouterTimes:
    """Time requests to ``/v1/route``, one after another.

    Parameters
    ----------
    bank_folder : str
    prompt_tokens : int
    seconds : float
        For requests never seen before, and again for one that was.
    """
    bank = load_bank(Path(bank_folder))
    return asyncio.run(_measure(bank, bank_folder, prompt_tokens, seconds))


async def _measure(bank: Bank, folder: str, prompt_tokens: int, seconds: float) -> RouterTimes:
    request = PredictionRequest(
        bank.version,
        bank.embedding_ad[:1].astype(np.float32),
        bank.features_af[:1],
        second_qy=bank.second_vectors(np.array([0])),
    )
    embedded = EmbeddedTexts(request.embedding_qd, request.features_qf, [""], bank.embedder)
    (predictions,) = Predictor(folder).predict([request])
    router = build_router(
        bank,
        InstantReplica(embedded),
        InstantReplica(predictions),
        RouterPeers(SessionPeers(AbsentPeers(), AbsentPeers()), AbsentPeers()),
        host="127.0.0.1",
        name="measured",
        more=OptionalReplicas(second_embedder=_second_embedder(bank)),
    )
    await router.settings.replace(SETTINGS)
    api, prompts = make_api(router), distinct_prompts(prompt_tokens, seed=3)
    try:
        for prompt in itertools.islice(prompts, MIN_REQUESTS):  # warm up
            await ask(api, prompt)
        uncached = [await ask(api, next(prompts)) for _ in _for(seconds)]
        cached = [await ask(api, "the same prompt?") for _ in _for(seconds)]
    finally:
        await router.settings.close()
    return RouterTimes(
        cached_s=float(np.median(cached)), uncached_s=float(np.median(uncached)), n=len(uncached)
    )


def _second_embedder(bank: Bank) -> InstantReplica | None:
    second = bank.second_in_use
    if second is None:
        return None
    return InstantReplica(
        EmbeddedTexts(second.vector_ay[:1], np.empty((1, 0)), [""], second.embedder)
    )


def _for(seconds: float) -> "itertools.takewhile[int]":
    """Count up for so long, at least to `MIN_REQUESTS`."""
    ends_at = time.perf_counter() + seconds
    return itertools.takewhile(
        lambda n: n < MIN_REQUESTS or time.perf_counter() < ends_at, itertools.count()
    )


async def ask(api: FastAPI, prompt: str) -> float:
    """Post a prompt to ``/v1/route``; return the seconds until its answer was complete.

    Raises
    ------
    ConfigError
        If the answer is no decision.
    """
    body = json.dumps({"prompt": prompt}).encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/route",
        "raw_path": b"/v1/route",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401 - a message of ASGI
        sent.append(message)

    began_s = time.perf_counter()
    await api(scope, receive, send)
    took_s = time.perf_counter() - began_s
    if sent[0]["status"] != 200:
        raise ConfigError(f"the Router answered {sent[0]['status']}: {sent[-1].get('body')!r:.200}")
    return took_s
