"""What is asked of a reasoner, by what means, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.tally import ReasonerUsage
from scope.answer_cache import AnswerKey
from scope.answers import ReasonerPredictions
from scope.arrays import BoolArray, IntArray
from scope.bank import Bank
from scope.engine import EngineConfig
from scope.reasoner import ReasonerConfig, ReasonerSpec


@dataclass(frozen=True, slots=True)
class ReasonerRun:
    """Who is asked, and by what means."""

    config: ReasonerConfig
    spec: ReasonerSpec
    engine: EngineConfig
    n_engines: int = 1
    cache: Path | None = None
    """Folder that keeps answers between runs; None keeps nothing."""


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """What is asked: which models would be right on which questions.

    Attributes
    ----------
    questions : sequence of str
        Their texts.
    self_anchors : sequence of str or None
        The anchor that each is itself; None if it is none.
    wanted_qm : ndarray of shape (n_questions, n_models)
    bank : Bank
        Whose models are asked about, and whose anchors are the examples.
    evidence : str
        Digest of those (`scope.bank_store.evidence`).
    """

    questions: Sequence[str]
    self_anchors: Sequence[str | None]
    wanted_qm: BoolArray
    bank: Bank
    evidence: str

    def keys(self, cells: IntArray) -> list[AnswerKey]:
        """Return what is asked in some cells; `cells` has shape (n, 2): question and model."""
        ids = self.bank.model_ids
        return [
            AnswerKey(ids[m], self.self_anchors[q], self.questions[q]) for q, m in cells.tolist()
        ]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What came of an inquiry.

    Attributes
    ----------
    answers : ReasonerPredictions
        NaN where nothing was asked, or no answer came.
    errors : mapping of (question, model) to str
        Why there is none where one was wanted.
    tally : ReasonerUsage
    """

    answers: ReasonerPredictions
    errors: Mapping[tuple[int, int], str]
    usage: ReasonerUsage

    def error_messages(self, rows: IntArray, models: Sequence[str]) -> dict[int, str]:
        """Say of each of some questions why an answer is missing, if one is: the first reason."""
        wanted, found = set(rows.tolist()), dict[int, str]()
        for (row, m), error in self.errors.items():
            if row in wanted:
                found.setdefault(row, f"no answer about {models[m]}: {error}")
        return found
