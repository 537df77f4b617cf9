"""A strategy with a learned router: predict for texts, and choose among its arms."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from deployments.protocol import (
    Decision,
    Prediction,
    RequestError,
    StrategyRequest,
    stack_estimates,
)
from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from deployments.routing.batched_prediction import predict_uncached
from deployments.routing.chooser import PolicyChooser
from deployments.routing.prediction_cache import PredictionCache
from deployments.telemetry.metrics import Metrics
from deployments.tracing import span
from scope.bank import Bank, fit_alpha_scale
from scope.learned import RouterManifest
from scope.policy import AlphaScale
from scope.pool import ModelSpec, indices_of
from scope.predictions import Predictions
from scope.routing import Objective, PredictionSet


class LearnedChooser(PolicyChooser):
    """Chooses among the arms of a learned router, by match probabilities.

    Parameters
    ----------
    bank : Bank
    router : RouterManifest
    """

    def __init__(self, bank: Bank, router: RouterManifest) -> None:
        super().__init__(bank)
        self._router = router

    def choose(
        self,
        predictions: Sequence[Prediction],
        models: tuple[ModelSpec, ...],
        objective: Objective,
    ) -> list[Decision]:
        """Return a decision for each prompt; the reference where the router has no estimate."""
        spec = self._router.spec
        decisions = super().choose(predictions, models, objective)
        return [
            replace(
                decision if decision.model else default_decision(spec.arms, models, decision),
                strategy=spec.strategy,
                probability=self._probability(),
                assumed=(),
            )
            for decision in decisions
        ]

    def _probability(self) -> str:
        if self._router.spec.loss == "det_ncls":
            return "the answer is the best of all arms"
        return f"the answer is at least as good as that of {self._router.spec.arms[-1]}"

    def _predicted(
        self, predictions: Sequence[Prediction], models: tuple[ModelSpec, ...]
    ) -> PredictionSet:
        names = ("",) * len(predictions)
        arms = self._router.spec.arms
        all_arms = Predictions(names, arms, stack_estimates(predictions))
        unpriced = PredictionSet(all_arms, self._router.spec.models, None, None)
        return unpriced.select_models(tuple(model.id for model in models)).with_prices(models)

    def _fit_scale(self, models: tuple[ModelSpec, ...]) -> AlphaScale:
        spec, population = self._router.spec, self._router.reference
        if population is None:
            raise RequestError(
                f"scope.alpha: the {spec.strategy} router has no reference population; "
                "give min_quality or max_cost_usd",
                "scope.alpha",
            )
        ids = tuple(model.id for model in models)
        columns = indices_of(ids, spec.arms, f"the {spec.strategy} router")
        return fit_alpha_scale(population.select_models(columns), models)


class LearnedStrategy:
    """Predicts with one learned router, through its replicas.

    Parameters
    ----------
    bank : Bank
    router : RouterManifest
    call : RemoteMethod
        `StrategyPredictor.predict`.
    metrics : Metrics

    Attributes
    ----------
    arms : tuple of str
        Of the router, the reference last.
    models : tuple of ModelSpec
        The arms with the prices of their training.
    chooser : LearnedChooser
    cache : PredictionCache
        Its keys name strategy and version, and so never give a prediction of another one.
    """

    def __init__(
        self, bank: Bank, router: RouterManifest, call: RemoteMethod, metrics: Metrics
    ) -> None:
        self._router, self._call, self._metrics = router, call, metrics
        self.arms, self.models = router.spec.arms, router.spec.models
        self.chooser = LearnedChooser(bank, router)
        self.cache = PredictionCache(0, f"{router.spec.strategy} {router.version}")

    @property
    def objective_settings(self) -> dict[str, float]:
        """The published rule: the cheapest arm with at least the calibrated match probability."""
        return {"min_quality": min(self._router.spec.threshold, 1.0)}

    async def predict(
        self, texts: Sequence[str], *, timeout_s: float, slow_call_s: float
    ) -> list[Prediction]:
        """Return a prediction for every text, in their order.

        Raises
        ------
        RemoteCallError
            If the router does not answer, or a replica has another version.
        """
        ends_at = time.monotonic() + timeout_s
        return await predict_uncached(
            texts,
            self.cache,
            partial(self._predict_batch, ends_at=ends_at, slow_call_s=slow_call_s),
            self._metrics.count_cache,
        )

    async def _predict_batch(
        self, texts: list[str], ends_at: float, slow_call_s: float
    ) -> list[Prediction]:
        request = StrategyRequest(self._router.spec.strategy, self._router.version, texts)
        with span("predict", {"scope.prompts": len(texts)}), self._metrics.timer("predict"):
            predictions: list[Prediction] | None = await self._call.call(
                request, timeout_s=ends_at - time.monotonic(), slow_call_s=slow_call_s
            )
        if predictions is None:
            raise RemoteCallError("learned router", "of another version")
        return predictions


def default_decision(
    arms: Sequence[str], models: Sequence[ModelSpec], decision: Decision
) -> Decision:
    """Return the decision without a prediction: the reference, else the first eligible arm.

    Parameters
    ----------
    arms : sequence of str
        Of the learned router, the reference last.
    models : sequence of ModelSpec
        The eligible arms, at least one.
    decision : Decision
        What is known of the decision.
    """
    ids = [model.id for model in models]
    chosen = arms[-1] if arms[-1] in ids else ids[0]
    ranking = (chosen, *(name for name in ids if name != chosen))
    reason = f"no prediction; {chosen} is the default"
    return replace(
        decision,
        model=chosen,
        ranking=ranking,
        reason=reason,
        objective=None,
        policy=None,
        source="default",
    )
