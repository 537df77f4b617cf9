"""What if: decide logged predictions anew, and compare with what was decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scope.frontier import planned
from scope.logged import Logged
from scope.metrics import Score, score_json
from scope.policy import Choices
from scope.pool import positions
from scope.predicted_set import PredictedSet
from scope.routing import Routing


@dataclass(frozen=True, slots=True)
class Side:
    """Decisions with what they were expected to bring, and what they really did if known."""

    name: str
    planned: Score
    realised: Score | None

    @classmethod
    def of(cls, name: str, predicted: PredictedSet, choices: Choices) -> "Side":
        """Score decisions at the prices of `predicted`."""
        truth = predicted.truth()
        realised = truth.of_choices(choices) if truth else None
        return cls(name, planned(predicted.predictions, choices), realised)


@dataclass(frozen=True, slots=True)
class Replay:
    """Logged decisions beside new ones.

    Attributes
    ----------
    sides : tuple of Side
        As decided; where prices changed, the same decisions at the new ones; decided anew.
    n_changed, n_questions : int
        Questions that would now go to another model.
    """

    sides: tuple[Side, ...]
    n_changed: int
    n_questions: int

    @classmethod
    def of(
        cls, logged: Logged, before: PredictedSet, after: PredictedSet, anew: Routing
    ) -> "Replay":
        """Compare.

        Parameters
        ----------
        logged : Logged
        before, after : PredictedSet
            All models predicted, at the prices then and now.
        anew : Routing
            Of some of the models of `after`.
        """
        was = logged.choices(before)
        now = _widened(anew, after)
        sides = [Side.of("as decided", before, was)]
        if before.models != after.models:
            sides.append(Side.of("the same at the new prices", after, was))
        sides.append(Side.of("decided anew", after, now))
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


def _widened(anew: Routing, predicted: PredictedSet) -> Choices:
    """Return new decisions as positions among all models predicted."""
    place: Sequence[int] = positions(
        anew.predictions.models, predicted.predictions.models, "the predictions"
    )
    chosen_q = anew.choices.model_q
    model_q = np.where(chosen_q >= 0, np.array(place)[np.maximum(chosen_q, 0)], -1)
    return Choices(model_q, anew.choices.met_q)
