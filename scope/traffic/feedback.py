"""The scores of a decision log, joined with the requests that they are about."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from scope.errors import ConfigError, FormatError
from scope.routing import (
    BANK_STRATEGY,
    DecisionLogReader,
    LoggedRequest,
    LoggedScore,
    ScoreLogReader,
)


class ScoredAnswer(NamedTuple):
    """One answer that a client scored."""

    text: str
    """That was routed on."""
    model: str
    """That answered."""
    score: float
    """In [0, 1]."""
    prompt_tokens: float | None
    completion_tokens: float | None
    known: Mapping[str, str] = MappingProxyType({})
    """What was known of the text, by name."""


@dataclass(slots=True)
class ModelFeedback:
    """Decisions and scores of one model; probabilities are those of the log.

    Attributes
    ----------
    n_decisions : int
        That this model answered.
    n_scored : int
        Of these, with a score.
    total_score : float
    p_scored, p_unscored : list of float
        Predicted probabilities of decisions with and without a score, where known.
    """

    n_decisions: int = 0
    n_scored: int = 0
    total_score: float = 0.0
    p_scored: list[float] = field(default_factory=list)
    p_unscored: list[float] = field(default_factory=list)

    @property
    def mean_score(self) -> float | None:
        """Mean of the scores; None without one."""
        return self.total_score / self.n_scored if self.n_scored else None

    @property
    def mean_p_scored(self) -> float | None:
        """Mean predicted probability of the decisions with a score; None where unknown."""
        return _mean(self.p_scored)

    @property
    def mean_p_unscored(self) -> float | None:
        """Mean predicted probability of the other decisions; None where unknown."""
        return _mean(self.p_unscored)


@dataclass(frozen=True, slots=True)
class LoggedFeedback:
    """What a decision log and the scores beside it tell.

    Attributes
    ----------
    answers : tuple of ScoredAnswer
        In the order of the log.
    models : mapping of str to ModelFeedback
    left_out : mapping of str to int
        Scores that teach nothing, by reason.
    n_truncated : int
        Files that end in a truncated line.
    """

    answers: tuple[ScoredAnswer, ...]
    models: Mapping[str, ModelFeedback]
    left_out: Mapping[str, int]
    n_truncated: int

    @classmethod
    def read(cls, folder: Path) -> "LoggedFeedback":
        """Join the scores of a folder with its decisions by their ids.

        The first score of a decision counts, in the order of the files' names and lines. It is
        that of the model that answered, which is not always the chosen one.

        Raises
        ------
        ConfigError
            If `folder` is not a folder.
        FormatError
            If a line is wrong, there is no score, or no score can be used.
        """
        if not folder.is_dir():
            raise ConfigError(f"--decisions is {folder}; expected the folder of a decision log")
        scores, decisions = ScoreLogReader(folder), DecisionLogReader(folder)
        score_of, left_out = _first_scores(scores)
        if not score_of:
            raise FormatError(
                f"{folder} has no feedback; expected files feedback-*.jsonl, which the endpoint "
                "writes beside its decisions when POST /v1/feedback is called"
            )
        n_scores = len(score_of)
        answers, models = list[ScoredAnswer](), dict[str, ModelFeedback]()
        for _, request in decisions:
            score = score_of.pop(request.id, None)
            model = answering_model(request)
            if model is None:
                left_out["the request had no answer"] += score is not None
                continue
            _count(models.setdefault(model, ModelFeedback()), request, model, score)
            if score is None:
                continue
            if not (request.prompt or "").strip():
                left_out[WITHOUT_TEXT] += 1
                continue
            tokens = request.prompt_tokens, request.completion_tokens
            answers.append(
                ScoredAnswer(request.prompt or "", model, score.score, *tokens, request.known)
            )
        left_out["the decision is not in the log"] += len(score_of)
        kept = +left_out
        if not answers:
            raise FormatError(_nothing_usable(folder, n_scores, kept))
        n_truncated = scores.n_truncated + decisions.n_truncated
        return cls(tuple(answers), models, kept, n_truncated)

    def to_json(self) -> dict[str, Any]:
        """Return counts and means of each model; unknown is None."""
        models = {
            name: {
                "decisions": counts.n_decisions,
                "scored": counts.n_scored,
                "mean_score": counts.mean_score,
                "mean_p_scored": counts.mean_p_scored,
                "mean_p_unscored": counts.mean_p_unscored,
            }
            for name, counts in self.models.items()
        }
        return {"models": models, "left_out": dict(self.left_out), "n_truncated": self.n_truncated}


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


WITHOUT_TEXT = "the log has no text of the prompt"


def answering_model(request: LoggedRequest) -> str | None:
    """Return the model that a score is about; None where no model answered.

    Where only a decision was asked for, that is the chosen one: the client called it itself.
    """
    return request.model if request.endpoint == "route" else request.answered_by


def _first_scores(
    scores: Iterable[tuple[str, LoggedScore]],
) -> tuple[dict[str, LoggedScore], Counter[str]]:
    """Return the first score of each decision, and how many came later."""
    score_of, left_out = dict[str, LoggedScore](), Counter[str]()
    for _, score in scores:
        if score.id in score_of:
            left_out["the decision has an earlier score"] += 1
        else:
            score_of[score.id] = score
    return score_of, left_out


def _count(
    counts: ModelFeedback, request: LoggedRequest, model: str, score: LoggedScore | None
) -> None:
    counts.n_decisions += 1
    if score is not None:
        counts.n_scored += 1
        counts.total_score += score.score
    if request.strategy != BANK_STRATEGY:
        return
    known = (each for each in request.candidates or () if each.model == model)
    p_correct = next((candidate.p_correct for candidate in known), None)
    if p_correct is not None:
        (counts.p_unscored if score is None else counts.p_scored).append(p_correct)


def _nothing_usable(folder: Path, n_scores: int, left_out: Mapping[str, int]) -> str:
    reasons = ", ".join(f"{n:,} because {reason}" for reason, n in left_out.items())
    remedy = ""
    if WITHOUT_TEXT in left_out:
        remedy = "; the endpoint keeps texts with `prompts: true` in its settings of decisions"
    return f"{folder}: none of {n_scores:,} scores can be used: {reasons}{remedy}"
