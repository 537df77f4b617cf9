"""Load test of an HTTP endpoint: one client for the latency, several for the throughput."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np

Body = Callable[[], dict[str, Any]]
DEGRADED = "x-scope-degraded"
TEXT = (
    "which of these is the best reason for a city to build more parks near the river when prices "
    "of food rise faster than wages and people have less time energy light glass water iron proof "
    "theorem market law cell nerve planet wave number set group poem battle treaty vote engine "
    "voltage acid bond orbit gene virus river stone cloud contract court loan tax model graph"
)


@dataclass(frozen=True)
class Target:
    """An endpoint and its requests; every call of `body` returns another one."""

    url: str
    body: Body
    count: int = 1
    """Prompts per request."""


@dataclass(frozen=True)
class Load:
    """Latency and duration of a load test."""

    latency_s: list[float]
    """Per request, until the first byte of a stream or the last byte of another response."""
    seconds: float

    @property
    def p50_ms(self) -> float:
        """Median latency."""
        return float(np.median(self.latency_s)) * 1000

    @property
    def per_s(self) -> float:
        """Requests per second."""
        return len(self.latency_s) / self.seconds


def prompts(seed: int = 0) -> Iterator[str]:
    """Yield distinct prompts of 100 to 300 characters."""
    rng, words = np.random.default_rng(seed), TEXT.split()
    for serial in itertools.count():
        text = " ".join(rng.choice(words, 60))
        yield f"Question {serial}: {text[: rng.integers(90, 280)]}?"


def load(target: Target, clients: int = 1, seconds: float = 5, *, stream: bool = False) -> Load:
    """Send requests for some seconds; each client sends one at a time, without pause."""
    return asyncio.run(_load(target, clients, seconds, stream))


async def _load(target: Target, clients: int, seconds: float, stream: bool) -> Load:
    latency_s: list[float] = []
    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(connector=connector) as session:
        start = time.perf_counter()

        async def client() -> None:
            while (sent := time.perf_counter()) < start + seconds:
                async with session.post(target.url, json=target.body()) as response:
                    if stream:
                        await response.content.readany()
                    first = time.perf_counter() - sent
                    text = await response.read()
                    if response.status != 200 or DEGRADED in response.headers:
                        raise RuntimeError(f"{target.url} answered {response.status}: {text!r}")
                latency_s.append(first if stream else time.perf_counter() - sent)

        await asyncio.gather(*(client() for _ in range(clients)))
        return Load(latency_s, time.perf_counter() - start)
