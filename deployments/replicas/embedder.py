"""The work of an Embedder replica: one encoder for the texts of several calls."""

import itertools
import threading
import time
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from deployments.protocol import EmbeddedTexts
from deployments.replicas.stuck import check_not_stuck
from scope.config import Backend, StrictModel
from scope.embedding import Encoder, text_features


class Batching(StrictModel):
    """The ``user_config`` of embedders, Selector and LearnedRouter: how they batch calls."""

    max_batch_size: int = Field(default=32, ge=1)
    """Texts in one batch; a call with more is a batch of its own."""
    wait_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """How long the first call of a batch waits for others; the calls that arrive during a batch
    form the next one anyway."""


class Embedder:
    """Embeds texts with an embedder of a bank.

    Parameters
    ----------
    name, revision : str
        As in the bank's `EmbedderSpec`.
    backend : {"onnx", "torch"}, optional
        What computes the vectors; None as in `Encoder`.
    layer : int, optional
        As in the bank's `EmbedderSpec`.
    has_features : bool, default=True
        Compute the features of the texts, too; those of the first embedder are enough.
    """

    def __init__(
        self,
        name: str,
        revision: str | None,
        backend: Backend | None = None,
        layer: int | None = None,
        *,
        has_features: bool = True,
    ) -> None:
        self._encoder = Encoder(name, revision=revision, backend=backend, layer=layer)
        self._has_features = has_features
        self._began_at: float | None = None
        self._lock = threading.Lock()

    def embed(self, calls: Sequence[Sequence[str]]) -> list[EmbeddedTexts]:
        """Return vectors and features of the texts of each call; this blocks."""
        texts = list(itertools.chain.from_iterable(calls))
        with self._lock:  # two batches at once would not be faster
            self._began_at = time.monotonic()
            try:
                embedding_qd, errors = self._encoder.encode_with_errors(texts)
            finally:
                self._began_at = None
        features_qf = text_features(texts) if self._has_features else np.empty((len(texts), 0))
        ends = np.cumsum([len(call) for call in calls])
        spans = [slice(end - len(call), end) for end, call in zip(ends, calls, strict=True)]
        spec = self._encoder.spec
        return [EmbeddedTexts(embedding_qd[s], features_qf[s], errors[s], spec) for s in spans]

    def check_health(self) -> None:
        """Raise `ConfigError` if a batch is stuck."""
        check_not_stuck(self._began_at)


def batch_size(calls: Sequence[Sequence[str]]) -> int:
    """Return the size of a batch for `Batching`; a single call always fits."""
    return 1 if len(calls) == 1 else sum(len(call) for call in calls)
