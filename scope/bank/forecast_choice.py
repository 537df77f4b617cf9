"""Which forecast of correctness a fitted bank uses, and the cross-validation that chose it."""

from typing import Literal

from pydantic import Field

from scope.config import StrictModel

Candidate = Literal["neighbours", "means", "blend", "process"]

CANDIDATES: tuple[Candidate, ...] = ("neighbours", "means", "blend", "process")
"""The kNN estimate, which is that of a bank that was not fitted, the models' means, the average of
the kNN estimate and the forecaster, and the forecaster; in the order in which they are tried."""

MIN_STANDARD_ERRORS = 2.0
"""Standard errors by which a forecast must be better than the one chosen before it."""


class CandidateScore(StrictModel):
    """Cross-validated log loss of one candidate, in nats per known outcome."""

    name: Candidate
    log_loss: float
    standard_error: float
    """Of the log loss, over anchors."""
    against: Candidate
    """The forecast chosen before this one was tried; itself for the first."""
    gain: float
    """Log loss of `against` minus that of this one."""
    gain_error: float
    """Standard error of the gain, paired over anchors."""

    @property
    def is_better(self) -> bool:
        """Whether the gain is above `MIN_STANDARD_ERRORS`: then this one is chosen instead."""
        return self.gain > MIN_STANDARD_ERRORS * self.gain_error


class ForecastChoice(StrictModel):
    """The chosen forecast and the scores of all candidates.

    The kNN estimate, until one of `CANDIDATES` is better than the one chosen before it by more
    than `MIN_STANDARD_ERRORS` of the paired difference. So a fit must be shown to help.
    """

    chosen: Candidate
    method: str
    """``leave-one-out``, or the number of folds."""
    n_anchors: int = Field(ge=1)
    candidates: tuple[CandidateScore, ...]

    @classmethod
    def from_scores(
        cls, scores: tuple[CandidateScore, ...], method: str, n_anchors: int
    ) -> "ForecastChoice":
        """Choose the last better one; `scores` are in the order of `CANDIDATES`."""
        better = [score.name for score in scores if score.is_better]
        chosen = better[-1] if better else CANDIDATES[0]
        return cls(chosen=chosen, method=method, n_anchors=n_anchors, candidates=scores)
