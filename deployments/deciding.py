"""Decide for what is asked: hard rules, predictions, answers, policy, the session's model."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from deployments.asks import Ask
from deployments.choosing import Chooser
from deployments.decision import Decision
from deployments.eligibility import eligible
from deployments.foretelling import Foreteller
from deployments.live import Current
from deployments.prediction import Prediction
from deployments.reasoning import Case
from deployments.refusals import NoModelLeftError, RefusedError
from deployments.second_opinion import Heard, SecondOpinion
from deployments.sessions import Held
from deployments.settings import Limits
from deployments.shared_sessions import SharedSessions
from deployments.stay import keeps
from scope.policy import Policy
from scope.pool import ModelSpec

Rules = tuple[tuple[str, ...], tuple[tuple[str, float], ...]]
"""Permitted models and aim: prompts that share both are decided together."""


class Decider:
    """Makes the decisions of one replica.

    Parameters
    ----------
    foreteller : Foreteller
    second_opinion : SecondOpinion
    chooser : Chooser
    sessions : SharedSessions
    """

    def __init__(
        self,
        foreteller: Foreteller,
        second_opinion: SecondOpinion,
        chooser: Chooser,
        sessions: SharedSessions,
    ) -> None:
        self._foreteller, self._second_opinion = foreteller, second_opinion
        self._chooser, self._sessions = chooser, sessions

    async def decide(
        self,
        asks: Sequence[Ask],
        models: Sequence[ModelSpec],
        current: Current,
        *,
        client: str,
        deadline_s: float,
    ) -> list[Decision]:
        """Return a decision for each ask, in their order.

        Parameters
        ----------
        asks : sequence of Ask
        models : sequence of ModelSpec
            Those that could answer, at today's prices.
        current : Current
        client : str
            Name of the API key, which sessions belong to.
        deadline_s : float
            Of the whole request; half of it may go by before lesser decisions are made.

        Raises
        ------
        RefusedError
            If the wishes are wrong, or leave no model.
        """
        half_at = time.monotonic() + deadline_s / 2
        by_id = {model.id: model for model in models}
        rules = [
            _rules(ask, place, by_id, current, listed=len(asks) > 1)
            for place, ask in enumerate(asks)
        ]
        patience_s = current.settings.limits.decision_ms / 1e3
        within_s = deadline_s / 2 if len(asks) > 1 else min(patience_s, deadline_s / 2)
        predictions = await self._foreteller.foretell(
            [ask.text for ask in asks], within_s=within_s, patience_s=patience_s / 2
        )
        heard = await self._heard(asks, rules, predictions, by_id, current, half_at)
        decisions = self._reasoned(rules, predictions, heard, by_id)
        held = await self._sessions.held(client, asks[0])  # the prompts of a list share one
        return [
            _settled(decision, ask, held, by_id, current)
            for decision, ask in zip(decisions, asks, strict=True)
        ]

    async def _heard(
        self,
        asks: Sequence[Ask],
        rules: Sequence[Rules],
        predictions: Sequence[Prediction],
        models: Mapping[str, ModelSpec],
        current: Current,
        half_at: float,
    ) -> Sequence[Heard]:
        """Have the reasoner add what it knows, as long as half of the deadline is not over."""
        settings = current.settings.reasoning
        if settings.mode == "off":
            return [(prediction, None) for prediction in predictions]
        policies: dict[Rules, tuple[tuple[ModelSpec, ...], Policy]] = {}
        for ids, aim in set(rules):
            permitted = tuple(models[one] for one in ids)
            policies[ids, aim] = (permitted, self._chooser.policy(permitted, dict(aim)))
        cases = [
            Case(ask.text, prediction, *policies[rule])
            for ask, prediction, rule in zip(asks, predictions, rules, strict=True)
        ]
        left_s = half_at - time.monotonic()
        patience_s = settings.deadline_ms / 1e3
        within_s = left_s if len(asks) > 1 else min(patience_s, left_s)
        return await self._second_opinion.hear(cases, settings, within_s=within_s)

    def _reasoned(
        self,
        rules: Sequence[Rules],
        predictions: Sequence[Prediction],
        heard: Sequence[Heard],
        models: Mapping[str, ModelSpec],
    ) -> list[Decision]:
        """Choose by all that is known, and say whether the anchors alone would have chosen so."""
        decisions = self._chosen(rules, [prediction for prediction, _ in heard], models)
        if all(told is None for _, told in heard):
            return decisions
        alone = self._chosen(rules, predictions, models)
        return [
            replace(decision, reasoning=told and {**told, "changed": decision.model != other.model})
            for decision, other, (_, told) in zip(decisions, alone, heard, strict=True)
        ]

    def _chosen(
        self,
        rules: Sequence[Rules],
        predictions: Sequence[Prediction],
        models: Mapping[str, ModelSpec],
    ) -> list[Decision]:
        """Choose for all prompts that share their rules at once."""
        places: dict[Rules, list[int]] = {}
        for place, rule in enumerate(rules):
            places.setdefault(rule, []).append(place)
        decisions: dict[int, Decision] = {}
        for (ids, aim), those in places.items():
            asked = [predictions[place] for place in those]
            chosen = self._chooser.choose(asked, tuple(models[one] for one in ids), dict(aim))
            decisions |= zip(those, chosen, strict=True)
        return [decisions[place] for place in range(len(rules))]


def _settled(
    decision: Decision,
    ask: Ask,
    held: Held | None,
    models: Mapping[str, ModelSpec],
    current: Current,
) -> Decision:
    """Return the decision after the default model and the session had their say."""
    default = current.settings.default_model
    if decision.source == "averages" and default in decision.order:
        decision = replace(
            moved(decision, default, f"no replica could tell; {default} is the default model"),
            policy=None,
            settings={},
            source="default",
        )
    stickiness = current.settings.sessions
    if held and keeps(decision, held, models, stickiness, continues=ask.continues):
        if held.model != decision.model:
            decision = moved(decision, held.model, f"the session stays on {held.model}")
        return replace(decision, kept=True)
    return decision


def moved(decision: Decision, model: str, reason: str) -> Decision:
    """Return a decision for another of its candidates."""
    order = (model, *(other for other in decision.order if other != model))
    return replace(decision, model=model, order=order, reason=reason)


def deadline_s(deadline_ms: int | None, limits: Limits) -> float:
    """Return what a request may take.

    Raises
    ------
    RefusedError
        If it asks for more than requests get that do not say.
    """
    if deadline_ms is not None and deadline_ms > limits.deadline_ms:
        raise RefusedError(
            f"scope.deadline_ms: {deadline_ms} is more than the {limits.deadline_ms} allowed here",
            "scope.deadline_ms",
        )
    return (deadline_ms or limits.deadline_ms) / 1e3


def _rules(
    ask: Ask, place: int, models: Mapping[str, ModelSpec], current: Current, *, listed: bool
) -> Rules:
    try:
        permitted = eligible(tuple(models.values()), ask.needs, ask.wish)
    except NoModelLeftError as error:
        if not listed:
            raise
        told = f"prompts[{place}]: {error}"
        raise NoModelLeftError(told, f"prompts[{place}]", error.code) from None
    aim = ask.wish.aim() or current.settings.policy.aim()
    return permitted, tuple(aim.items())
