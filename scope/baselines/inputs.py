"""The inputs of the baselines: a bank's anchors as matrices."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, Float32Array, FloatArray
from scope.bank import Bank
from scope.evaluation import log_loss
from scope.sampling import hash_sample

VALIDATION_SHARE = 0.2
"""Share of the anchors on which a baseline selects its hyperparameters."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Inputs and outcomes of anchors; NaN where a model was not measured.

    Attributes
    ----------
    design_af : ndarray of shape (n_anchors, n_inputs)
        As `DesignMatrix.transform` returns them.
    correct_am : ndarray of shape (n_anchors, n_models)
    """

    design_af: FloatArray
    correct_am: FloatArray

    def select(self, kept_a: BoolArray) -> "TrainingSet":
        """Return some of the anchors."""
        return TrainingSet(self.design_af[kept_a], self.correct_am[kept_a])

    def mean_m(self) -> FloatArray:
        """Return each model's mean accuracy, with one correct and one wrong answer added.

        A model without an outcome among these anchors has a mean of 1/2.
        """
        known_am = ~np.isnan(self.correct_am)
        correct_m = np.where(known_am, self.correct_am, 0.0).sum(axis=0)
        mean_m: FloatArray = (correct_m + 1) / (known_am.sum(axis=0) + 2)
        return mean_m


class DesignMatrix:
    """Embedding and log text features, each column standardised over the anchors."""

    def __init__(self, bank: Bank) -> None:
        raw_af = _raw(bank.embedding_ad, bank.features_af)
        self._mean_f = raw_af.mean(axis=0)
        spread_f = raw_af.std(axis=0)
        self._spread_f = np.where(spread_f > 0, spread_f, 1.0)

    def transform(self, embedding_qd: Float32Array, features_qf: FloatArray) -> FloatArray:
        """Return inputs of shape (n_questions, n_dimensions + n_features)."""
        scaled: FloatArray = (_raw(embedding_qd, features_qf) - self._mean_f) / self._spread_f
        return scaled


def validation_mask(ids: tuple[str, ...]) -> BoolArray:
    """Return the mask of validation anchors, drawn by a hash of their ids."""
    kept = np.zeros(len(ids), dtype=np.bool_)
    kept[hash_sample(ids, round(VALIDATION_SHARE * len(ids)))] = True
    return kept


def known_log_loss(p_am: FloatArray, correct_am: FloatArray) -> float:
    """Return the log loss over the cells where both forecast and outcome are known."""
    known_am = ~np.isnan(p_am + correct_am)
    return log_loss(p_am[known_am], correct_am[known_am])


def _raw(embedding_nd: Float32Array, features_nf: FloatArray) -> FloatArray:
    raw: FloatArray = np.hstack([embedding_nd.astype(np.float64), np.log1p(features_nf)])
    return raw
