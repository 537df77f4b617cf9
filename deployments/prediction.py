"""What is foretold for one prompt: the part of a decision that no policy changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.bank import Bank
from scope.pool import ModelSpec
from scope.predicted_set import PredictionSet
from scope.predictions import ESTIMATE_FIELDS, Estimates, Predictions
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
    answer_2m : ndarray of shape (2, n_models), or None
        What the reasoner has said so far: probability of yes, and tokens; NaN where nothing.
        It is kept beside the estimates and not in them: which answers count is for each
        request to say.
    """

    value_em: FloatArray
    similarity_k: FloatArray
    anchor_k: IntArray
    source: str = "anchors"
    degraded: str | None = None
    reasoner_2m: FloatArray | None = None

    @classmethod
    def from_batch(
        cls,
        estimates: Estimates,
        near: Neighbours,
        source: str = "anchors",
        degraded: str | None = None,
    ) -> "list[Prediction]":
        """Return one prediction for each question of a batch."""
        value_qem = np.stack([getattr(estimates, name) for name in ESTIMATE_FIELDS], axis=1)
        rows = zip(value_qem, near.similarity_qk, near.anchor_qk, strict=True)
        return [cls(*row, source, degraded) for row in rows]


def eligible_prediction_set(
    predictions: Sequence[Prediction], bank: Bank, models: tuple[ModelSpec, ...]
) -> PredictionSet:
    """Return what is foretold of the permitted models, in their order and at their prices."""
    names = ("",) * len(predictions)
    everyone = Predictions(names, bank.model_ids, stack_estimates(predictions))
    unpriced = PredictionSet(everyone, bank.models, None, None)
    return unpriced.select_models(tuple(model.id for model in models)).with_prices(models)


def stack_estimates(predictions: Sequence[Prediction]) -> Estimates:
    """Return what is foretold for several prompts as arrays of shape (n_prompts, n_models)."""
    value_eqm = np.stack([prediction.value_em for prediction in predictions], axis=1)
    return Estimates(*value_eqm)
