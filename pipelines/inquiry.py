"""What is asked of a reasoner, by what means, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.tally import Tally
from scope.answer_cache import Ask
from scope.answers import Answers
from scope.arrays import Bools, Ints
from scope.bank import Bank
from scope.engine import EngineConfig
from scope.reasoner import ReasonerConfig, ReasonerSpec


@dataclass(frozen=True, slots=True)
class Reasoner:
    """Who is asked, and by what means."""

    config: ReasonerConfig
    spec: ReasonerSpec
    engine: EngineConfig
    n_engines: int = 1
    cache: Path | None = None
    """Folder that keeps answers between runs; None keeps nothing."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked: which models would be right on which questions.

    Attributes
    ----------
    questions : sequence of str
        Their texts.
    own_anchors : sequence of str or None
        The anchor that each is itself; None if it is none.
    wanted_qm : ndarray of shape (n_questions, n_models)
    bank : Bank
        Whose models are asked about, and whose anchors are the examples.
    evidence : str
        Digest of those (`scope.bank_store.evidence`).
    """

    questions: Sequence[str]
    own_anchors: Sequence[str | None]
    wanted_qm: Bools
    bank: Bank
    evidence: str

    def asks(self, cells: Ints) -> list[Ask]:
        """Return what is asked in some cells; `cells` has shape (n, 2): question and model."""
        ids = self.bank.model_ids
        return [Ask(ids[m], self.own_anchors[q], self.questions[q]) for q, m in cells.tolist()]


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of an inquiry.

    Attributes
    ----------
    answers : Answers
        NaN where nothing was asked, or no answer came.
    errors : mapping of (question, model) to str
        Why there is none where one was wanted.
    tally : Tally
    """

    answers: Answers
    errors: Mapping[tuple[int, int], str]
    tally: Tally

    def reasons(self, rows: Ints, models: Sequence[str]) -> dict[int, str]:
        """Say of each of some questions why an answer is missing, if one is: the first reason."""
        wanted, found = set(rows.tolist()), dict[int, str]()
        for (row, m), error in self.errors.items():
            if row in wanted:
                found.setdefault(row, f"no answer about {models[m]}: {error}")
        return found
