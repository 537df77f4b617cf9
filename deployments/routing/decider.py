"""The online decision: constraints, prediction, reasoning, choice, default model and session."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

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
from deployments.settings import (
    ActiveSettings,
    Limits,
    ReasoningSettings,
    RouterSettings,
    SessionSettings,
)
from scope.pool import ModelSpec
from scope.routing import Objective


class Constraints(NamedTuple):
    """What a decision must respect; prompts that share both are decided together."""

    models: tuple[ModelSpec, ...]
    """The eligible models at current prices."""
    objective: Objective


class DecisionService:
    """Makes the decisions of one replica.

    Parameters
    ----------
    prediction_client : PredictionClient
    reasoning_client : ReasoningClient
    chooser : PolicyChooser
    sessions : SessionStore
    """

    def __init__(
        self,
        prediction_client: PredictionClient,
        reasoning_client: ReasoningClient,
        chooser: PolicyChooser,
        sessions: SessionStore,
    ) -> None:
        self._prediction_client, self._reasoning_client = prediction_client, reasoning_client
        self._chooser, self._sessions = chooser, sessions

    async def decide(
        self,
        requests: Sequence[RoutingRequest],
        models: Sequence[ModelSpec],
        active: ActiveSettings,
        *,
        client: str,
        deadline_s: float,
    ) -> list[Decision]:
        """Return a decision for each request, in their order.

        Parameters
        ----------
        requests : sequence of RoutingRequest
            The prompts of one HTTP request; they share one session.
        models : sequence of ModelSpec
            The models that can answer, at current prices.
        active : ActiveSettings
        client : str
            Name of the API key; sessions belong to it.
        deadline_s : float
            Of the whole HTTP request. Prediction and reasoning take at most half of it; what
            is late by then is left out of the decision.

        Raises
        ------
        RequestError
            If the options of a request are wrong, or leave no model.
        """
        half_at, settings = time.monotonic() + deadline_s / 2, active.settings
        by_id = {model.id: model for model in models}
        constraints = _constraints(requests, by_id, settings)
        prompt_s = settings.limits.decision_ms / 1e3
        predictions = await self._prediction_client.predict(
            [request.text for request in requests],
            timeout_s=deadline_s / 2 if len(requests) > 1 else min(prompt_s, deadline_s / 2),
            slow_call_s=prompt_s / 2,
        )
        reasoned = await self._reason(
            requests, constraints, predictions, settings.reasoning, half_at
        )
        decisions = self._choose_reasoned(constraints, predictions, reasoned)
        decisions = [_with_default_model(decision, settings) for decision in decisions]
        session = await self._sessions.get(client, requests[0])
        if session is None:
            return decisions
        return [
            _with_session_model(decision, session, request, by_id, settings.sessions)
            for decision, request in zip(decisions, requests, strict=True)
        ]

    async def _reason(
        self,
        requests: Sequence[RoutingRequest],
        constraints: Sequence[Constraints],
        predictions: Sequence[Prediction],
        settings: ReasoningSettings,
        half_at: float,
    ) -> Sequence[ReasonedPrediction]:
        """Query the reasoner where its answers can change a decision, until `half_at`."""
        if settings.mode == "off":
            return [ReasonedPrediction(prediction) for prediction in predictions]
        policies = {group: self._chooser.policy(*group) for group in set(constraints)}
        questions = [
            ReasoningQuestion(request.text, prediction, group.models, policies[group])
            for request, prediction, group in zip(requests, predictions, constraints, strict=True)
        ]
        left_s = half_at - time.monotonic()
        timeout_s = left_s if len(requests) > 1 else min(settings.deadline_ms / 1e3, left_s)
        return await self._reasoning_client.query(questions, settings, timeout_s=timeout_s)

    def _choose_reasoned(
        self,
        constraints: Sequence[Constraints],
        predictions: Sequence[Prediction],
        reasoned: Sequence[ReasonedPrediction],
    ) -> list[Decision]:
        """Choose by the reasoned predictions; note where the anchors alone decide otherwise."""
        decisions = self._choose(constraints, [prediction for prediction, _ in reasoned])
        if all(summary is None for _, summary in reasoned):
            return decisions
        by_anchors = self._choose(constraints, predictions)
        return [
            replace(
                decision,
                reasoning=summary and replace(summary, changed=decision.model != other.model),
            )
            for decision, other, (_, summary) in zip(decisions, by_anchors, reasoned, strict=True)
        ]

    def _choose(
        self, constraints: Sequence[Constraints], predictions: Sequence[Prediction]
    ) -> list[Decision]:
        """Choose for each prompt; prompts with the same constraints in one call."""
        groups: dict[Constraints, list[int]] = {}
        for index, group in enumerate(constraints):
            groups.setdefault(group, []).append(index)
        decisions: dict[int, Decision] = {}
        for group, indices in groups.items():
            chosen = self._chooser.choose([predictions[index] for index in indices], *group)
            decisions |= zip(indices, chosen, strict=True)
        return [decisions[index] for index in range(len(constraints))]


def _constraints(
    requests: Sequence[RoutingRequest], models: Mapping[str, ModelSpec], settings: RouterSettings
) -> list[Constraints]:
    """Return the constraints of each request; an error in a list names the prompt."""
    constraints = []
    for index, request in enumerate(requests):
        try:
            eligible = eligible_models(tuple(models.values()), request.needs, request.options)
        except NoEligibleModelError as error:
            if len(requests) == 1:
                raise
            prompt = f"prompts[{index}]"
            raise NoEligibleModelError(f"{prompt}: {error}", prompt, error.code) from None
        given = request.options.objective_settings or settings.policy.objective_settings
        constraints.append(
            Constraints(tuple(models[model] for model in eligible), Objective(**given))
        )
    return constraints


def _with_default_model(decision: Decision, settings: RouterSettings) -> Decision:
    """Replace a decision that no replica predicted for by the default model, if eligible."""
    default = settings.default_model
    if decision.source != "averages" or default not in decision.ranking:
        return decision
    decision = decision.with_model(default, f"no replica answered; {default} is the default model")
    return replace(decision, objective=None, policy=None, source="default")


def _with_session_model(
    decision: Decision,
    session: SessionState,
    request: RoutingRequest,
    models: Mapping[str, ModelSpec],
    settings: SessionSettings,
) -> Decision:
    """Keep the model of the session where `keeps_session_model` says so."""
    if not keeps_session_model(
        decision, session, models, settings, is_tool_turn=request.is_tool_turn
    ):
        return decision
    if session.model != decision.model:
        decision = decision.with_model(session.model, f"the session stays on {session.model}")
    return replace(decision, sticky=True)


def deadline_s(deadline_ms: int | None, limits: Limits) -> float:
    """Return the time limit of a request, s.

    Raises
    ------
    RequestError
        If the request asks for more than the limit.
    """
    if deadline_ms is not None and deadline_ms > limits.deadline_ms:
        raise RequestError(
            f"scope.deadline_ms: {deadline_ms} is more than the {limits.deadline_ms} allowed here",
            "scope.deadline_ms",
        )
    return (deadline_ms or limits.deadline_ms) / 1e3
