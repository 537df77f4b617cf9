"""Add questions with the outcomes of some models to a bank."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from scope.arrays import Float32Array, FloatArray, IntArray
from scope.bank import Bank, SecondEmbeddings
from scope.embedding import text_features
from scope.errors import BankError
from scope.outcomes import Outcomes
from scope.predictor import AnchorPredictor
from scope.questions import Questions, id_of_text
from scope.traffic.feedback import ScoredAnswer

Numbers = tuple[float, float, float]
"""Outcome, prompt tokens and completion tokens; NaN where unknown."""


@dataclass(frozen=True, slots=True)
class NewQuestion:
    """A question, and what is known of some models on it."""

    id: str
    text: str
    outcomes: Mapping[str, Numbers]
    category: str | None = None
    """None: that of the nearest anchor, where the bank knows such questions."""
    gold_answer: str | None = None


@dataclass(frozen=True, slots=True)
class GrownBank:
    """A bank with more outcomes; nothing of it is fitted.

    Attributes
    ----------
    bank : Bank
    n_new : int
        Questions that it did not have.
    n_added_m : ndarray of shape (n_models,)
        Outcomes that it did not have.
    n_known : int
        Outcomes that were left out, because the bank has that model on that question.
    """

    bank: Bank
    n_new: int
    n_added_m: IntArray
    n_known: int


def questions_from_answers(
    answers: Iterable[ScoredAnswer], models: Sequence[str], fact: str
) -> tuple[tuple[NewQuestion, ...], Counter[str]]:
    """Return the questions of scored answers, each text once, and what was left out.

    Several answers of one model to one text are one outcome: their mean score and mean tokens.
    The category of a text is what was known of it as `fact`, if that is the same in all its answers
    that say it.

    Returns
    -------
    questions : tuple of NewQuestion
    unknown : Counter of str
        Answers of models that are not among `models`, which are left out.
    """
    by_text: dict[str, dict[str, list[ScoredAnswer]]] = {}
    unknown = Counter[str]()
    for answer in answers:
        if answer.model not in models:
            unknown[answer.model] += 1
            continue
        by_text.setdefault(answer.text.strip(), {}).setdefault(answer.model, []).append(answer)
    questions = (
        NewQuestion(
            id_of_text(text),
            text,
            {model: _means(repeated) for model, repeated in by_model.items()},
            _known_category(chain.from_iterable(by_model.values()), fact),
        )
        for text, by_model in by_text.items()
    )
    return tuple(questions), unknown


def _known_category(answers: Iterable[ScoredAnswer], fact: str) -> str | None:
    """Return the value of `fact` that the answers agree on; None where they say none or several."""
    values = {answer.known[fact] for answer in answers if fact in answer.known}
    return values.pop() if len(values) == 1 else None


def questions_from_outcomes(questions: Questions, outcomes: Outcomes) -> tuple[NewQuestion, ...]:
    """Return the measured questions; those without an outcome of any model are left out."""
    known_qm = ~np.isnan(outcomes.correct_am)
    new = list[NewQuestion]()
    for q in np.flatnonzero(known_qm.any(axis=1)).tolist():
        numbers = {
            outcomes.models[m]: (
                float(outcomes.correct_am[q, m]),
                float(outcomes.prompt_tokens_am[q, m]),
                float(outcomes.completion_tokens_am[q, m]),
            )
            for m in np.flatnonzero(known_qm[q]).tolist()
        }
        text, category = questions.prompts[q], questions.categories[q] or None
        gold = questions.gold_answers[q]
        new.append(NewQuestion(questions.ids[q], text, numbers, category, gold))
    return tuple(new)


def grow_bank(
    bank: Bank,
    questions: Sequence[NewQuestion],
    embedding_qd: Float32Array,
    second_qy: Float32Array | None = None,
) -> GrownBank:
    """Add questions and outcomes to a bank.

    A question that is an anchor already, by its text or, in a bank without texts, by its id,
    gets the outcomes that the anchor lacks: what was measured before stays. So adding the same
    twice changes nothing.

    Parameters
    ----------
    bank : Bank
        If it has no texts, those of `questions` are not kept either.
    questions : sequence of NewQuestion
        With outcomes of models of the bank only.
    embedding_qd : ndarray of shape (n_questions, n_dimensions)
        Unit vectors of the texts, by the bank's embedder.
    second_qy : ndarray of shape (n_questions, n_second_dimensions), optional
        The same by its second encoder, if it has one.

    Raises
    ------
    BankError
        If an id is that of an anchor with another text.
    """
    row_of = _AnchorRows.of(bank)
    row_q = np.array([row_of.find_or_add(question) for question in questions], dtype=np.int64)
    _, first_q = np.unique(row_q, return_index=True)
    new = sorted(q for q in first_q.tolist() if row_q[q] >= len(bank.ids))
    added, n_added_m, n_known = _added_outcomes(bank.outcomes, questions, row_q, row_of.n)
    texts = [questions[q].text for q in new]
    # Rounded as in the stored bank: what is fitted must be fitted to these.
    embedding_nd = embedding_qd[new].astype(np.float16).astype(np.float32)
    features_nf = text_features(texts)
    nearest_n = _nearest_categories(bank, embedding_nd, features_nf)
    categories = [
        nearest if (own := questions[q].category) is None else own
        for q, nearest in zip(new, nearest_n, strict=True)
    ]
    golds = tuple(questions[q].gold_answer if bank.prompts is not None else None for q in new)
    grown = replace(
        bank,
        ids=(*bank.ids, *(questions[q].id for q in new)),
        categories=(*bank.categories, *categories),
        prompts=None if bank.prompts is None else (*bank.prompts, *texts),
        gold_answers=(*bank.gold_answers, *golds),
        embedding_ad=np.vstack([bank.embedding_ad, embedding_nd]),
        features_af=np.vstack([bank.features_af, features_nf]),
        outcomes=added,
        second=bank.second and _grown_second(bank.second, second_qy, new),
        reference=None,
        forecaster=None,
        joint_forecaster=None,
        choice=None,
        reasoner=None,
        version="",
    )
    return GrownBank(grown, len(new), n_added_m, n_known)


def _grown_second(
    second: SecondEmbeddings, second_qy: Float32Array | None, new: list[int]
) -> SecondEmbeddings:
    if second_qy is None:
        raise BankError(f"the new questions need vectors of the second encoder, {second.embedder}")
    vector_ny = second_qy[new].astype(np.float16).astype(np.float32)
    return replace(second, vector_ay=np.vstack([second.vector_ay, vector_ny]))


@dataclass(slots=True)
class _AnchorRows:
    """Rows of questions in a bank that grows."""

    n: int
    texts: dict[str, int] | None
    """Text -> row; None in a bank without texts, where the id decides."""
    ids: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, bank: Bank) -> "_AnchorRows":
        n = len(bank.ids)
        texts = bank.prompts and {text.strip(): row for row, text in enumerate(bank.prompts)}
        return cls(n, texts or None, {name: row for row, name in enumerate(bank.ids)})

    def find_or_add(self, question: NewQuestion) -> int:
        keys, key = (
            (self.ids, question.id) if self.texts is None else (self.texts, question.text.strip())
        )
        if (row := keys.get(key)) is not None:
            return row
        if question.id in self.ids:
            raise BankError(
                f"the bank has another question with the id {question.id!r}; expected a new id, or "
                "the same text"
            )
        keys[key] = self.ids[question.id] = self.n
        self.n += 1
        return self.n - 1


def _added_outcomes(
    outcomes: Outcomes, questions: Sequence[NewQuestion], row_q: IntArray, n_rows: int
) -> tuple[Outcomes, IntArray, int]:
    """Return the outcomes with the new ones, how many of each model, and how many were known."""
    grids = (outcomes.correct_am, outcomes.prompt_tokens_am, outcomes.completion_tokens_am)
    shape = (n_rows - len(outcomes.correct_am), len(outcomes.models))
    taller = [np.vstack([grid, np.full(shape, np.nan)]) for grid in grids]
    column_of = {model: m for m, model in enumerate(outcomes.models)}
    n_added_m, n_known = np.zeros(len(outcomes.models), dtype=np.int64), 0
    for question, row in zip(questions, row_q, strict=True):
        for model, numbers in question.outcomes.items():
            m = column_of[model]
            if not np.isnan(taller[0][row, m]):
                n_known += 1
                continue
            n_added_m[m] += 1
            for grid, number in zip(taller, numbers, strict=True):
                grid[row, m] = number
    return Outcomes(outcomes.models, *taller), n_added_m, n_known


def _nearest_categories(
    bank: Bank, embedding_nd: Float32Array, features_nf: FloatArray
) -> list[str]:
    """Return the category of the nearest anchor; empty where it is out of distribution."""
    if not len(embedding_nd):
        return []
    estimates, near = AnchorPredictor(bank).predict(embedding_nd, features_nf)
    known_n = ~(estimates.in_distribution_qm[:, 0] < 1)
    nearest_n = [bank.categories[anchor] for anchor in near.anchor_qk[:, 0].tolist()]
    return [name if known else "" for name, known in zip(nearest_n, known_n, strict=True)]


def _means(answers: Sequence[ScoredAnswer]) -> Numbers:
    """Return the mean score and the mean token counts, which are whole numbers."""
    prompt, completion = (
        [count for count in counts if count is not None]
        for counts in (
            [answer.prompt_tokens for answer in answers],
            [answer.completion_tokens for answer in answers],
        )
    )
    return (
        float(np.mean([answer.score for answer in answers])),
        float(np.round(np.mean(prompt))) if prompt else np.nan,
        float(np.round(np.mean(completion))) if completion else np.nan,
    )
