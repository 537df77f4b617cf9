"""The work of a LearnedRouter replica: match probabilities of the arms for texts."""

import itertools
import threading
import time
from collections.abc import Mapping, Sequence

import numpy as np

from deployments.protocol import Prediction, StrategyRequest
from deployments.replicas.stuck import check_not_stuck
from scope.errors import ConfigError
from scope.learned import LearnedRouter, RouterManifest, Strategy
from scope.predictions import Estimates


class StrategyPredictor:
    """Predicts with the learned routers of all strategies.

    Parameters
    ----------
    folders : mapping of Strategy to str
        Strategy -> folder of ``scope train router``.
    """

    def __init__(self, folders: Mapping[Strategy, str]) -> None:
        self._routers: dict[str, LearnedRouter] = {
            name: LearnedRouter.load(folder) for name, folder in folders.items()
        }
        self._began_at: float | None = None
        self._lock = threading.Lock()

    def predict(self, calls: Sequence[StrategyRequest]) -> list[list[Prediction] | None]:
        """Return the predictions of each call, for all arms of its router; this blocks.

        None for a call for another version: during the roll-out of a router both run.
        """
        with self._lock:  # two batches at once would not be faster
            self._began_at = time.monotonic()
            try:
                rows = {name: iter(self._predict(name, calls)) for name in self._routers}
            finally:
                self._began_at = None
        return [
            [next(rows[call.strategy]) for _ in call.texts] if self._matches(call) else None
            for call in calls
        ]

    def _predict(self, strategy: str, calls: Sequence[StrategyRequest]) -> list[Prediction]:
        """Return the predictions of one router for all its texts, in the order of the calls."""
        own = (c.texts for c in calls if c.strategy == strategy and self._matches(c))
        texts = list(itertools.chain.from_iterable(own))
        if not texts:
            return []
        predicted = self._routers[strategy].predict_with_errors(texts)
        return _predictions(predicted.estimates, predicted.errors, strategy)

    def _matches(self, call: StrategyRequest) -> bool:
        router = self._routers.get(call.strategy)
        return router is not None and router.version == call.version

    def check_health(self) -> None:
        """Raise `ConfigError` if a batch is stuck."""
        check_not_stuck(self._began_at)


def check_routers(folders: Mapping[Strategy, str]) -> dict[str, RouterManifest]:
    """Return the manifests of learned routers, by strategy.

    Raises
    ------
    ConfigError
        If a folder is none, or holds a router of another strategy.
    """
    manifests: dict[str, RouterManifest] = {}
    for strategy, folder in folders.items():
        manifests[strategy] = manifest = RouterManifest.load(folder)
        if manifest.spec.strategy != strategy:
            raise ConfigError(
                f"args.routers.{strategy}: {folder} holds a router of the strategy "
                f"{manifest.spec.strategy}"
            )
    return manifests


def n_texts(calls: Sequence[StrategyRequest]) -> int:
    """Return the size of a batch, in texts; a single call always fits."""
    return 1 if len(calls) == 1 else sum(len(call.texts) for call in calls)


def _predictions(estimates: Estimates, errors: Sequence[str], strategy: str) -> list[Prediction]:
    """Return one prediction for each text; it has no anchors."""
    similarity_k, anchor_k = np.empty(0), np.empty(0, dtype=np.int64)
    return [
        Prediction(
            value_em, similarity_k, anchor_k, strategy, f"{strategy} broken" if error else None
        )
        for value_em, error in zip(estimates.stack(axis=1), errors, strict=True)
    ]
