"""Foretell correctness, tokens and cost from what models did on similar anchors."""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from scope.arrays import Floats, Ints, Singles
from scope.bank import Bank
from scope.config import AnchorConfig
from scope.evidence import (
    effective_anchors,
    similarity_weights,
    weighted_means,
    weighted_quantiles,
)
from scope.index import AnchorIndex
from scope.pool import cost_usd
from scope.predictions import Estimates
from scope.prompt_tokens import PromptTokens

CHUNK = 256
"""Questions worked on at once: bounds memory to about 20 MB per array."""

INTERVAL = (0.05, 0.95)
"""Levels of the credible interval of a probability: 90 %."""

SPREAD = (0.1, 0.9)
"""Levels of the spread of tokens and cost."""

NOTED_ANCHORS = 10
"""Nearest anchors reported with a prediction, as many as the reference keeps."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The anchors a prediction rests on, nearest first."""

    similarity_qk: Floats
    anchor_qk: Ints


class AnchorPredictor:
    """Posterior means over the nearest anchors of a bank.

    For model ``m`` with neighbours' mean ``a`` on ``n`` effective anchors,
    ``p = (n * a + k * mean_m) / (n + k)``: the mean of a Beta posterior whose
    prior is worth ``k`` pseudo-anchors at the model's mean over the bank. Token
    counts are shrunk in the same way. The model's own mean is shrunk by as many
    pseudo-anchors toward the mean of all models, so that three lucky answers
    do not make a favourite. A model the bank never measured stays NaN.

    Parameters
    ----------
    bank : Bank
    config : AnchorConfig, optional
        Default: as the bank was calibrated, else the defaults.
    """

    def __init__(self, bank: Bank, config: AnchorConfig | None = None) -> None:
        self._config = config or bank.anchor_config
        self._bank = bank
        self._index = AnchorIndex(bank.embedding_ad)
        self._mean_p_m = model_means(bank.outcomes.correct_am, self._config.pseudo_anchors)
        self._mean_tokens_m = model_means(
            bank.outcomes.completion_tokens_am, self._config.pseudo_anchors
        )
        self._spread_m = overall_quantiles(bank.outcomes.completion_tokens_am, SPREAD)
        self._prompt_fit = PromptTokens(bank.features_af, bank.outcomes.prompt_tokens_am)

    def predict(
        self,
        embedding_qd: Singles,
        features_qf: Floats,
        own_anchor_q: Ints | None = None,
    ) -> tuple[Estimates, Neighbours]:
        """Foretell every model of the bank on every question.

        Parameters
        ----------
        embedding_qd : ndarray of shape (n_questions, n_dimensions)
            Unit vectors of the bank's embedder.
        features_qf : ndarray of shape (n_questions, n_features)
            As `scope.features.text_features` counts them.
        own_anchor_q : ndarray of shape (n_questions,), optional
            Where the questions are anchors themselves: their positions in the
            bank, so that none votes for itself; -1 for a question that is none.

        Returns
        -------
        estimates : Estimates
        neighbours : Neighbours
            The `NOTED_ANCHORS` nearest.
        """
        starts = range(0, max(len(embedding_qd), 1), CHUNK)
        parts = [
            self._predict_chunk(
                embedding_qd[start : start + CHUNK],
                features_qf[start : start + CHUNK],
                None if own_anchor_q is None else own_anchor_q[start : start + CHUNK],
            )
            for start in starts
        ]
        estimates, neighbours = zip(*parts, strict=True)
        return Estimates.concatenate(estimates), Neighbours(
            np.concatenate([n.similarity_qk[:, :NOTED_ANCHORS] for n in neighbours]),
            np.concatenate([n.anchor_qk[:, :NOTED_ANCHORS] for n in neighbours]),
        )

    def _predict_chunk(
        self, embedding_qd: Singles, features_qf: Floats, own_anchor_q: Ints | None
    ) -> tuple[Estimates, Neighbours]:
        near = self._neighbours(embedding_qd, own_anchor_q)
        weight_qk = similarity_weights(near.similarity_qk, self._config.similarity_power)
        outcomes = self._bank.outcomes
        correct_qkm = outcomes.correct_am[near.anchor_qk]
        tokens_qkm = outcomes.completion_tokens_am[near.anchor_qk]
        prompt_qm = self._prompt_fit.predict(features_qf)
        tokens = self._tokens(weight_qk, tokens_qkm)
        costs = [cost_usd(self._bank.models, prompt_qm, tokens_qm) for tokens_qm in tokens]
        probability = self._probability(weight_qk, correct_qkm)
        return Estimates(*probability, prompt_qm, *tokens, *costs), near

    def _neighbours(self, embedding_qd: Singles, own_anchor_q: Ints | None) -> Neighbours:
        if own_anchor_q is None:
            return Neighbours(*self._index.search(embedding_qd, self._config.n_neighbours))
        return Neighbours(
            *self._index.search_others(embedding_qd, self._config.n_neighbours, own_anchor_q)
        )

    def _shrunk(self, near_qm: Floats, overall_m: Floats, n_qm: Floats) -> Floats:
        """Return what the neighbours say, drawn toward what the whole bank says."""
        pseudo = self._config.pseudo_anchors
        heard_qm = np.where(n_qm > 0, near_qm, 0.0)
        shrunk_qm: Floats = (n_qm * heard_qm + pseudo * overall_m) / (n_qm + pseudo)
        return shrunk_qm

    def _tokens(self, weight_qk: Floats, tokens_qkm: Floats) -> list[Floats]:
        """Return expected completion tokens, and the ends of their spread."""
        n_qm = effective_anchors(weight_qk, tokens_qkm)
        near = [
            weighted_means(weight_qk, tokens_qkm),
            *weighted_quantiles(weight_qk, tokens_qkm, SPREAD),
        ]
        overall = [self._mean_tokens_m, *self._spread_m]
        return [self._shrunk(*pair, n_qm) for pair in zip(near, overall, strict=True)]

    def _probability(self, weight_qk: Floats, correct_qkm: Floats) -> tuple[Floats, Floats, Floats]:
        n_qm = effective_anchors(weight_qk, correct_qkm)
        near_qm = weighted_means(weight_qk, correct_qkm)
        p_qm = self._shrunk(near_qm, self._mean_p_m, n_qm).clip(0, 1)
        strength_qm = n_qm + self._config.pseudo_anchors
        # A Beta needs positive counts; one that saw only successes keeps a sliver of doubt.
        right_qm, wrong_qm = (np.maximum(strength_qm * p, 1e-3) for p in (p_qm, 1 - p_qm))
        low_qm, high_qm = (betaincinv(right_qm, wrong_qm, level) for level in INTERVAL)
        return p_qm, np.minimum(low_qm, p_qm), np.maximum(high_qm, p_qm)


def model_means(outcome_am: Floats, pseudo_anchors: float) -> Floats:
    """Return each model's mean over the bank, shrunk toward that of all models.

    Parameters
    ----------
    outcome_am : ndarray of shape (n_anchors, n_models)
        NaN where never run.
    pseudo_anchors : float
        Weight of the common mean, in anchors.

    Returns
    -------
    ndarray of shape (n_models,)
        NaN for a model without a single outcome.

    Examples
    --------
    >>> model_means(np.array([[1.0, np.nan], [0.0, np.nan]]), 10.0)
    array([0.5, nan])
    """
    measured = ~np.isnan(outcome_am)
    n_m = measured.sum(axis=0)
    total_m = np.where(measured, outcome_am, 0.0).sum(axis=0)
    mean_m = np.full(len(n_m), np.nan)
    if n_m.any():
        # A model counts toward the common mean as far as it would be believed itself.
        trust_m = 1 / (n_m + pseudo_anchors)
        common = (total_m * trust_m).sum() / (n_m * trust_m).sum()
        shrunk_m = (total_m + pseudo_anchors * common) / (n_m + pseudo_anchors)
        mean_m = np.where(n_m > 0, shrunk_m, np.nan)
    return mean_m


def overall_quantiles(outcome_am: Floats, levels: tuple[float, ...]) -> Floats:
    """Return quantiles of each model's outcomes over the bank, shape (n_levels, n_models).

    NaN for a model without a single outcome.
    """
    everyone = np.ones((1, len(outcome_am)))
    return weighted_quantiles(everyone, outcome_am[None], levels)[:, 0, :]
