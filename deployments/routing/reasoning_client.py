"""Have the reasoner say what it thinks, where that may change a decision."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deployments.protocol import (
    Prediction,
    ReasoningQuestion,
    ReasoningRequest,
    ReasoningResult,
    stack_estimates,
)
from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from deployments.routing.prediction_cache import PredictionCache
from deployments.settings import ReasoningSettings
from deployments.telemetry.metrics import Metrics
from scope.arrays import FloatArray
from scope.bank import Bank
from scope.predictions import ESTIMATE_FIELDS
from scope.reasoner import ReasonerPredictions

GRACE_S = 0.25
"""The Predictor ends in time by itself; the way to it and back takes a moment."""

COOLDOWN_S = 1.0
"""An engine that was found dead is left alone for so long: not even the Predictor is asked."""

FULL_SOURCES = ("anchors", "cache")
"""Predictions that were made as they should; where the Predictor failed, it cannot ask either."""


ReasonedPrediction = tuple[Prediction, dict[str, Any] | None]
"""A prediction after the answers, and what a response says of them; None where it is off."""


class ReasoningClient:
    """Asks the reasoner by way of the Predictor, and does without when it must.

    Parameters
    ----------
    bank : Bank
    reasoner : RemoteMethod or None
        `Predictor.reason`; None where there is no engine.
    cache : PredictionCache
        Keeps what was answered beside what was predicted.
    meters : Metrics
    """

    def __init__(
        self, bank: Bank, reasoner: RemoteMethod | None, cache: PredictionCache, meters: Metrics
    ) -> None:
        self._bank, self._reasoner, self._cache, self._meters = bank, reasoner, cache, meters
        self._rests_until = -math.inf

    @property
    def available(self) -> bool:
        """Whether there is an engine, and a bank that says what its answers are worth."""
        return self._reasoner is not None and self._bank.reasoner is not None

    async def query(
        self, cases: Sequence[ReasoningQuestion], settings: ReasoningSettings, *, timeout_s: float
    ) -> Sequence[ReasonedPrediction]:
        """Return each prediction with what the answers make of it, and a word on that.

        Never fails: what is missing is told as ``degraded``.

        Parameters
        ----------
        cases : sequence of ReasoningQuestion
            Of one request.
        settings : ReasoningSettings
        timeout_s : float
            How long to wait.
        """
        whole = [q for q, case in enumerate(cases) if case.prediction.source in FULL_SOURCES]
        opinions: dict[int, ReasoningResult | str] = {}
        if whole:
            with self._meters.timer("reason"):
                asked = await self._call([cases[q] for q in whole], settings, timeout_s)
            opinions = dict(zip(whole, asked, strict=True))
        return [self._merge(case, opinions.get(q), settings.mode) for q, case in enumerate(cases)]

    async def _call(
        self, cases: list[ReasoningQuestion], settings: ReasoningSettings, timeout_s: float
    ) -> Sequence[ReasoningResult | str]:
        """Return opinions, or why there are none."""
        if timeout_s <= 0:
            return ["engine late"] * len(cases)
        nothing_known = all(case.prediction.reasoner_2m is None for case in cases)
        if nothing_known and time.monotonic() < self._rests_until:
            return ["engine down"] * len(cases)
        # Otherwise nobody comes here.
        assert self._reasoner is not None
        assert settings.mode != "off"
        wanted = ReasoningRequest(
            self._bank.version,
            cases,
            settings.mode,
            settings.max_concurrency,
            timeout_s,
            settings.usd_per_mtok,
        )
        try:
            opinions: list[ReasoningResult] | None = await self._reasoner.call(
                wanted, timeout_s=timeout_s + GRACE_S, slow_call_s=timeout_s + GRACE_S
            )
        except RemoteCallError as error:
            return [error.reason] * len(cases)
        if opinions is None:
            return ["predictor of another bank"] * len(cases)
        if opinions[0].degraded == "engine down":
            self._rests_until = time.monotonic() + COOLDOWN_S
        return opinions

    def _merge(
        self, case: ReasoningQuestion, opinion: ReasoningResult | str | None, mode: str
    ) -> ReasonedPrediction:
        """Return a prediction after its answers, which are kept for the next request."""
        prediction = case.prediction
        if not isinstance(opinion, ReasoningResult):
            why = opinion or prediction.degraded
            nothing = {"n_queries": 0, "n_avoided": 0, "cancelled": 0}
            return replace(prediction, degraded=why), {"mode": mode, **nothing, "degraded": why}
        counts = {name: getattr(opinion, name) for name in ("n_queries", "n_avoided", "cancelled")}
        self._meters.count_reasoning(opinion)
        told = {"mode": mode, **counts, "degraded": opinion.degraded}
        if np.isnan(opinion.answer_2m).all():
            return replace(prediction, degraded=opinion.degraded), told
        before_2m = prediction.reasoner_2m
        all_2m = _merge_answers(before_2m, opinion.answer_2m)
        self._cache.put([case.text], [replace(prediction, reasoner_2m=all_2m)])
        blended = self._blended(prediction, opinion.answer_2m)
        return replace(blended, degraded=opinion.degraded), told

    def _blended(self, prediction: Prediction, answer_2m: FloatArray) -> Prediction:
        assert self._bank.reasoner is not None
        p_yes_qm, tokens_qm = answer_2m[:, None, :]
        estimates = self._bank.reasoner.blend.apply(
            stack_estimates([prediction]),
            ReasonerPredictions(p_yes_qm, tokens_qm),
            self._bank.models,
        )
        value_em = np.stack([getattr(estimates, name)[0] for name in ESTIMATE_FIELDS])
        return replace(prediction, value_em=value_em, source="scope")


def _merge_answers(before_2m: FloatArray | None, now_2m: FloatArray) -> FloatArray:
    """Return all answers there are."""
    return now_2m if before_2m is None else np.where(np.isnan(now_2m), before_2m, now_2m)
