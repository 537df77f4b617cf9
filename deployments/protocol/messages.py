"""What the Router asks of the reasoner, by way of the Predictor, and under which settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from scope.arrays import Float32Array, FloatArray, IntArray
from scope.bank import Bank
from scope.embedding import EmbedderSpec
from scope.policy import Policy
from scope.pool import ModelSpec
from scope.predictions import Estimates, Predictions
from scope.predictor import Neighbours
from scope.routing import PredictionSet


@dataclass(frozen=True, slots=True)
class Prediction:
    """Estimates of every model of a bank for one prompt; small enough to keep by the thousand.

    Attributes
    ----------
    value_em : ndarray of shape (n_estimates, n_models)
        Rows as in `scope.predictions.COLUMNS`; NaN is unknown.
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
        rows = zip(estimates.stack(axis=1), near.similarity_qk, near.anchor_qk, strict=True)
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
    return Estimates.from_stack(value_eqm)


ReasoningMode = Literal["exact", "expected"]


class ReasoningQuestion(NamedTuple):
    """One question, with all that its decision rests on."""

    text: str
    prediction: Prediction
    """Of all models of the bank."""
    models: tuple[ModelSpec, ...]
    """The permitted ones, at today's prices."""
    policy: Policy


class ReasoningRequest(NamedTuple):
    """The questions of one request."""

    bank: str
    """Version of the bank that was predicted from."""
    questions: list[ReasoningQuestion]
    mode: ReasoningMode
    max_concurrency: int
    timeout_s: float
    """When the answers are wanted, counted from their being asked for."""
    usd_per_mtok: float


class ReasoningResult(NamedTuple):
    """What asking came to for one question."""

    answer_2m: FloatArray
    """As in a `Prediction`: what takes part in the decision."""
    n_queries: int
    """Calls of the engine."""
    n_avoided: int
    """Permitted models about which nothing had to be asked."""
    cancelled: int
    """Calls that became needless under way."""
    failed: int
    """Calls that brought nothing."""
    degraded: str | None
    """Why less is known than could be."""


class EmbeddedTexts(NamedTuple):
    """What became of the texts of one call."""

    embedding_qd: Float32Array
    """NaN where a text could not be embedded."""
    features_qf: FloatArray
    errors: list[str]
    """Why not; empty where it could."""
    embedder: EmbedderSpec
    """What the vectors were made with; while a new bank rolls out, not always what was wanted."""


class PredictionRequest(NamedTuple):
    """Prompts of one call, embedded."""

    bank: str
    """Version of the bank whose predictions are wanted."""
    embedding_qd: Float32Array
    features_qf: FloatArray
