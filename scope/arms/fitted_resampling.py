"""What was fitted to the samples of a model, with intervals."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from scope.pool import Resampling

Z_95 = 1.96
"""Half of a 95 % interval, in standard deviations."""


class FittedValue(NamedTuple):
    """A fitted number and the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"

    @classmethod
    def from_log(cls, log_value: float, sd: float) -> "FittedValue":
        """Return the exponential of an estimate and of its interval."""
        return cls(*np.exp(log_value + Z_95 * sd * np.array([0, -1, 1])).tolist())


@dataclass(frozen=True, slots=True)
class FittedResampling:
    """What was fitted to the samples of one model.

    Attributes
    ----------
    model : str
    resampling : Resampling
        With the values below.
    n_questions : int
        Questions with a prediction and two graded samples or more.
    n_samples : int
        Most graded samples of a question.
    concentration : FittedValue
        ``kappa``, shrunk towards that of all models.
    auc : FittedValue or None
        How often the selector scores a correct sample above a wrong one of its question; None
        for a majority, NaN where no question has both.
    odds, exponent : FittedValue
        As in `Resampling`; the exponent of a majority is 1.
    diversity : FittedValue or None
        Of a majority.
    is_pooled : bool
        Whether odds, exponent and diversity are those of all models together, because these
        predict held-out questions as well as those of each model.
    largest_error : float
        Predicted minus observed probability that the pick is correct, at the number of samples
        where it is largest, on these questions.
    largest_error_at : int
        That number of samples.
    """

    model: str
    resampling: Resampling
    n_questions: int
    n_samples: int
    concentration: FittedValue
    auc: FittedValue | None
    odds: FittedValue
    exponent: FittedValue
    diversity: FittedValue | None
    is_pooled: bool
    largest_error: float
    largest_error_at: int

    @property
    def headers(self) -> tuple[str, ...]:
        """Titles of `cells`: a majority has other parameters than a selector with scores."""
        fitted = ("tie odds", "diversity") if self.auc is None else ("AUC", "odds", "exponent")
        return ("model", "questions × samples", "kappa", *fitted, "largest error, points")

    def cells(self) -> tuple[str, ...]:
        """Return a row of a table under `headers`."""
        fitted = (self.auc, self.odds, self.exponent if self.auc else self.diversity)
        return (
            self.model,
            f"{self.n_questions:,} × {self.n_samples}",
            f"{self.concentration}",
            *(f"{value}" for value in fitted if value is not None),
            f"{100 * self.largest_error:+.1f} at n = {self.largest_error_at}",
        )

    def to_json(self) -> dict[str, object]:
        """Return plain values, intervals as lists of value, low and high."""
        facts: dict[str, object] = {
            name: list(value) if isinstance(value, FittedValue) else value
            for name, value in ((field.name, getattr(self, field.name)) for field in fields(self))
        }
        return facts | {"resampling": self.resampling.model_dump(mode="json")}
