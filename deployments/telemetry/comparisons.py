"""What each candidate would have cost and answered, against the chosen models."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from deployments.protocol import CandidateEstimate, Decision

COMPARED_STRATEGY = "prehoc"
"""The strategy whose probabilities are those of correct answers."""


@dataclass(slots=True)
class ComparisonSums:
    """Sums over the decisions that compare one candidate with the chosen model.

    Both sides are over the same decisions: those in which cost and probability of both are
    predicted. "Always this candidate" would have cost `cost_usd` in place of `chosen_cost_usd`.
    """

    n_decisions: int = 0
    cost_usd: float = 0.0
    correct: float = 0.0
    chosen_cost_usd: float = 0.0
    chosen_correct: float = 0.0

    def add(self, candidate: CandidateEstimate, chosen: CandidateEstimate) -> None:
        """Add one decision."""
        self.n_decisions += 1
        self.cost_usd += candidate.cost_usd
        self.correct += candidate.p_correct
        self.chosen_cost_usd += chosen.cost_usd
        self.chosen_correct += chosen.p_correct

    def by_metric(self) -> dict[str, float]:
        """Return the sums by the name of their counter."""
        return {
            "scope_candidate_decisions_total": self.n_decisions,
            "scope_candidate_cost_usd_total": self.cost_usd,
            "scope_candidate_correct_total": self.correct,
            "scope_chosen_cost_usd_total": self.chosen_cost_usd,
            "scope_chosen_correct_total": self.chosen_correct,
        }


def add_comparisons(sums: dict[str, ComparisonSums], decisions: Iterable[Decision]) -> None:
    """Add decisions to the sums of every candidate that they compare.

    A decision of a learned router is left out: its probabilities are not those of correct
    answers.
    """
    for decision in decisions:
        chosen = decision.candidate(decision.model)
        if chosen is None or not _is_known(chosen) or decision.strategy != COMPARED_STRATEGY:
            continue
        for candidate in filter(_is_known, decision.candidates):
            sums.setdefault(candidate.model, ComparisonSums()).add(candidate, chosen)


def _is_known(candidate: CandidateEstimate) -> bool:
    return math.isfinite(candidate.cost_usd + candidate.p_correct)
