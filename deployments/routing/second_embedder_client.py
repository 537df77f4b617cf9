"""Vectors of a bank's second encoder, where they come in time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deployments.protocol import EmbeddedTexts, Prediction
from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from deployments.telemetry.metrics import Metrics
from deployments.tracing import span
from scope.arrays import Float32Array
from scope.embedding import EmbedderSpec

NAME = "second embedder"


@dataclass(frozen=True, slots=True)
class SecondVectors:
    """What the second encoder says about the texts of one batch.

    Attributes
    ----------
    vector_qy : ndarray of shape (n_texts, n_second_dimensions) or None
        Unit vectors; NaN for a text that could not be embedded. None: the encoder failed, or the
        bank has none.
    degraded_q : tuple of (str or None)
        Why the first encoder alone predicts a text; empty if the bank has no second one.
    """

    vector_qy: Float32Array | None
    degraded_q: tuple[str | None, ...]

    def mark_degraded(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Return the predictions, with the reason where the second encoder is missing."""
        if not any(self.degraded_q):
            return list(predictions)
        return [
            replace(prediction, degraded=reason) if reason else prediction
            for prediction, reason in zip(predictions, self.degraded_q, strict=True)
        ]


NO_SECOND = SecondVectors(None, ())


class SecondEmbedderClient:
    """Calls the second embedder; without it the first alone predicts, which the decision says.

    Parameters
    ----------
    embedder : RemoteMethod
        `Embedder.embed` of the second encoder.
    spec : EmbedderSpec
        That the bank was built with.
    metrics : Metrics
    """

    def __init__(self, embedder: RemoteMethod, spec: EmbedderSpec, metrics: Metrics) -> None:
        self._embedder, self._spec, self._metrics = embedder, spec, metrics

    async def embed(
        self, texts: Sequence[str], *, timeout_s: float, slow_call_s: float
    ) -> SecondVectors:
        """Return the vectors of all texts; never fails."""
        try:
            with (
                span("embed second", {"scope.prompts": len(texts)}),
                self._metrics.timer("embed_second"),
            ):
                embedded: EmbeddedTexts = await self._embedder.call(
                    texts, timeout_s=timeout_s, slow_call_s=slow_call_s
                )
                # During a roll-out it may belong to another bank.
                if not embedded.embedder.is_compatible_with(self._spec):
                    raise RemoteCallError(NAME, "of another bank")
        except RemoteCallError as error:
            return SecondVectors(None, (error.reason,) * len(texts))
        reasons = tuple(f"{NAME} broken" if error else None for error in embedded.errors)
        return SecondVectors(embedded.embedding_qd, reasons)
