"""Sets of questions cut into portions, as shards on disk cut them."""

from dataclasses import dataclass

from hypothesis import strategies as st

from scope.bank.reference_population import ReferencePopulation
from scope.outcomes import Outcomes
from scope.predictions import Predictions
from scope.routing.prediction_set import PredictionSet


def cut(data, n):
    """Slices that cover ``range(n)`` in order; Hypothesis chooses where one ends."""
    ends = sorted(data.draw(st.sets(st.integers(1, max(n, 1)), max_size=5)) | {n})
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def rows_of(predictions, rows):
    """The predictions for some of the questions."""
    estimates = predictions.estimates.select_questions(rows)
    return Predictions(predictions.question_ids[rows], predictions.models, estimates)


@dataclass(frozen=True)
class Portions:
    """A predicted set that hands out its questions a portion at a time."""

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

    def iter_shards(self, columns=()):
        for rows in self.cuts:
            outcomes: Outcomes | None = self.whole.outcomes
            calibration: ReferencePopulation | None = self.whole.reference
            yield PredictionSet(
                rows_of(self.whole.predictions, rows),
                self.whole.models,
                calibration,
                outcomes and outcomes.select_questions(rows),
            )
