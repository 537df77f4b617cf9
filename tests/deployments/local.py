"""A Router and its replicas in this process; the replicas can be made to fail."""

import hashlib
import socket
from contextlib import contextmanager
from dataclasses import replace
from inspect import isawaitable

import numpy as np
import uvicorn
from fastapi.testclient import TestClient

from deployments.gateway.api import make_api
from deployments.gateway.wiring import OptionalReplicas, RouterPeers, build_router
from deployments.protocol.messages import EmbeddedTexts
from deployments.protocol.remote_call import RemoteCallError
from deployments.replicas.learned_router import StrategyPredictor, check_routers
from deployments.replicas.predictor import Predictor
from deployments.routing.sessions import SessionPeers
from scope.bank.store import load_bank, save_bank
from scope.config import AnchorConfig
from scope.embedding.text_features import text_features
from scope.predictor.reference_population import predict_reference_population
from tests.factories.banks import two_kinds, unit

OPEN = {"access": {"anonymous": True}}


class LocalReplica:
    """Answers by a function of one argument, async or not; raises if `failing` is set."""

    def __init__(self, answer):
        self.answer, self.failing, self.calls = answer, None, []

    async def call(self, argument, *, timeout_s, slow_call_s):
        self.calls.append(argument)
        if self.failing:
            raise RemoteCallError(*self.failing)
        answer = self.answer(argument)
        return await answer if isawaitable(answer) else answer


def kind_of(text):
    """Return a vector near the anchors of law for a text about law, else of maths."""
    noise = np.frombuffer(hashlib.sha256(text.encode()).digest()[:7], np.uint8) / 255 - 0.5
    return [-1 if "law" in text else 1, *noise]


class Site:
    """A Router with its replicas and a client, and with an engine if one is given."""

    def __init__(
        self,
        folder,
        bank=None,
        *,
        reasoner=None,
        engine=None,
        reward=None,
        routers=None,
        second=None,
    ):
        """With `second`, from texts to vectors, a bank's second embedder runs."""
        bank = bank or two_kinds()
        bank = replace(bank, reference=predict_reference_population(bank, AnchorConfig()))
        save_bank(bank, folder / "bank", created_at="2026-01-01T00:00:00+00:00", sources=())
        self.bank = load_bank(folder / "bank")
        predictor = Predictor(str(folder / "bank"), reasoner, engine)
        self.embedder = LocalReplica(self._embed)
        self.predictor = LocalReplica(lambda call: predictor.predict([call])[0])
        self.reasoner = LocalReplica(predictor.reason) if engine else None
        self.second_embedder = second and LocalReplica(
            lambda texts: self._embedded(second(texts), texts, self.bank.second.embedder)
        )
        self.learned, self.reward = None, reward
        if routers:
            strategies = StrategyPredictor(routers)
            self.learned = LocalReplica(lambda call: strategies.predict([call])[0])
        self.peers = LocalReplica(lambda feedback: [self.router.feedback.record(feedback)])
        self.router = build_router(
            self.bank,
            self.embedder,
            self.predictor,
            RouterPeers(
                SessionPeers(LocalReplica(self._get_session), LocalReplica(self._put_session)),
                self.peers,
            ),
            host="127.0.0.1",
            name="local",
            more=OptionalReplicas(
                reasoner=self.reasoner,
                selector=reward,
                learned_router=self.learned,
                routers=check_routers(routers or {}),
                second_embedder=self.second_embedder,
            ),
        )

    def _embed(self, texts):
        vectors = unit([kind_of(text) for text in texts])
        return self._embedded(vectors, texts, self.bank.embedder)

    def _embedded(self, vectors, texts, spec):
        errors = ["" if np.isfinite(vector).all() else "cannot be embedded" for vector in vectors]
        return EmbeddedTexts(vectors, text_features(texts), errors, spec)

    def _get_session(self, argument):
        return self.router.sessions.local.get(argument[1])

    def _put_session(self, argument):
        self.router.sessions.local.put(*argument[1:])

    @contextmanager
    def open(self, **settings):
        """Serve the Router with these settings; yields a client, whose event loop it runs in."""
        with TestClient(make_api(self.router), raise_server_exceptions=False) as client:
            self.client = client
            self.configure(**settings)
            yield client

    @contextmanager
    def listening(self):
        """Serve the Router on a socket, too, in the event loop of the client; yields its URL."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            config = uvicorn.Config(self.client.app, log_level="critical", lifespan="off")
            server = uvicorn.Server(config)
            server.install_signal_handlers = lambda: None
            served = self.client.portal.start_task_soon(server.serve, [listener])
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                served.result()

    def configure(self, **settings):
        """Put settings in force."""
        self.client.portal.call(self.router.settings.replace, OPEN | settings)
