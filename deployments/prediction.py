"""What is foretold for one prompt: the part of a decision that no policy changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scope.arrays import Floats, Ints
from scope.predictions import ESTIMATES, Estimates
from scope.predictor import Neighbours


@dataclass(frozen=True, slots=True)
class Prediction:
    """Estimates of every model of a bank for one prompt; small enough to keep by the thousand.

    Attributes
    ----------
    value_em : ndarray of shape (n_estimates, n_models)
        Rows as in `scope.predictions.ESTIMATES`; NaN is unknown.
    similarity_k : ndarray of shape (n_near,)
    anchor_k : ndarray of int, shape (n_near,)
        The nearest anchors by their place in the bank.
    source : str
        What it rests on: ``anchors``; ``votes`` of anchors or ``averages`` where a replica failed.
    degraded : str or None
        Why it does not rest on more.
    """

    value_em: Floats
    similarity_k: Floats
    anchor_k: Ints
    source: str = "anchors"
    degraded: str | None = None

    @classmethod
    def of_each(
        cls,
        estimates: Estimates,
        near: Neighbours,
        source: str = "anchors",
        degraded: str | None = None,
    ) -> "list[Prediction]":
        """Return one prediction for each question of a batch."""
        value_qem = np.stack([getattr(estimates, name) for name in ESTIMATES], axis=1)
        rows = zip(value_qem, near.similarity_qk, near.anchor_qk, strict=True)
        return [cls(*row, source, degraded) for row in rows]


def estimates_of(predictions: Sequence[Prediction]) -> Estimates:
    """Return what is foretold for several prompts as arrays of shape (n_prompts, n_models)."""
    value_eqm = np.stack([prediction.value_em for prediction in predictions], axis=1)
    return Estimates(*value_eqm)
