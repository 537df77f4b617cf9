"""The work of the Embedder, Predictor and engine replicas, without Ray."""

from deployments.replicas.embedder import Batching, Embedder, batch_size

__all__ = [
    "Batching",
    "Embedder",
    "batch_size",
]
