"""The online decision: constraints, prediction, reasoning, choice, default model and session."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from deployments.protocol import (
    Decision,
    NoEligibleModelError,
    Prediction,
    ReasoningQuestion,
    RequestError,
)
from deployments.protocol.remote_call import RemoteCallError
from deployments.requests import RoutingRequest
from deployments.routing.chooser import PolicyChooser
from deployments.routing.learned_strategy import LearnedStrategy, default_decision
from deployments.routing.prediction_client import PredictionClient
from deployments.routing.reasoning_client import ReasonedPrediction, ReasoningClient
from deployments.routing.request_group import Constraints, RequestGroup
from deployments.routing.sessions import SessionState, SessionStore
from deployments.routing.stickiness import held_candidate, keeps_session_model
from deployments.settings import (
    PREHOC,
    ActiveSettings,
    Limits,
    ReasoningSettings,
    RouterSettings,
    SessionSettings,
)
from scope.model_catalogue import ModelLimits
from scope.pool import ModelSpec

NO_USER_TEXT = "no user text"
"""Why a decision is degraded whose request has no text of a user."""

LONG_PROMPT = "long prompt"
"""Why a decision is degraded that read only the beginning of the prompt."""


class DecisionService:
    """Makes the decisions of one replica.

    Parameters
    ----------
    prediction_client : PredictionClient
    reasoning_client : ReasoningClient
    chooser : PolicyChooser
    sessions : SessionStore
    learned : mapping of str to LearnedStrategy
        The strategies with a learned router, by name.
    limits : callable
        What is believed of an arm that its settings do not say.
    """

    def __init__(
        self,
        prediction_client: PredictionClient,
        reasoning_client: ReasoningClient,
        chooser: PolicyChooser,
        sessions: SessionStore,
        learned: Mapping[str, LearnedStrategy],
        limits: Callable[[str], ModelLimits],
    ) -> None:
        self._prediction_client, self._reasoning_client = prediction_client, reasoning_client
        self._chooser, self._sessions, self._learned = chooser, sessions, learned
        self.limits = limits

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
        settings = active.settings
        limits = settings.limits
        group = RequestGroup(
            requests,
            {model.id: model for model in models},
            settings,
            self.limits,
            decide_by=time.monotonic() + min(deadline_s / 2, limits.list_decision_ms / 1e3),
        )
        strategy = requests[0].options.strategy or settings.strategy
        if strategy == PREHOC:
            decisions = await self._decide_prehoc(group)
        else:
            decisions = await self._decide_learned(group, strategy)
        decisions = [
            decision.degraded_by(LONG_PROMPT) if request.is_cut else decision
            for decision, request in zip(decisions, requests, strict=True)
        ]
        session = await self._sessions.get(client, requests[0])
        if session is None:
            return decisions
        return [
            _with_session_model(decision, session, request, group.models, settings.sessions)
            for decision, request in zip(decisions, requests, strict=True)
        ]

    async def _decide_learned(self, group: RequestGroup, strategy: str) -> list[Decision]:
        """Decide by a learned router; where it fails, without it."""
        learned = self._learned.get(strategy)
        if learned is None:
            known = ", ".join((PREHOC, *self._learned))
            raise RequestError(
                f"scope.strategy: no {strategy} router is configured here; expected {known}",
                "scope.strategy",
            )
        constraints = group.constraints(learned.arms, strategy, learned.objective_settings)
        if not group.has_user_text:
            return await self._decide_without(group, learned, constraints, NO_USER_TEXT)
        try:
            predictions = await learned.predict(group.texts, **group.time_limits())
        except RemoteCallError as error:
            return await self._decide_without(group, learned, constraints, error.reason)
        return _choose(learned.chooser, constraints, predictions)

    async def _decide_without(
        self,
        group: RequestGroup,
        learned: LearnedStrategy,
        constraints: Sequence[Constraints],
        reason: str,
    ) -> list[Decision]:
        """Decide by the bank, or where it predicts none of the arms, for the reference."""
        try:
            decisions = await self._decide_prehoc(group)
        except NoEligibleModelError:
            empty = Decision(None, (), "")
            decisions = [default_decision(learned.arms, c.models, empty) for c in constraints]
        return [decision.degraded_by(reason) for decision in decisions]

    async def _decide_prehoc(self, group: RequestGroup) -> list[Decision]:
        """Decide by the bank's prediction and, where it is on, the reasoner."""
        settings = group.settings
        predicted = self._chooser.predicted(tuple(group.models))
        constraints = group.constraints(predicted, PREHOC, settings.policy.objective_settings)
        if not group.has_user_text:
            predictions = self._prediction_client.predict_means(group.texts, NO_USER_TEXT)
            decisions = _choose(self._chooser, constraints, predictions)
            return [_with_default_model(decision, settings) for decision in decisions]
        if all(self._chooser.uses_means(objective) for _, objective in constraints):
            predictions = self._prediction_client.predict_means(group.texts, None)
            return _choose(self._chooser, constraints, predictions)
        predictions = await self._prediction_client.predict(
            group.texts, group.metadata, **group.time_limits()
        )
        reasoned = await self._reason(
            group.requests, constraints, predictions, settings.reasoning, group.decide_by
        )
        decisions = self._choose_reasoned(constraints, predictions, reasoned)
        return [_with_default_model(decision, settings) for decision in decisions]

    async def _reason(
        self,
        requests: Sequence[RoutingRequest],
        constraints: Sequence[Constraints],
        predictions: Sequence[Prediction],
        settings: ReasoningSettings,
        decide_by: float,
    ) -> Sequence[ReasonedPrediction]:
        """Query the reasoner where its answers can change a decision, until `decide_by`.

        Not for a choice among several samples of one model: an answer about the model would move
        all of its arms, which the rule of what to query does not know.
        """
        if settings.mode == "off" or any(
            self._chooser.derives(group.models) for group in constraints
        ):
            return [ReasonedPrediction(prediction) for prediction in predictions]
        policies = {group: self._chooser.policy(*group) for group in set(constraints)}
        questions = [
            ReasoningQuestion(request.text, prediction, group.models, policies[group])
            for request, prediction, group in zip(requests, predictions, constraints, strict=True)
        ]
        left_s = decide_by - time.monotonic()
        timeout_s = left_s if len(requests) > 1 else min(settings.deadline_ms / 1e3, left_s)
        return await self._reasoning_client.query(questions, settings, timeout_s=timeout_s)

    def _choose_reasoned(
        self,
        constraints: Sequence[Constraints],
        predictions: Sequence[Prediction],
        reasoned: Sequence[ReasonedPrediction],
    ) -> list[Decision]:
        """Choose by the reasoned predictions; note where the anchors alone decide otherwise."""
        decisions = _choose(self._chooser, constraints, [prediction for prediction, _ in reasoned])
        if all(summary is None for _, summary in reasoned):
            return decisions
        by_anchors = _choose(self._chooser, constraints, predictions)
        return [
            replace(
                decision,
                reasoning=summary and replace(summary, changed=decision.model != other.model),
            )
            for decision, other, (_, summary) in zip(decisions, by_anchors, reasoned, strict=True)
        ]


def _choose(
    chooser: PolicyChooser,
    constraints: Sequence[Constraints],
    predictions: Sequence[Prediction],
) -> list[Decision]:
    """Choose for each prompt; prompts with the same constraints in one call."""
    groups: dict[Constraints, list[int]] = {}
    for index, group in enumerate(constraints):
        groups.setdefault(group, []).append(index)
    decisions: dict[int, Decision] = {}
    for group, indices in groups.items():
        chosen = chooser.choose([predictions[index] for index in indices], *group)
        decisions |= zip(indices, chosen, strict=True)
    return [decisions[index] for index in range(len(constraints))]


def _with_default_model(decision: Decision, settings: RouterSettings) -> Decision:
    """Replace a decision without a prediction for its prompt by the default model, if eligible."""
    default = settings.default_model
    if decision.source != "means" or default not in decision.ranking:
        return decision
    decision = decision.with_model(
        default, f"no prediction ({decision.degraded}); {default} is the default model"
    )
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
    held = held_candidate(decision, session)
    if held is not None and held.model != decision.model:
        decision = decision.with_model(held.model, f"the session stays on {held.model}")
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
