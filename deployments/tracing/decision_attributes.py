"""Decisions as attributes of a span."""

from collections.abc import Sequence

from deployments.protocol import Decision
from scope.routing import finite_or_none


def decision_attributes(decisions: Sequence[Decision]) -> dict[str, object]:
    """Return the attributes of one decision; of a list their number, and why any is degraded."""
    if len(decisions) == 1:
        return _of_one(decisions[0])
    degraded = dict.fromkeys(decision.degraded for decision in decisions if decision.degraded)
    return {"scope.decisions": len(decisions), "scope.degraded": "; ".join(degraded) or None}


def _of_one(decision: Decision) -> dict[str, object]:
    candidate = decision.candidate(decision.model)
    return {
        "scope.decision.id": decision.id,
        "scope.model": decision.model,
        "scope.strategy": decision.strategy,
        "scope.policy": decision.policy_name,
        "scope.source": decision.source,
        "scope.degraded": decision.degraded,
        "scope.sticky": decision.sticky,
        "scope.out_of_distribution": decision.out_of_distribution,
        "scope.p_correct": candidate and finite_or_none(candidate.p_correct),
        "scope.predicted_cost_usd": candidate and finite_or_none(candidate.cost_usd),
    }
