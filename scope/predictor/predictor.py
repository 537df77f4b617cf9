"""Predict correctness, tokens and cost of every model from a bank."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scope.arrays import Float32Array, FloatArray, IntArray
from scope.bank import CANDIDATES, Bank
from scope.config import AnchorConfig
from scope.embedding import AnchorIndex
from scope.errors import BankError
from scope.forecast import (
    Forecast,
    Forecaster,
    KNNForecaster,
    PromptTokenRegression,
    effective_sample_size,
    measured_anchors,
    similarity_weights,
)
from scope.pool import cost_usd
from scope.predictions import Estimates, IntervalEstimate
from scope.predictor.cosine_threshold import cosine_threshold
from scope.predictor.credible_interval import credible_interval

CHUNK_QUESTIONS = 256
"""Questions per chunk: limits memory to about 20 MB per array."""

N_REPORTED_ANCHORS = 10
"""Nearest anchors reported with a prediction, as in the reference implementation."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The anchors nearest to each question, nearest first."""

    similarity_qk: FloatArray
    anchor_qk: IntArray


class AnchorPredictor:
    """Predicts from a bank: with its forecaster if it has one, else with the kNN estimate.

    A bank whose forecast was chosen by cross-validation takes its probabilities from that one;
    its forecaster still predicts the tokens and what is out of distribution.

    The credible interval of a probability is that of a Beta posterior. Its strength is the
    effective number of nearest anchors plus the prior strength, and lower for a question
    that is out of distribution.

    Parameters
    ----------
    bank : Bank
    config : AnchorConfig, optional
        By default that of the bank's reference population, or else the defaults.
    """

    def __init__(self, bank: Bank, config: AnchorConfig | None = None) -> None:
        self._config = config or bank.anchor_config
        self._bank = bank
        self._index = AnchorIndex(bank.embedding_ad)
        # An anchor with few outcomes must not take the place of one with all.
        measured = measured_anchors(bank.outcomes.correct_am).mean()
        self._n_neighbours = math.ceil(self._config.n_neighbours / measured)
        self._knn = KNNForecaster(bank.outcomes, self._config)
        self._forecaster = bank.forecaster if self._config.use_forecaster else None
        self._fact_values = bank.fact_values if self._forecaster else {}
        self._joint = bank.joint_forecaster
        self._chosen = bank.choice.chosen if bank.choice else "process"
        self._cosine_threshold = (
            cosine_threshold(bank, self._index, N_REPORTED_ANCHORS)
            if self._forecaster is None
            else math.nan
        )
        self._prompt_fit = PromptTokenRegression(bank.features_af, bank.outcomes.prompt_tokens_am)

    def predict(
        self,
        embedding_qd: Float32Array,
        features_qf: FloatArray,
        self_index_q: IntArray | None = None,
        known_facts: Sequence[str | None] | None = None,
        second_qy: Float32Array | None = None,
    ) -> tuple[Estimates, Neighbours]:
        """Predict every model of the bank on every question.

        Parameters
        ----------
        embedding_qd : ndarray of shape (n_questions, n_dimensions)
            Unit vectors of the bank's embedder.
        features_qf : ndarray of shape (n_questions, n_features)
            From `scope.embedding.text_features.text_features`.
        self_index_q : ndarray of shape (n_questions,), optional
            Index in the bank of a question that is an anchor, which is then left out of
            its own prediction; -1 for other questions.
        known_facts : sequence of str or None, optional
            What is known of each question, a value of the bank's fact, as its category; None, and
            a value that is not in `Bank.fact_values`: it is guessed.
        second_qy : ndarray of shape (n_questions, n_second_dimensions), optional
            Unit vectors of the bank's second encoder, for a bank that was fitted with it. NaN where
            there is none: the first encoder alone predicts such a question, as it does all of them
            by default.

        Returns
        -------
        estimates : Estimates
        neighbours : Neighbours
            The `N_REPORTED_ANCHORS` nearest.
        """
        self_index_q = np.full(len(embedding_qd), -1) if self_index_q is None else self_index_q
        category_q = np.full(len(embedding_qd), -1)
        if known_facts is not None:
            category_q[:] = [self._fact_values.get(fact or "", -1) for fact in known_facts]
        parts = [
            self._predict_chunk(
                embedding_qd[rows],
                features_qf[rows],
                self_index_q[rows],
                category_q[rows],
                None if second_qy is None else second_qy[rows],
            )
            for rows in _chunks(len(embedding_qd))
        ]
        estimates, neighbours = zip(*parts, strict=True)
        return Estimates.concatenate(estimates), Neighbours(
            np.concatenate([n.similarity_qk[:, :N_REPORTED_ANCHORS] for n in neighbours]),
            np.concatenate([n.anchor_qk[:, :N_REPORTED_ANCHORS] for n in neighbours]),
        )

    def predict_candidates(
        self,
        embedding_qd: Float32Array,
        features_qf: FloatArray,
        self_index_q: IntArray,
        second_qy: Float32Array | None = None,
    ) -> FloatArray:
        """Return the probability by every forecast that a fitted bank may choose.

        Each question's neighbours and process are found once for all of them. Parameters are as of
        `predict`; no fact is known.

        Returns
        -------
        ndarray of shape (n_candidates, n_questions, n_models)
            In the order of `scope.bank.CANDIDATES`.

        Raises
        ------
        BankError
            If the bank has not been fitted.
        """
        if self._forecaster is None:
            raise BankError("the bank has no forecaster: fit it before forecasts are compared")
        parts = []
        for rows in _chunks(len(embedding_qd)):
            near = self._neighbours(embedding_qd[rows], self_index_q[rows])
            weight_qk = similarity_weights(near.similarity_qk, self._config.similarity_power)
            fitted = self._fitted_forecast(
                self._forecaster,
                embedding_qd[rows],
                features_qf[rows],
                self_index_q[rows],
                np.full_like(self_index_q[rows], -1),
                None if second_qy is None else second_qy[rows],
            )
            process = self._process(fitted, near, weight_qk)
            knn = self._knn.predict(weight_qk, near.anchor_qk, process.in_distribution_q)
            p = {
                "means": self._knn.mean_probability(len(self_index_q[rows])),
                "neighbours": knn.p_correct_qm,
                "process": process.p_correct_qm,
                "blend": _blend(process, knn),
            }
            parts.append(np.stack([p[name] for name in CANDIDATES]))
        return np.concatenate(parts, axis=1)

    def _predict_chunk(
        self,
        embedding_qd: Float32Array,
        features_qf: FloatArray,
        self_index_q: IntArray,
        category_q: IntArray,
        second_qy: Float32Array | None,
    ) -> tuple[Estimates, Neighbours]:
        near = self._neighbours(embedding_qd, self_index_q)
        weight_qk = similarity_weights(near.similarity_qk, self._config.similarity_power)
        fitted = None
        if self._forecaster is not None:
            fitted = self._fitted_forecast(
                self._forecaster, embedding_qd, features_qf, self_index_q, category_q, second_qy
            )
        forecast = self._forecast(fitted, embedding_qd, self_index_q, near, weight_qk)
        correct_qkm = self._bank.outcomes.correct_am[near.anchor_qk]
        strength_qm = effective_sample_size(weight_qk, correct_qkm) + self._config.prior_strength
        interval = credible_interval(forecast, strength_qm)
        prompt_qm = self._prompt_fit.predict(features_qf)
        costs = [
            cost_usd(self._bank.models, prompt_qm, tokens_qm) for tokens_qm in forecast.tokens_uqm
        ]
        in_distribution_qm = np.repeat(
            forecast.in_distribution_q[:, None], prompt_qm.shape[1], axis=1
        )
        estimates = Estimates(
            IntervalEstimate(forecast.p_correct_qm, *interval),
            prompt_qm,
            IntervalEstimate(*forecast.tokens_uqm),
            IntervalEstimate(*costs),
            in_distribution_qm,
        )
        return estimates, near

    def _forecast(
        self,
        fitted: Forecast | None,
        embedding_qd: Float32Array,
        self_index_q: IntArray,
        near: Neighbours,
        weight_qk: FloatArray,
    ) -> Forecast:
        """Return the forecast that the bank has chosen, or the kNN estimate without a fit."""
        if fitted is None:
            in_distribution_q = self._cosine_in_distribution(near.similarity_qk, self_index_q)
            # A zero vector stands for a text that was not embedded.
            in_distribution_q[~embedding_qd.any(axis=1)] = np.nan
            return self._knn.predict(weight_qk, near.anchor_qk, in_distribution_q)
        forecast = self._process(fitted, near, weight_qk)
        if self._chosen == "process":
            return forecast
        if self._chosen == "means":
            means_qm = self._knn.mean_probability(len(self_index_q))
            return replace(forecast, p_correct_qm=means_qm)
        knn = self._knn.predict(weight_qk, near.anchor_qk, forecast.in_distribution_q)
        if self._chosen == "neighbours":
            return replace(forecast, p_correct_qm=knn.p_correct_qm)
        return replace(forecast, p_correct_qm=_blend(forecast, knn))

    def _process(self, fitted: Forecast, near: Neighbours, weight_qk: FloatArray) -> Forecast:
        """Return the process, blended with the kNN estimate where it is out of distribution."""
        ood = np.flatnonzero(fitted.in_distribution_q < 1)
        in_distribution_q = fitted.in_distribution_q[ood]
        knn = self._knn.predict(weight_qk[ood], near.anchor_qk[ood], in_distribution_q)
        return fitted.blend_out_of_distribution(knn, ood)

    def _fitted_forecast(
        self,
        first: Forecaster,
        embedding_qd: Float32Array,
        features_qf: FloatArray,
        self_index_q: IntArray,
        category_q: IntArray,
        second_qy: Float32Array | None,
    ) -> Forecast:
        """Return the forecast with both encoders, or the first alone where a vector is unknown."""
        inputs = embedding_qd, features_qf, self_index_q, category_q
        if self._joint is None or second_qy is None:
            return first.predict(*inputs)
        known_q = np.isfinite(second_qy).all(axis=1)
        if known_q.all():
            return self._joint.predict(*inputs, second_qy)
        forecast, rows = first.predict(*inputs), np.flatnonzero(known_q)
        joint = self._joint.predict(
            embedding_qd[rows],
            features_qf[rows],
            self_index_q[rows],
            category_q[rows],
            second_qy[rows],
        )
        return forecast.with_rows(joint, rows)

    def _cosine_in_distribution(
        self, similarity_qk: FloatArray, self_index_q: IntArray
    ) -> FloatArray:
        """Return the score without a forecaster; NaN where it is unknown."""
        if math.isnan(self._cosine_threshold):
            return np.full(len(self_index_q), np.nan)
        mean_q = similarity_qk[:, :N_REPORTED_ANCHORS].mean(axis=1)
        score_q = (mean_q / self._cosine_threshold).clip(0, 1)
        return np.where(self_index_q >= 0, 1.0, score_q)

    def _neighbours(self, embedding_qd: Float32Array, self_index_q: IntArray) -> Neighbours:
        n_neighbours = self._n_neighbours
        if (self_index_q < 0).all():
            return Neighbours(*self._index.search(embedding_qd, n_neighbours))
        return Neighbours(
            *self._index.search_excluding_self(embedding_qd, n_neighbours, self_index_q)
        )


def _blend(process: Forecast, knn: Forecast) -> FloatArray:
    """Return the average of two forecasts."""
    blend_qm: FloatArray = (process.p_correct_qm + knn.p_correct_qm) / 2
    return blend_qm


def _chunks(n_questions: int) -> Iterator[slice]:
    """Yield the rows of each chunk; one without rows if there are no questions."""
    for start in range(0, max(n_questions, 1), CHUNK_QUESTIONS):
        yield slice(start, start + CHUNK_QUESTIONS)
