"""Query the reasoner, through the Predictor, where its answers can change a decision."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from deployments.protocol import (
    Prediction,
    ReasoningMode,
    ReasoningQuestion,
    ReasoningRequest,
    ReasoningResult,
    ReasoningSummary,
    stack_estimates,
)
from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from deployments.routing.prediction_cache import PredictionCache
from deployments.settings import ReasoningSettings
from deployments.telemetry.metrics import Metrics
from deployments.tracing import span
from scope.arrays import FloatArray
from scope.bank import Bank
from scope.reasoner import ReasonerPredictions

GRACE_S = 0.25
"""Extra time for the call itself: the Predictor keeps the time-out of the queries on its own."""

COOLDOWN_S = 1.0
"""After the engine is found down, the Predictor is not called for this long."""

FULL_SOURCES = ("anchors", "cache")
"""Sources of predictions that the Predictor made; where it failed, it cannot query either."""


class ReasonedPrediction(NamedTuple):
    """A prediction after the reasoner's answers."""

    prediction: Prediction
    summary: ReasoningSummary | None = None
    """None where reasoning is off."""


class ReasoningClient:
    """Queries the reasoner through the Predictor; works without it when it fails.

    Parameters
    ----------
    bank : Bank
    reasoner : RemoteMethod or None
        `Predictor.reason`; None where there is no engine.
    cache : PredictionCache
        Keeps the answers together with the predictions.
    metrics : Metrics
    """

    def __init__(
        self, bank: Bank, reasoner: RemoteMethod | None, cache: PredictionCache, metrics: Metrics
    ) -> None:
        self._bank, self._reasoner, self._cache, self._metrics = bank, reasoner, cache, metrics
        self._cooldown_until = -math.inf

    @property
    def available(self) -> bool:
        """Whether there is an engine, and a bank that is fitted to its answers."""
        return self._reasoner is not None and self._bank.reasoner is not None

    async def query(
        self,
        questions: Sequence[ReasoningQuestion],
        settings: ReasoningSettings,
        *,
        timeout_s: float,
    ) -> Sequence[ReasonedPrediction]:
        """Return each prediction blended with the reasoner's answers.

        Never fails: ``degraded`` states why answers are missing.

        Parameters
        ----------
        questions : sequence of ReasoningQuestion
            Of one request.
        settings : ReasoningSettings
            With a mode other than ``off``.
        timeout_s : float
        """
        assert settings.mode != "off"
        full = [q for q, one in enumerate(questions) if one.prediction.source in FULL_SOURCES]
        results: dict[int, ReasoningResult | str] = {}
        if full:
            request = ReasoningRequest(
                self._bank.version,
                [questions[q] for q in full],
                settings.mode,
                settings.max_concurrency,
                timeout_s,
                settings.usd_per_mtok,
            )
            with span("reason", {"scope.prompts": len(full)}), self._metrics.timer("reason"):
                results = dict(zip(full, await self._call(request), strict=True))
        return [
            self._merge(question, results.get(q), settings.mode)
            for q, question in enumerate(questions)
        ]

    async def _call(self, request: ReasoningRequest) -> Sequence[ReasoningResult | str]:
        """Return a result for each question, or the reason why there is none."""
        questions, timeout_s = request.questions, request.timeout_s
        if timeout_s <= 0:
            return ["engine late"] * len(questions)
        no_answers = all(question.prediction.reasoner_2m is None for question in questions)
        if no_answers and time.monotonic() < self._cooldown_until:
            return ["engine down"] * len(questions)
        assert self._reasoner is not None  # `available` is checked with the settings
        try:
            results: list[ReasoningResult] | None = await self._reasoner.call(
                request, timeout_s=timeout_s + GRACE_S, slow_call_s=timeout_s + GRACE_S
            )
        except RemoteCallError as error:
            return [error.reason] * len(questions)
        if results is None:
            return ["predictor of another bank"] * len(questions)
        if results[0].degraded == "engine down":
            self._cooldown_until = time.monotonic() + COOLDOWN_S
        return results

    def _merge(
        self, question: ReasoningQuestion, result: ReasoningResult | str | None, mode: ReasoningMode
    ) -> ReasonedPrediction:
        """Return a prediction blended with its answers; the cache keeps the answers."""
        prediction = question.prediction
        if not isinstance(result, ReasoningResult):
            degraded = result or prediction.degraded
            summary = ReasoningSummary(mode, degraded=degraded)
            return ReasonedPrediction(replace(prediction, degraded=degraded), summary)
        counts = result.n_queries, result.n_avoided, result.cancelled
        self._metrics.count_reasoning(result)
        summary = ReasoningSummary(mode, *counts, result.degraded)
        if not np.isnan(result.answer_2m).all():
            answers_2m = _merge_answers(prediction.reasoner_2m, result.answer_2m)
            self._cache.put([question.text], [replace(prediction, reasoner_2m=answers_2m)])
            prediction = self._blended(prediction, result.answer_2m)
        return ReasonedPrediction(replace(prediction, degraded=result.degraded), summary)

    def _blended(self, prediction: Prediction, answer_2m: FloatArray) -> Prediction:
        """Return a prediction with estimates blended with answers."""
        assert self._bank.reasoner is not None
        p_yes_qm, tokens_qm = answer_2m[:, None, :]
        estimates = self._bank.reasoner.blend.apply(
            stack_estimates([prediction]),
            ReasonerPredictions(p_yes_qm, tokens_qm),
            self._bank.models,
        )
        return replace(prediction, value_em=estimates.stack()[:, 0], source="scope")


def _merge_answers(known_2m: FloatArray | None, new_2m: FloatArray) -> FloatArray:
    """Return all answers; a new answer replaces a known one."""
    return new_2m if known_2m is None else np.where(np.isnan(new_2m), known_2m, new_2m)
