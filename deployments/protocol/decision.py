"""A decision: the model, why it, and what else there was."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4


def new_id() -> str:
    """Return an id nobody else has."""
    return f"dec_{uuid4().hex}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a request is told, and what the decision log keeps.

    Attributes
    ----------
    model : str or None
        None where nothing is known about any permitted model.
    order : tuple of str
        The permitted models, best first: whoever answers if the first cannot.
    policy : str or None
        Name of the rule; None where the client named the model, or nothing could be foretold.
    settings : mapping of str to (float or None)
        What the rule was asked; None is infinite.
    reason : str
        One line for people.
    met : bool
        False where no model satisfied the rule, and the nearest one was taken.
    candidates : tuple of mapping
        Every estimate of every permitted model, with its ``utility``; None is unknown.
    anchors : tuple of mapping
        The nearest, with their similarity.
    source : str
        ``anchors``, ``cache``, ``scope``, ``votes``, ``averages``, ``default`` or ``client``.
    degraded : str or None
        Why it rests on less than it could.
    out_of_distribution : bool or None
        Whether the prompt is unlike all anchors; None where the bank cannot tell.
    kept : bool
        Whether a session stays on its model in place of the one the policy would choose.
    reasoning : mapping or None
        What asking the reasoner came to; None where it is off.
    """

    model: str | None
    ranking: tuple[str, ...]
    policy: str | None
    settings: Mapping[str, float | None]
    reason: str
    satisfied: bool = True
    candidates: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    anchors: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    source: str = "anchors"
    degraded: str | None = None
    out_of_distribution: bool | None = None
    sticky: bool = False
    reasoning: Mapping[str, Any] | None = None
    id: str = field(default_factory=new_id)

    @property
    def margin(self) -> float | None:
        """By how much the best utility exceeds the next; None where there are no two."""
        known = sorted(one["utility"] for one in self.candidates if one["utility"] is not None)
        return known[-1] - known[-2] if len(known) > 1 else None

    def estimate(self, model: str | None, estimate: str) -> float | None:
        """Return an estimate of a candidate; None where it is unknown."""
        for candidate in self.candidates:
            if candidate["model"] == model:
                value: float | None = candidate[estimate]
                return value
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the body of ``/v1/route``."""
        told = {
            "id": self.id,
            "model": self.model,
            "policy": self.policy,
            "settings": dict(self.settings),
            "reason": self.reason,
            "satisfied": self.satisfied,
            "margin": self.margin,
            "out_of_distribution": self.out_of_distribution,
            "sticky": self.sticky,
            "source": self.source,
            "degraded": self.degraded,
            "fallbacks": list(self.ranking[1:]),
            "candidates": [dict(candidate) for candidate in self.candidates],
            "anchors": [dict(anchor) for anchor in self.anchors],
        }
        return told if self.reasoning is None else {**told, "reasoning": dict(self.reasoning)}

    def headers(self, model: str | None) -> dict[str, str]:
        """Return the response headers; of what is predicted, that of the `model` that answers."""
        told = {
            "decision-id": self.id,
            "model": model,
            "policy": self.policy or self.source,
            "p-correct": _number(self.estimate(model, "p_correct")),
            "cost-usd": _number(self.estimate(model, "cost_usd")),
            "source": self.source,
            "degraded": self.degraded,
        }
        return {f"x-scope-{name}": value for name, value in told.items() if value is not None}


def pinned_decision(model: str) -> Decision:
    """Return the decision of a client that named its model."""
    return Decision(model, (model,), None, {}, "the client named the model", source="client")


def _number(value: float | None) -> str | None:
    return None if value is None or math.isnan(value) else f"{value:.6g}"
