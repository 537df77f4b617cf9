"""Sets of questions cut into portions, as shards on disk cut them."""

from dataclasses import dataclass

from hypothesis import strategies as st

from scope.calibration import Calibration
from scope.dial import Dial
from scope.outcomes import Outcomes
from scope.predicted_set import PredictedSet
from scope.predictions import ESTIMATES, Estimates, Predictions


def cut(data, n):
    """Slices that cover ``range(n)`` in order; Hypothesis chooses where one ends."""
    ends = sorted(data.draw(st.sets(st.integers(1, max(n, 1)), max_size=5)) | {n})
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def rows_of(predictions, rows):
    """The predictions for some of the questions."""
    estimates = Estimates(*(getattr(predictions.estimates, name)[rows] for name in ESTIMATES))
    return Predictions(predictions.question_ids[rows], predictions.models, estimates)


@dataclass(frozen=True)
class Portions:
    """A predicted set that hands out its questions a portion at a time."""

    whole: PredictedSet
    cuts: list[slice]

    @property
    def model_ids(self) -> tuple[str, ...]:
        return self.whole.model_ids

    def of_pool(self, wanted):
        return Portions(self.whole.of_pool(wanted), self.cuts)

    def dial(self) -> Dial:
        return self.whole.dial()

    def shards(self, columns=()):
        for rows in self.cuts:
            outcomes: Outcomes | None = self.whole.outcomes
            calibration: Calibration | None = self.whole.calibration
            yield PredictedSet(
                rows_of(self.whole.predictions, rows),
                self.whole.models,
                calibration,
                outcomes and outcomes.rows(rows),
            )
