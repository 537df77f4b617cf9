"""Messages between the Router, the Embedder and the Predictor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from scope.arms import ArmColumns
from scope.arrays import Float32Array, FloatArray, IntArray
from scope.bank import Bank
from scope.embedding import EmbedderSpec
from scope.errors import ConfigError, UnknownModelError
from scope.policy import Policy
from scope.pool import ModelSpec
from scope.predictions import Estimates, Predictions
from scope.predictor import Neighbours
from scope.routing import PredictionSet


@dataclass(frozen=True, slots=True)
class Prediction:
    """Estimates for every model of a bank on one prompt, compact enough to cache by the thousand.

    Attributes
    ----------
    value_em : ndarray of shape (n_estimates, n_models)
        Rows as in `scope.predictions.COLUMNS`; NaN is unknown.
    similarity_k : ndarray of shape (n_near,)
    anchor_k : ndarray of int, shape (n_near,)
        Indices of the nearest anchors in the bank.
    source : str
        ``anchors``; ``knn`` (of anchors) or ``means`` (of models) where a replica failed.
    degraded : str or None
        Why the source is not a better one.
    fact : str or None
        What was known of the question: its value of the bank's fact, as its category.
    reasoner_2m : ndarray of shape (2, n_models), or None
        Answers of the reasoner so far: probability of yes, and tokens; NaN where there is none.
        They are not blended into the estimates: each request selects the answers it uses.
    """

    value_em: FloatArray
    similarity_k: FloatArray
    anchor_k: IntArray
    source: str = "anchors"
    degraded: str | None = None
    fact: str | None = None
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
    """Return the predictions for the eligible models, in their order and at their prices."""
    names = ("",) * len(predictions)
    all_models = Predictions(names, bank.model_ids, stack_estimates(predictions))
    unpriced = PredictionSet(all_models, bank.models, None, None, bank.routing_gain)
    return unpriced.select_models(tuple(model.id for model in models)).with_prices(models)


def predicted_arms(bank: Bank, arms: Iterable[str]) -> frozenset[str]:
    """Return the arms that a bank predicts: those that `eligible_prediction_set` accepts."""
    return frozenset(arm for arm in arms if _is_predicted(bank, arm))


def _is_predicted(bank: Bank, arm: str) -> bool:
    try:
        ArmColumns.resolve((arm,), bank.models, "the bank")
    except (UnknownModelError, ConfigError):
        return False
    return True


def stack_estimates(predictions: Sequence[Prediction]) -> Estimates:
    """Return the estimates of several prompts as arrays of shape (n_prompts, n_models)."""
    value_eqm = np.stack([prediction.value_em for prediction in predictions], axis=1)
    return Estimates.from_stack(value_eqm)


ReasoningMode = Literal["exact", "expected"]


class ReasoningQuestion(NamedTuple):
    """One question, with everything that its decision depends on."""

    text: str
    prediction: Prediction
    """For all models of the bank."""
    models: tuple[ModelSpec, ...]
    """The eligible models at current prices."""
    policy: Policy


class ReasoningRequest(NamedTuple):
    """The questions of one request."""

    bank: str
    """Version of the bank that was predicted from."""
    questions: list[ReasoningQuestion]
    mode: ReasoningMode
    max_concurrency: int
    timeout_s: float
    """Time limit of the answers, from the call on."""
    usd_per_mtok: float


class ReasoningResult(NamedTuple):
    """Queries and answers for one question."""

    answer_2m: FloatArray
    """As `Prediction.reasoner_2m`: the answers to use in the decision."""
    n_queries: int
    """Queries to the engine."""
    n_avoided: int
    """Eligible models without a query."""
    cancelled: int
    """Queries cancelled because they had become unnecessary."""
    failed: int
    """Queries without an answer."""
    degraded: str | None
    """Why answers are missing."""


class SelectionRequest(NamedTuple):
    """Several answers to one prompt, of which the Selector is to score each."""

    prompt: str
    responses: list[str]


class StrategyRequest(NamedTuple):
    """Texts for a learned router to predict for."""

    strategy: str
    """``hybridllm`` or ``bestroute``."""
    version: str
    """Of the learned router; during a roll-out a replica may have another one."""
    texts: list[str]


class EmbeddedTexts(NamedTuple):
    """The vectors of the texts of one call."""

    embedding_qd: Float32Array
    """NaN where a text could not be embedded."""
    features_qf: FloatArray
    """Of shape (n_texts, 0) from a second embedder: those of the first are used."""
    errors: list[str]
    """One for each text; empty where it was embedded."""
    embedder: EmbedderSpec
    """Embedder of the vectors; during the roll-out of a bank it may be another than expected."""


class PredictionRequest(NamedTuple):
    """Embedded prompts of one call."""

    bank: str
    """Version of the bank to predict from."""
    embedding_qd: Float32Array
    features_qf: FloatArray
    fact: str | None = None
    """What is known of all these prompts; a value that the bank has learned."""
    second_qy: Float32Array | None = None
    """Vectors of the second encoder, for a bank that uses one; NaN for a text that it could not
    embed, None where it was late. The first alone predicts those."""
