"""The predictor's replica: the bank, and the decision for one embedded prompt."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from deployments.embedder import Embedded
from scope.bank_store import load_bank
from scope.calibration import fit_dial
from scope.dial import Dial
from scope.metrics import known
from scope.predicted_set import PredictedSet
from scope.predictions import ESTIMATES, Estimates, Predictions
from scope.predictor import AnchorPredictor
from scope.router import Target, narrowed, route

MAX_DIALS = 128
"""Dials kept, one for each set of permitted models; requests choose the sets: bounded."""


class Predictor:
    """Foretells how the bank's models would do, and chooses one."""

    def __init__(self, bank: str) -> None:
        self._bank = load_bank(Path(bank))
        self._predictor = AnchorPredictor(self._bank)
        self._dial = lru_cache(MAX_DIALS)(self._fit_dial)

    def decide(
        self,
        embedded: Embedded,
        target: dict[str, float],
        allowed: tuple[str, ...],
        denied: tuple[str, ...],
    ) -> dict[str, Any]:
        """Return the decision, every candidate and the anchors behind them, as JSON values.

        Raises
        ------
        ConfigError
            If the target is out of range, or the lists leave no model.
        """
        embedding_d, features_f = embedded
        estimates, near = self._predictor.predict(embedding_d[None], features_f[None])
        predictions = Predictions(("",), self._bank.model_ids, estimates)
        everyone = PredictedSet(predictions, self._bank.models, self._bank.calibration, None)
        permitted = narrowed(everyone, None, allowed, denied)
        dial = self._dial(permitted.predictions.models) if "alpha" in target else None
        routing = route(permitted, Target(**target), dial)
        (decision,) = routing.decisions()
        return {
            "model": decision["selected_model"],
            "policy": routing.policy,
            "settings": {name: known(value) for name, value in routing.settings.items()},
            "reason": decision["reason"],
            "met": decision["met"],
            "out_of_distribution": _unlike(estimates),
            "candidates": _candidates(routing.predictions),
            "anchors": [
                {"id": self._bank.ids[anchor], "similarity": round(float(similarity), 6)}
                for anchor, similarity in zip(near.anchor_qk[0], near.similarity_qk[0], strict=True)
            ],
        }

    def _fit_dial(self, models: tuple[str, ...]) -> Dial:
        pool = self._bank.with_models(models)
        return fit_dial(pool.calibration, pool.models)


def _unlike(estimates: Estimates) -> bool | None:
    """Say whether the prompt is unlike the anchors; None where the bank cannot tell."""
    familiarity = known(estimates.familiarity_qm[0, 0])
    return None if familiarity is None else familiarity < 1


def _candidates(predictions: Predictions) -> list[dict[str, Any]]:
    """Return every estimate of every permitted model; unknown is null."""
    names = {name: name.removesuffix("_qm") for name in ESTIMATES}
    return [
        {
            "model": model,
            **{
                short: known(getattr(predictions.estimates, name)[0, m])
                for name, short in names.items()
            },
        }
        for m, model in enumerate(predictions.models)
    ]
