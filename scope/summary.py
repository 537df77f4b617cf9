"""What decisions amount to, and the file that holds both."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope.files import atomic_file
from scope.formats import stream_json_array
from scope.frontier import PlannedAndRealised
from scope.metrics import GroundTruth, RoutingScore, finite_or_none, score_json

if TYPE_CHECKING:
    from scope.routing import RoutingResult


@dataclass(frozen=True, slots=True)
class RoutingSummary:
    """What decisions amount to, however many: all of a routing file but the decisions.

    Attributes
    ----------
    policy, settings, overshoot_usd
        As in a `RoutingResult`.
    models : tuple of str
        The permitted ones.
    n_questions : int
    distribution : dict of str to int
        How many questions each chosen model gets, most first; those without a model are in
        no count.
    planned : RoutingScore
    realised : RoutingScore or None
        None where nobody knows what happened.
    """

    policy: str
    settings: dict[str, float]
    overshoot_usd: float
    models: tuple[str, ...]
    n_questions: int
    distribution: dict[str, int]
    planned: RoutingScore
    realised: RoutingScore | None

    @classmethod
    def from_routings(
        cls, routings: Iterable[tuple["RoutingResult", GroundTruth | None]]
    ) -> "RoutingSummary":
        """Add up the routings of one rule on sets of questions, one after the other."""
        scores, counts, n_questions = PlannedAndRealised(), Counter[int](), 0
        for routing, truth in routings:
            scores.add(routing.predictions, routing.choices, truth)
            counts.update(routing.choices.model_q.tolist())
            n_questions += len(routing.predictions.question_ids)
        models = routing.predictions.models
        ranked = sorted(((n, m) for m, n in counts.items() if m >= 0), reverse=True)
        return cls(
            routing.policy,
            routing.settings,
            routing.overshoot_usd,
            models,
            n_questions,
            {models[m]: n for n, m in ranked},
            scores.planned,
            scores.realised,
        )

    def to_json(self, decisions: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """Return the reference's routing form, with what was planned beside it.

        `accuracy` and the costs of the reference's keys are those that really
        occurred; null where nobody knows.
        """
        realised = self.realised
        result = {
            "alpha": self.settings.get("alpha"),
            "total_questions": self.n_questions,
            "accuracy": realised and finite_or_none(realised.accuracy),
            "total_cost": realised and finite_or_none(realised.cost_usd),
            "average_cost": realised and finite_or_none(realised.usd_per_1k / 1000),
            "model_distribution": self.distribution,
            "routing_decisions": list(decisions),
        }
        return {
            "policy": self.policy,
            "settings": {name: finite_or_none(value) for name, value in self.settings.items()},
            "models": list(self.models),
            "planned": score_json(self.planned),
            "realised": realised and score_json(realised),
            "overshoot_usd": self.overshoot_usd,
            "routing": [result],
        }

    def write(self, path: Path, decisions: Iterable[dict[str, Any]]) -> None:
        """Write a routing file, atomically, its decisions as they come: one a line."""
        opening, closing = json.dumps(self.to_json(), indent=1, allow_nan=False).rsplit("[]", 1)
        with (
            atomic_file(path) as draft,
            stream_json_array(draft, f"{opening}[", f"\n   ]{closing}\n") as append,
        ):
            for decision in decisions:
                append(decision)
