"""A decision: the chosen model, the reason, and the alternatives."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple
from uuid import uuid4

from deployments.protocol.messages import ReasoningMode
from scope.policy import Policy
from scope.routing import Objective, finite_or_none


def new_id() -> str:
    """Return a unique id."""
    return f"dec_{uuid4().hex}"


class CandidateEstimate(NamedTuple):
    """The estimates of one eligible model for one prompt; NaN is unknown.

    The fields are those of `scope.predictions.COLUMNS`, and the utility: ``p_correct -
    trade_off * cost_usd`` where the policy has a finite trade-off.
    """

    model: str
    p_correct: float = math.nan
    p_low: float = math.nan
    p_high: float = math.nan
    prompt_tokens: float = math.nan
    completion_tokens: float = math.nan
    completion_tokens_low: float = math.nan
    completion_tokens_high: float = math.nan
    cost_usd: float = math.nan
    cost_usd_low: float = math.nan
    cost_usd_high: float = math.nan
    in_distribution: float = math.nan
    utility: float = math.nan

    def to_json(self) -> dict[str, str | float | None]:
        """Return the fields by name; unknown is None."""
        model, *values = self
        numbers = map(finite_or_none, values)
        return {"model": model, **dict(zip(self._fields[1:], numbers, strict=True))}


class NearestAnchor(NamedTuple):
    """An anchor near a prompt."""

    id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class ReasoningSummary:
    """Queries to the reasoner for one decision.

    Attributes
    ----------
    mode : str
    n_queries, n_avoided, cancelled : int
        As in a `ReasoningResult`.
    degraded : str or None
        Why queries are missing.
    changed : bool
        Whether the anchors alone would have chosen another model.
    """

    mode: ReasoningMode
    n_queries: int = 0
    n_avoided: int = 0
    cancelled: int = 0
    degraded: str | None = None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision, as the response and the decision log state it.

    Attributes
    ----------
    model : str or None
        None where no eligible model has known estimates.
    ranking : tuple of str
        The eligible models, best first: the order of the fallbacks.
    reason : str
        One line for people.
    objective : Objective or None
        None where no policy was applied: the client named the model, or no prediction was
        possible.
    policy : Policy or None
        The policy of the objective, or None.
    satisfied : bool
        False where no model satisfies the policy and the nearest one is chosen.
    candidates : tuple of CandidateEstimate
        One for each eligible model.
    anchors : tuple of NearestAnchor
    source : str
        ``anchors``, ``cache``, ``scope``, ``knn``, ``means``, ``default`` or ``client``.
    degraded : str or None
        Why the prediction uses less than all replicas.
    out_of_distribution : bool or None
        Whether the prompt is out of distribution; None where the bank cannot tell.
    sticky : bool
        Whether the session keeps its model in place of the policy's choice.
    reasoning : ReasoningSummary or None
        None where reasoning is off.
    strategy : str
        Who predicted: ``prehoc``, ``hybridllm`` or ``bestroute``.
    probability : str
        What `p_correct` of a candidate is the probability of; with a learned router that the
        answer is at least as good as that of its reference.
    known : mapping of str to str
        What was known of the question and used, as ``{"category": "law"}``.
    assumed : tuple of str
        Eligible arms whose worth of several samples is a prior, not fitted to samples.
    id : str
    """

    model: str | None
    ranking: tuple[str, ...]
    reason: str
    objective: Objective | None = None
    policy: Policy | None = None
    satisfied: bool = True
    candidates: tuple[CandidateEstimate, ...] = field(default=(), repr=False)
    anchors: tuple[NearestAnchor, ...] = field(default=(), repr=False)
    source: str = "anchors"
    degraded: str | None = None
    out_of_distribution: bool | None = None
    sticky: bool = False
    reasoning: ReasoningSummary | None = None
    strategy: str = "prehoc"
    probability: str = "the answer is correct"
    assumed: tuple[str, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default_factory=new_id)

    @property
    def policy_name(self) -> str | None:
        """Name of the policy, or None."""
        return self.policy.name if self.policy else None

    def degraded_by(self, reason: str | None) -> "Decision":
        """Return the same decision with one more reason why it is degraded."""
        reasons = [known for known in (self.degraded, reason) if known is not None]
        return replace(self, degraded="; ".join(dict.fromkeys(reasons)) or None)

    @property
    def margin(self) -> float | None:
        """Difference between the two highest utilities; None where fewer than two are known."""
        known = sorted(c.utility for c in self.candidates if math.isfinite(c.utility))
        return known[-1] - known[-2] if len(known) > 1 else None

    def candidate(self, model: str | None) -> CandidateEstimate | None:
        """Return the candidate of a model; None where the model is no candidate."""
        return next((c for c in self.candidates if c.model == model), None)

    def with_model(self, model: str, reason: str) -> "Decision":
        """Return the same decision for another of the eligible models."""
        ranking = (model, *(other for other in self.ranking if other != model))
        return replace(self, model=model, ranking=ranking, reason=reason)

    def to_json(self) -> dict[str, Any]:
        """Return the body of ``/v1/route``."""
        settings: dict[str, float] = self.objective.settings if self.objective else {}
        settings |= self.policy.settings if self.policy else {}
        body = {
            "id": self.id,
            "model": self.model,
            "strategy": self.strategy,
            "probability": self.probability,
            "assumed": list(self.assumed),
            "known": dict(self.known),
            "policy": self.policy_name,
            "settings": {name: finite_or_none(value) for name, value in settings.items()},
            "reason": self.reason,
            "satisfied": self.satisfied,
            "margin": self.margin,
            "out_of_distribution": self.out_of_distribution,
            "sticky": self.sticky,
            "source": self.source,
            "degraded": self.degraded,
            "fallbacks": list(self.ranking[1:]),
            "candidates": [candidate.to_json() for candidate in self.candidates],
            "anchors": [
                {"id": anchor.id, "similarity": round(anchor.similarity, 6)}
                for anchor in self.anchors
            ],
        }
        return body if self.reasoning is None else {**body, "reasoning": asdict(self.reasoning)}

    def headers(self, model: str | None) -> dict[str, str]:
        """Return the response headers, with the estimates of the `model` that answers."""
        candidate = self.candidate(model)
        values = {
            "decision-id": self.id,
            "model": model,
            "strategy": self.strategy if self.strategy != "prehoc" else None,
            "policy": self.policy_name or self.source,
            "p-correct": candidate and _format(candidate.p_correct),
            "cost-usd": candidate and _format(candidate.cost_usd),
            "source": self.source,
            "degraded": self.degraded,
        }
        return {f"x-scope-{name}": value for name, value in values.items() if value is not None}


def pinned_decision(model: str) -> Decision:
    """Return the decision for a client that named its model."""
    return Decision(model, (model,), "the client named the model", source="client")


def _format(value: float) -> str | None:
    return f"{value:.6g}" if math.isfinite(value) else None
