"""Which forecast of correctness a fitted bank uses, and the cross-validation that chose it."""

from typing import Literal

from pydantic import Field

from scope.config import StrictModel

Candidate = Literal["means", "neighbours", "process", "blend"]

CANDIDATES: tuple[Candidate, ...] = ("means", "neighbours", "process", "blend")
"""The models' means, the kNN estimate, the forecaster, and the average of the last two; the
simplest first."""


class CandidateScore(StrictModel):
    """Cross-validated log loss of one candidate, in nats per known outcome."""

    name: Candidate
    log_loss: float
    standard_error: float
    """Of the log loss, over anchors."""
    above_best: float = Field(ge=0)
    """Log loss above that of the best candidate."""
    above_best_error: float
    """Standard error of that difference, paired over anchors."""


class ForecastChoice(StrictModel):
    """The chosen forecast and the scores of all candidates.

    The one-standard-error rule: the first of `CANDIDATES` that is at most one standard error of
    the paired difference above the best.
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
        """Choose by the one-standard-error rule; `scores` are in the order of `CANDIDATES`."""
        chosen = next(s.name for s in scores if s.above_best <= s.above_best_error)
        return cls(chosen=chosen, method=method, n_anchors=n_anchors, candidates=scores)
