"""What if: decide logged predictions anew, and compare with what was decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scope.policy import Choices
from scope.pool import indices_of
from scope.routing.frontier import planned_score
from scope.routing.logged import LoggedDecisions
from scope.routing.metrics import RoutingScore, score_json
from scope.routing.prediction_set import PredictionSet
from scope.routing.routing import RoutingResult


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """Decisions with what they were expected to bring, and what they really did if known."""

    name: str
    planned: RoutingScore
    realised: RoutingScore | None

    @classmethod
    def from_choices(cls, name: str, predicted: PredictionSet, choices: Choices) -> "ReplayRow":
        """Score decisions at the prices of `predicted`."""
        truth = predicted.truth()
        realised = truth.score_choices(choices) if truth else None
        return cls(name, planned_score(predicted.predictions, choices), realised)


@dataclass(frozen=True, slots=True)
class ReplayComparison:
    """Logged decisions beside new ones.

    Attributes
    ----------
    sides : tuple of ReplayRow
        As decided; where prices changed, the same decisions at the new ones; decided anew.
    n_changed, n_questions : int
        Questions that would now go to another model.
    """

    sides: tuple[ReplayRow, ...]
    n_changed: int
    n_questions: int

    @classmethod
    def compare(
        cls,
        logged: LoggedDecisions,
        before: PredictionSet,
        after: PredictionSet,
        anew: RoutingResult,
    ) -> "ReplayComparison":
        """Compare.

        Parameters
        ----------
        logged : LoggedDecisions
        before, after : PredictionSet
            All models predicted, at the prices then and now.
        anew : RoutingResult
            Of some of the models of `after`.
        """
        was = logged.choices(before)
        now = _reindex(anew, after)
        sides = [ReplayRow.from_choices("as decided", before, was)]
        if before.models != after.models:
            sides.append(ReplayRow.from_choices("the same at the new prices", after, was))
        sides.append(ReplayRow.from_choices("decided anew", after, now))
        return cls(tuple(sides), int((was.model_q != now.model_q).sum()), len(was.model_q))

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a JSON object; unknown is null."""
        return {
            "n_questions": self.n_questions,
            "n_changed": self.n_changed,
            "sides": [
                {
                    "name": side.name,
                    "planned": score_json(side.planned),
                    "realised": side.realised and score_json(side.realised),
                }
                for side in self.sides
            ],
        }


def _reindex(anew: RoutingResult, predicted: PredictionSet) -> Choices:
    """Return new decisions as positions among all models predicted."""
    place: Sequence[int] = indices_of(
        anew.predictions.models, predicted.predictions.models, "the predictions"
    )
    chosen_q = anew.choices.model_q
    model_q = np.where(chosen_q >= 0, np.array(place)[np.maximum(chosen_q, 0)], -1)
    return Choices(model_q, anew.choices.satisfied_q)
