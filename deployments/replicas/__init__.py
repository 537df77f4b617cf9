"""The work of the Embedder, Predictor and engine replicas."""

from deployments.replicas.embedder import Batching, Embedder, batch_size

__all__ = [
    "Batching",
    "Embedder",
    "batch_size",
]
