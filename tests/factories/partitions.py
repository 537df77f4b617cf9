"""Sets of questions in portions, like shards on disk."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from scope.outcomes import Outcomes
from scope.predictions import Predictions
from scope.routing.prediction_set import PredictionSet


def cut(data, n):
    """Slices that cover ``range(n)`` in order, with ends drawn by Hypothesis."""
    ends = sorted(data.draw(st.sets(st.integers(1, max(n, 1)), max_size=5)) | {n})
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def rows_of(predictions, rows):
    """The predictions for some of the questions."""
    estimates = predictions.estimates.select_questions(rows)
    return Predictions(predictions.question_ids[rows], predictions.models, estimates)


@dataclass(frozen=True)
class Portions:
    """A prediction set that yields its questions in portions."""

    whole: PredictionSet
    cuts: list[slice]

    @property
    def model_ids(self) -> tuple[str, ...]:
        return self.whole.model_ids

    def select_models(self, wanted):
        return Portions(self.whole.select_models(wanted), self.cuts)

    @property
    def models(self):
        return self.whole.models

    @property
    def reference(self):
        return self.whole.reference

    @property
    def routing_gain(self):
        return self.whole.routing_gain

    def with_means(self):
        return Portions(self.whole.with_means(), self.cuts)

    def iter_shards(self, columns=()):
        for rows in self.cuts:
            outcomes: Outcomes | None = self.whole.outcomes
            yield replace(
                self.whole,
                predictions=rows_of(self.whole.predictions, rows),
                outcomes=outcomes and outcomes.select_questions(rows),
            )
