"""Whether decisions rest on all there is: both replicas answer, and settings are there."""

import asyncio
import time

import numpy as np

from deployments.protocol import PredictionRequest
from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from scope.bank import Bank

PATIENCE_S = 2.0
PROBE_TTL_S = 1.0
"""Probes that come faster get the state as it was: nobody needs a key to ask."""


class Readiness:
    """Asks the replicas for one prompt's worth of work.

    Parameters
    ----------
    bank : Bank
    embedder, predictor : RemoteMethod
    """

    def __init__(self, bank: Bank, embedder: RemoteMethod, predictor: RemoteMethod) -> None:
        vector_qd = bank.embedding_ad[:1].astype(np.float32)
        anchor = PredictionRequest(bank.version, vector_qd, bank.features_af[:1])
        self._probes = {"embedder": (embedder, ["ready?"]), "predictor": (predictor, anchor)}
        self._asking, self._known_at = asyncio.Lock(), -PROBE_TTL_S
        self._replicas: dict[str, str] = {}
        self.settings = "missing"
        """``ok``, ``missing``, or ``rejected`` where older ones are in force: no reason to stop."""

    async def state(self) -> dict[str, str]:
        """Return ``status`` and what is the matter with each part, ``ok`` if nothing is."""
        async with self._asking:
            if time.monotonic() - self._known_at >= PROBE_TTL_S:
                said = await asyncio.gather(*(self._probe(name) for name in self._probes))
                self._replicas = dict(zip(self._probes, said, strict=True))
                self._known_at = time.monotonic()
        replicas_ok = all(said == "ok" for said in self._replicas.values())
        ready = replicas_ok and self.settings != "missing"
        status = "ready" if ready else "not ready"
        return {"status": status, "settings": self.settings, **self._replicas}

    async def _probe(self, name: str) -> str:
        replica, argument = self._probes[name]
        try:
            answer = await replica.call(argument, timeout_s=PATIENCE_S, slow_call_s=PATIENCE_S)
        except RemoteCallError as error:
            return error.kind
        return "ok" if answer is not None else "of another bank"
