"""Readiness: both replicas answer and settings are active."""

import asyncio
import time

import numpy as np

from deployments.protocol import PredictionRequest
from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from scope.bank import Bank

TIMEOUT_S = 2.0
PROBE_TTL_S = 1.0
"""Faster probes get the cached state: the endpoint needs no API key."""


class Readiness:
    """Probes the replicas with one prompt each.

    Parameters
    ----------
    bank : Bank
    embedder, predictor : RemoteMethod
    """

    def __init__(self, bank: Bank, embedder: RemoteMethod, predictor: RemoteMethod) -> None:
        vector_qd = bank.embedding_ad[:1].astype(np.float32)
        anchor = PredictionRequest(bank.version, vector_qd, bank.features_af[:1])
        self._probes: dict[str, tuple[RemoteMethod, object]] = {
            "embedder": (embedder, ["ready?"]),
            "predictor": (predictor, anchor),
        }
        self._bank = bank.version
        self._probing, self._probed_at = asyncio.Lock(), -PROBE_TTL_S
        self._replicas: dict[str, str] = {}
        self.settings = "missing"
        """``ok``, ``missing``, or ``rejected`` where older settings stay active (still ready)."""

    def add(self, name: str, replica: RemoteMethod, argument: object) -> None:
        """Probe another replica, too, with this argument."""
        self._probes[name] = replica, argument

    async def state(self) -> dict[str, str]:
        """Return ``status``, the version of the bank, and each part: ``ok`` or what is wrong."""
        async with self._probing:
            if time.monotonic() - self._probed_at >= PROBE_TTL_S:
                states = await asyncio.gather(*(self._probe(name) for name in self._probes))
                self._replicas = dict(zip(self._probes, states, strict=True))
                self._probed_at = time.monotonic()
        replicas_ok = all(state == "ok" for state in self._replicas.values())
        ready = replicas_ok and self.settings != "missing"
        status = "ready" if ready else "not ready"
        return {
            "status": status,
            "bank": self._bank,
            "settings": self.settings,
            **self._replicas,
        }

    async def _probe(self, name: str) -> str:
        replica, argument = self._probes[name]
        try:
            answer = await replica.call(argument, timeout_s=TIMEOUT_S, slow_call_s=TIMEOUT_S)
        except RemoteCallError as error:
            return error.kind
        return "ok" if answer is not None else "of another bank"
