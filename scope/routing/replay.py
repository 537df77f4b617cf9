"""Compare logged decisions with a replay of the same predictions."""

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
    """Planned and, if known, realised score of some decisions."""

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
    """Logged decisions compared with replayed ones.

    Attributes
    ----------
    sides : tuple of ReplayRow
        Logged; if prices changed, logged at the new prices; replayed.
    n_changed, n_questions : int
        Questions whose model changes, and all questions.
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
        replayed: RoutingResult,
    ) -> "ReplayComparison":
        """Compare logged and replayed decisions.

        Parameters
        ----------
        logged : LoggedDecisions
        before, after : PredictionSet
            All predicted models, at the logged and at the current prices; `after` may have more
            models, which come last.
        replayed : RoutingResult
            For some of the models of `after`.
        """
        old = logged.choices(before)
        new = _reindex(replayed, after)
        sides = [ReplayRow.from_choices("logged", before, old)]
        if before.models != after.models[: len(before.models)]:
            sides.append(ReplayRow.from_choices("logged, new prices", after, old))
        sides.append(ReplayRow.from_choices("replayed", after, new))
        return cls(tuple(sides), int((old.model_q != new.model_q).sum()), len(old.model_q))

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


def _reindex(replayed: RoutingResult, predicted: PredictionSet) -> Choices:
    """Return replayed decisions as indices among all predicted models."""
    index: Sequence[int] = indices_of(
        replayed.predictions.models, predicted.predictions.models, "the predictions"
    )
    chosen_q = replayed.choices.model_q
    model_q = np.where(chosen_q >= 0, np.array(index)[np.maximum(chosen_q, 0)], -1)
    return Choices(model_q, replayed.choices.satisfied_q)
