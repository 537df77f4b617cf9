"""Decide for what is asked: hard rules, predictions, answers, policy, the session's model."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from deployments.protocol import (
    Decision,
    NoEligibleModelError,
    Prediction,
    ReasoningQuestion,
    RequestError,
)
from deployments.requests import RoutingRequest, eligible_models
from deployments.routing.chooser import PolicyChooser
from deployments.routing.prediction_client import PredictionClient
from deployments.routing.reasoning_client import ReasonedPrediction, ReasoningClient
from deployments.routing.sessions import SessionState, SessionStore
from deployments.routing.stickiness import keeps_session_model
from deployments.settings import ActiveSettings, Limits
from scope.policy import Policy
from scope.pool import ModelSpec

Constraints = tuple[tuple[str, ...], tuple[tuple[str, float], ...]]
"""Permitted models and aim: prompts that share both are decided together."""


class DecisionService:
    """Makes the decisions of one replica.

    Parameters
    ----------
    foreteller : PredictionClient
    second_opinion : ReasoningClient
    chooser : PolicyChooser
    sessions : SessionStore
    """

    def __init__(
        self,
        foreteller: PredictionClient,
        second_opinion: ReasoningClient,
        chooser: PolicyChooser,
        sessions: SessionStore,
    ) -> None:
        self._foreteller, self._second_opinion = foreteller, second_opinion
        self._chooser, self._sessions = chooser, sessions

    async def decide(
        self,
        asks: Sequence[RoutingRequest],
        models: Sequence[ModelSpec],
        current: ActiveSettings,
        *,
        client: str,
        deadline_s: float,
    ) -> list[Decision]:
        """Return a decision for each ask, in their order.

        Parameters
        ----------
        asks : sequence of RoutingRequest
        models : sequence of ModelSpec
            Those that could answer, at today's prices.
        current : ActiveSettings
        client : str
            Name of the API key, which sessions belong to.
        deadline_s : float
            Of the whole request; half of it may go by before lesser decisions are made.

        Raises
        ------
        RequestError
            If the wishes are wrong, or leave no model.
        """
        half_at = time.monotonic() + deadline_s / 2
        by_id = {model.id: model for model in models}
        rules = [
            _constraints(ask, place, by_id, current, listed=len(asks) > 1)
            for place, ask in enumerate(asks)
        ]
        decision_s = current.settings.limits.decision_ms / 1e3
        timeout_s = deadline_s / 2 if len(asks) > 1 else min(decision_s, deadline_s / 2)
        predictions = await self._foreteller.predict(
            [ask.text for ask in asks], timeout_s=timeout_s, slow_call_s=decision_s / 2
        )
        heard = await self._query_reasoner(asks, rules, predictions, by_id, current, half_at)
        decisions = self._choose_with_answers(rules, predictions, heard, by_id)
        held = await self._sessions.get(client, asks[0])  # the prompts of a list share one
        return [
            _apply_default_and_session(decision, ask, held, by_id, current)
            for decision, ask in zip(decisions, asks, strict=True)
        ]

    async def _query_reasoner(
        self,
        asks: Sequence[RoutingRequest],
        rules: Sequence[Constraints],
        predictions: Sequence[Prediction],
        models: Mapping[str, ModelSpec],
        current: ActiveSettings,
        half_at: float,
    ) -> Sequence[ReasonedPrediction]:
        """Have the reasoner add what it knows, as long as half of the deadline is not over."""
        settings = current.settings.reasoning
        if settings.mode == "off":
            return [(prediction, None) for prediction in predictions]
        policies: dict[Constraints, tuple[tuple[ModelSpec, ...], Policy]] = {}
        for ids, aim in set(rules):
            permitted = tuple(models[one] for one in ids)
            policies[ids, aim] = (permitted, self._chooser.policy(permitted, dict(aim)))
        cases = [
            ReasoningQuestion(ask.text, prediction, *policies[rule])
            for ask, prediction, rule in zip(asks, predictions, rules, strict=True)
        ]
        left_s = half_at - time.monotonic()
        reasoning_s = settings.deadline_ms / 1e3
        timeout_s = left_s if len(asks) > 1 else min(reasoning_s, left_s)
        return await self._second_opinion.query(cases, settings, timeout_s=timeout_s)

    def _choose_with_answers(
        self,
        rules: Sequence[Constraints],
        predictions: Sequence[Prediction],
        heard: Sequence[ReasonedPrediction],
        models: Mapping[str, ModelSpec],
    ) -> list[Decision]:
        """Choose by all that is known, and say whether the anchors alone would have chosen so."""
        decisions = self._choose_grouped(rules, [prediction for prediction, _ in heard], models)
        if all(told is None for _, told in heard):
            return decisions
        alone = self._choose_grouped(rules, predictions, models)
        return [
            replace(decision, reasoning=told and {**told, "changed": decision.model != other.model})
            for decision, other, (_, told) in zip(decisions, alone, heard, strict=True)
        ]

    def _choose_grouped(
        self,
        rules: Sequence[Constraints],
        predictions: Sequence[Prediction],
        models: Mapping[str, ModelSpec],
    ) -> list[Decision]:
        """Choose for all prompts that share their rules at once."""
        places: dict[Constraints, list[int]] = {}
        for place, rule in enumerate(rules):
            places.setdefault(rule, []).append(place)
        decisions: dict[int, Decision] = {}
        for (ids, aim), those in places.items():
            asked = [predictions[place] for place in those]
            chosen = self._chooser.choose(asked, tuple(models[one] for one in ids), dict(aim))
            decisions |= zip(those, chosen, strict=True)
        return [decisions[place] for place in range(len(rules))]


def _apply_default_and_session(
    decision: Decision,
    ask: RoutingRequest,
    held: SessionState | None,
    models: Mapping[str, ModelSpec],
    current: ActiveSettings,
) -> Decision:
    """Return the decision after the default model and the session had their say."""
    default = current.settings.default_model
    if decision.source == "averages" and default in decision.ranking:
        decision = replace(
            with_model(decision, default, f"no replica could tell; {default} is the default model"),
            policy=None,
            settings={},
            source="default",
        )
    stickiness = current.settings.sessions
    if held and keeps_session_model(decision, held, models, stickiness, continues=ask.is_tool_turn):
        if held.model != decision.model:
            decision = with_model(decision, held.model, f"the session stays on {held.model}")
        return replace(decision, sticky=True)
    return decision


def with_model(decision: Decision, model: str, reason: str) -> Decision:
    """Return a decision for another of its candidates."""
    order = (model, *(other for other in decision.ranking if other != model))
    return replace(decision, model=model, ranking=order, reason=reason)


def deadline_s(deadline_ms: int | None, limits: Limits) -> float:
    """Return what a request may take.

    Raises
    ------
    RequestError
        If it asks for more than requests get that do not say.
    """
    if deadline_ms is not None and deadline_ms > limits.deadline_ms:
        raise RequestError(
            f"scope.deadline_ms: {deadline_ms} is more than the {limits.deadline_ms} allowed here",
            "scope.deadline_ms",
        )
    return (deadline_ms or limits.deadline_ms) / 1e3


def _constraints(
    ask: RoutingRequest,
    place: int,
    models: Mapping[str, ModelSpec],
    current: ActiveSettings,
    *,
    listed: bool,
) -> Constraints:
    try:
        permitted = eligible_models(tuple(models.values()), ask.needs, ask.options)
    except NoEligibleModelError as error:
        if not listed:
            raise
        told = f"prompts[{place}]: {error}"
        raise NoEligibleModelError(told, f"prompts[{place}]", error.code) from None
    aim = ask.options.objective() or current.settings.policy.objective()
    return permitted, tuple(aim.items())
