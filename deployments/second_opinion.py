"""Have the reasoner say what it thinks, where that may change a decision."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deployments.hops import HopError
from deployments.meters import Meters
from deployments.prediction import Prediction, estimates_of
from deployments.prediction_cache import PredictionCache
from deployments.reasoning import Case, Consultation, Opinion, ReasoningSettings
from deployments.replica import Replica
from scope.answers import Answers
from scope.arrays import Floats
from scope.bank import Bank
from scope.predictions import ESTIMATES

GRACE_S = 0.25
"""The Predictor ends in time by itself; the way to it and back takes a moment."""

REST_S = 1.0
"""An engine that was found dead is left alone for so long: not even the Predictor is asked."""

WHOLE = ("anchors", "cache")
"""Predictions that were made as they should; where the Predictor failed, it cannot ask either."""


Heard = tuple[Prediction, dict[str, Any] | None]
"""A prediction after the answers, and what a response says of them; None where it is off."""


class SecondOpinion:
    """Asks the reasoner by way of the Predictor, and does without when it must.

    Parameters
    ----------
    bank : Bank
    reasoner : Replica or None
        `Predictor.reason`; None where there is no engine.
    cache : PredictionCache
        Keeps what was answered beside what was predicted.
    meters : Meters
    """

    def __init__(
        self, bank: Bank, reasoner: Replica | None, cache: PredictionCache, meters: Meters
    ) -> None:
        self._bank, self._reasoner, self._cache, self._meters = bank, reasoner, cache, meters
        self._rests_until = -math.inf

    @property
    def available(self) -> bool:
        """Whether there is an engine, and a bank that says what its answers are worth."""
        return self._reasoner is not None and self._bank.reasoner is not None

    async def hear(
        self, cases: Sequence[Case], settings: ReasoningSettings, *, within_s: float
    ) -> Sequence[Heard]:
        """Return each prediction with what the answers make of it, and a word on that.

        Never fails: what is missing is told as ``degraded``.

        Parameters
        ----------
        cases : sequence of Case
            Of one request.
        settings : ReasoningSettings
        within_s : float
            How long to wait.
        """
        whole = [q for q, case in enumerate(cases) if case.prediction.source in WHOLE]
        opinions: dict[int, Opinion | str] = {}
        if whole:
            with self._meters.timed("reason"):
                asked = await self._asked([cases[q] for q in whole], settings, within_s)
            opinions = dict(zip(whole, asked, strict=True))
        return [self._told(case, opinions.get(q), settings.mode) for q, case in enumerate(cases)]

    async def _asked(
        self, cases: list[Case], settings: ReasoningSettings, within_s: float
    ) -> Sequence[Opinion | str]:
        """Return opinions, or why there are none."""
        if within_s <= 0:
            return ["engine late"] * len(cases)
        nothing_known = all(case.prediction.answer_2m is None for case in cases)
        if nothing_known and time.monotonic() < self._rests_until:
            return ["engine down"] * len(cases)
        # Otherwise nobody comes here.
        assert self._reasoner is not None
        assert settings.mode != "off"
        wanted = Consultation(
            self._bank.version,
            cases,
            settings.mode,
            settings.at_once,
            within_s,
            settings.usd_per_mtok,
        )
        try:
            opinions: list[Opinion] | None = await self._reasoner.ask(
                wanted, within_s=within_s + GRACE_S, patience_s=within_s + GRACE_S
            )
        except HopError as error:
            return [error.reason] * len(cases)
        if opinions is None:
            return ["predictor of another bank"] * len(cases)
        if opinions[0].degraded == "engine down":
            self._rests_until = time.monotonic() + REST_S
        return opinions

    def _told(self, case: Case, opinion: Opinion | str | None, mode: str) -> Heard:
        """Return a prediction after its answers, which are kept for the next request."""
        prediction = case.prediction
        if not isinstance(opinion, Opinion):
            why = opinion or prediction.degraded
            nothing = {"asked": 0, "saved": 0, "cancelled": 0}
            return replace(prediction, degraded=why), {"mode": mode, **nothing, "degraded": why}
        counts = {name: getattr(opinion, name) for name in ("asked", "saved", "cancelled")}
        self._meters.reasoned({**counts, "failed": opinion.failed})
        told = {"mode": mode, **counts, "degraded": opinion.degraded}
        if np.isnan(opinion.answer_2m).all():
            return replace(prediction, degraded=opinion.degraded), told
        before_2m = prediction.answer_2m
        all_2m = _joined(before_2m, opinion.answer_2m)
        self._cache.keep([case.text], [replace(prediction, answer_2m=all_2m)])
        blended = self._blended(prediction, opinion.answer_2m)
        return replace(blended, degraded=opinion.degraded), told

    def _blended(self, prediction: Prediction, answer_2m: Floats) -> Prediction:
        assert self._bank.reasoner is not None
        p_yes_qm, tokens_qm = answer_2m[:, None, :]
        estimates = self._bank.reasoner.blend.apply(
            estimates_of([prediction]), Answers(p_yes_qm, tokens_qm), self._bank.models
        )
        value_em = np.stack([getattr(estimates, name)[0] for name in ESTIMATES])
        return replace(prediction, value_em=value_em, source="scope")


def _joined(before_2m: Floats | None, now_2m: Floats) -> Floats:
    """Return all answers there are."""
    return now_2m if before_2m is None else np.where(np.isnan(now_2m), before_2m, now_2m)
