"""The published policy, number for number: for parity with published results only.

Its defects are kept on purpose (ties by file order, min-max over the whole
batch, unknown counted as "no", Stage I over models outside the pool); use
`scope.policy` to route.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, Int16Array, IntArray
from scope.errors import ConfigError, FormatError
from scope.forecast import weighted_means
from scope.reference.formats import AnchorPerformance, Selection, Similarity

N_ANCHORS = 6
POWER = 2
CONSTANT_VALUE = 0.5
"""Normalised value of what does not differ."""
LOG_FLOOR = 1e-43
"""Stands for 0 under a logarithm: its square vanishes beside any score, and exp stays fast."""
CHUNK = 4_096
"""Questions worked on at once, so that the arrays of a sweep stay in the cache."""


@dataclass(frozen=True, slots=True)
class Stage1:
    """Stage I of one question: normalised and raw means of every measured model."""

    norm_acc: dict[str, float]
    norm_cost: dict[str, float]
    raw_acc: dict[str, float]
    raw_cost: dict[str, float]


def stage1(similar: Sequence[tuple[str, float]], anchors: AnchorPerformance) -> Stage1:
    """Calibrate one question from its first `N_ANCHORS` similar anchors.

    ``raw = sum(v * outcome) / sum(v)`` with ``v = similarity ** 2``, over the
    anchors where the model was measured; accuracy, and the logarithm of cost,
    are then min-max normalised over all models measured there.

    References
    ----------
    .. [1] "Models Under SCOPE", arXiv:2601.22323, Stage I.
    """
    near = [(anchor, value) for anchor, value in similar[:N_ANCHORS] if anchor in anchors]
    models = list(dict.fromkeys(model for anchor, _ in near for model in anchors[anchor]))
    if not models:
        return Stage1({}, {}, {}, {})
    # One question: (1, anchors, models).
    weight = np.array([[value**POWER for _, value in near]])
    acc, cost = (
        weighted_means(weight, np.array([[_row(anchors[a], models, field) for a, _ in near]]))[0]
        for field in (0, 1)
    )
    columns = (_min_max(acc), _min_max(np.log(cost + 1e-9)), acc, cost)
    return Stage1(*(dict(zip(models, column.tolist(), strict=True)) for column in columns))


@dataclass(frozen=True, slots=True)
class TwoStage:
    """Everything the utility needs, one row for each question that has a Stage I entry.

    Columns are the places of a question's list of models; ``-1`` in `model_qs`
    marks a place past its end.
    """

    question_ids: tuple[str, ...]
    models: tuple[str, ...]
    model_qs: IntArray
    accuracy_qs: FloatArray
    cheapness_qs: FloatArray
    """1 - C of Stage I; NaN where the model has no Stage I entry."""
    yes_qs: FloatArray
    predicted_cheapness_qs: FloatArray
    """1 - normalised predicted cost."""

    def sweep(self, alphas: Sequence[float]) -> tuple[Int16Array, FloatArray]:
        """Choose for every alpha and question.

        ``S1 = a A + (1 - a)(1 - C)^g``, ``S2 = a [yes] + (1 - a)(1 - c)^g`` and
        ``score = w S1 + (1 - w) S2`` with ``g = 2 (1 + 2 (1 - a))`` and
        ``w = 0.3 (0.5 + 0.5 a)``; the highest wins, the first of the list at a tie.

        Returns
        -------
        place_aq : ndarray of int16, shape (n_alphas, n_questions)
            Chosen place in the question's list.
        score_aq : ndarray of shape (n_alphas, n_questions)

        Raises
        ------
        ConfigError
            If an alpha is outside [0, 1].
        """
        if outside := [alpha for alpha in alphas if not 0 <= alpha <= 1]:
            raise ConfigError(f"alpha is {outside[0]}; expected a number within 0..1")
        place_aq = np.empty((len(alphas), len(self.question_ids)), dtype=np.int16)
        score_aq = np.empty(place_aq.shape)

        def sweep_chunk(rows: slice) -> None:
            chunk = _Chunk(self, rows)
            for a, alpha in enumerate(alphas):
                chunk.choose(alpha, place_aq[a, rows], score_aq[a, rows])

        with ThreadPoolExecutor(os.cpu_count()) as threads:  # numpy works outside the GIL
            list(threads.map(sweep_chunk, _chunks(len(self.question_ids))))
        return place_aq, score_aq


class _Chunk:
    """Some questions, one contiguous row a place, and room for the work on them.

    ``x ** g`` is computed as ``exp(g log x)``, so that all alphas share the logarithm,
    and everything happens in place: a sweep is bound by memory, not by arithmetic.
    """

    def __init__(self, parts: TwoStage, rows: slice) -> None:
        accuracy_sq, thrift_sq, self._yes_sq, predicted_sq, model_sq = (
            np.ascontiguousarray(values[rows].T)
            for values in (
                parts.accuracy_qs,
                parts.cheapness_qs,
                parts.yes_qs,
                parts.predicted_cheapness_qs,
                parts.model_qs,
            )
        )
        # A thrift of 0 adds what a missing Stage I entry adds: nothing.
        self._log_thrift_sq = np.log(np.maximum(np.nan_to_num(thrift_sq), LOG_FLOOR))
        self._log_predicted_sq = np.log(np.maximum(predicted_sq, LOG_FLOOR))
        self._accuracy_sq, self._absent_sq = np.nan_to_num(accuracy_sq), model_sq < 0
        self._ragged = bool(self._absent_sq.any())
        n_places = len(self._yes_sq)
        self._rank_s1 = np.arange(n_places, 0, -1, dtype=np.min_scalar_type(n_places))[:, None]
        self._score_sq, self._term_sq = np.empty((2, *self._yes_sq.shape))

    def choose(self, alpha: float, place_q: Int16Array, score_q: FloatArray) -> None:
        """Write the best place of each question, the first of equals, and its score."""
        gamma, weight = 2 * (1 + 2 * (1 - alpha)), 0.3 * (0.5 + 0.5 * alpha)
        score_sq, term_sq = self._score_sq, self._term_sq
        np.multiply(self._log_thrift_sq, gamma, out=score_sq)
        np.exp(score_sq, out=score_sq)
        score_sq *= weight * (1 - alpha)
        np.multiply(self._log_predicted_sq, gamma, out=term_sq)
        np.exp(term_sq, out=term_sq)
        term_sq *= (1 - weight) * (1 - alpha)
        score_sq += term_sq
        np.multiply(self._accuracy_sq, weight * alpha, out=term_sq)
        score_sq += term_sq
        np.multiply(self._yes_sq, (1 - weight) * alpha, out=term_sq)
        score_sq += term_sq
        if self._ragged:
            score_sq[self._absent_sq] = -np.inf
        score_sq.max(axis=0, out=score_q)
        # The first of equals has the highest rank; argmax over this axis is four times slower.
        best_sq = (score_sq == score_q) * self._rank_s1
        np.subtract(len(score_sq), best_sq.max(axis=0), out=place_q, casting="unsafe")


def prepare(selection: Selection, similarity: Similarity, anchors: AnchorPerformance) -> TwoStage:
    """Lay out the reference's files as arrays.

    Raises
    ------
    FormatError
        If no question has a Stage I entry, so that nothing can be routed.
    """
    calibrated = {
        question.id: entry
        for question in selection
        if (entry := stage1(similarity.get(question.id, ()), anchors)).raw_acc
    }
    questions = [question for question in selection if question.id in calibrated]
    if not questions:
        raise FormatError(
            "no question of the selection has a similar anchor with known performance; "
            "the three files must be of one run"
        )
    models = tuple(dict.fromkeys(p.model for question in selection for p in question.predictions))
    costs = np.array([p.cost for question in selection for p in question.predictions])
    low, span = costs.min(), np.ptp(costs)
    shape = (len(questions), max(len(question.predictions) for question in questions))
    model_qs = np.full(shape, -1, dtype=np.int64)
    accuracy, thrift, yes, predicted = (np.full(shape, fill) for fill in (np.nan, np.nan, 0.0, 0.0))
    for q, question in enumerate(questions):
        entry = calibrated[question.id]
        for s, prediction in enumerate(question.predictions):
            model_qs[q, s] = models.index(prediction.model)
            accuracy[q, s] = entry.norm_acc.get(prediction.model, np.nan)
            thrift[q, s] = 1 - entry.norm_cost.get(prediction.model, np.nan)
            yes[q, s] = prediction.correctness == "yes"
            predicted[q, s] = 1 - ((prediction.cost - low) / span if span > 0 else CONSTANT_VALUE)
    ids = tuple(question.id for question in questions)
    return TwoStage(ids, models, model_qs, accuracy, thrift, yes, predicted)


def _row(
    outcomes: Mapping[str, tuple[float, float]], models: Sequence[str], field: int
) -> list[float]:
    return [outcomes[model][field] if model in outcomes else np.nan for model in models]


def _min_max(values: FloatArray) -> FloatArray:
    low, span = values.min(), np.ptp(values)
    return (values - low) / span if span > 0 else np.full_like(values, CONSTANT_VALUE)


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK))
