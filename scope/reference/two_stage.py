"""The published routing policy, number for number: for parity with published results only.

Its defects are kept on purpose (ties by file order, min-max over the whole batch, unknown counted
as "no", Stage I over models outside the pool); use `scope.policy` to route.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from scope.arrays import AnyArray, FloatArray, Int16Array, IntArray
from scope.errors import ConfigError, FormatError
from scope.forecast import weighted_means
from scope.reference.formats import AnchorPerformance, Selection, Similarity

CONSTANT_VALUE = 0.5
"""Normalised value where all values are equal."""
MIN_SPAN = 1e-9
"""Stage I values closer together than this count as equal."""
LOG_FLOOR = math.log(1e-43)
"""Replaces log 0: with an exponent of 2 or more the power vanishes, and exp stays fast."""
CHUNK = 4_096
"""Questions worked on at once, so that the arrays of a sweep stay in the CPU cache."""


@dataclass(frozen=True, slots=True)
class TwoStageConfig:
    """The four parameters of the published policy, with its defaults."""

    top_k: int = 6
    """Nearest anchors that Stage I averages."""
    similarity_power: float = 2.0
    """Exponent of the similarity in the weight of an anchor; 0 weights all anchors equally."""
    cost_sensitivity: float = 2.0
    """Exponent of the cost terms at alpha 1; three times as much at alpha 0."""
    stage1_weight: float = 0.3
    """Share of Stage I in the score at alpha 1; half as much at alpha 0."""

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise ConfigError(f"top_k is {self.top_k}; expected a whole number of at least 1")
        if not 0 <= self.similarity_power < math.inf:
            raise ConfigError(
                f"similarity_power is {self.similarity_power}; expected a number of at least 0"
            )
        if not 0 < self.cost_sensitivity < math.inf:
            raise ConfigError(
                f"cost_sensitivity is {self.cost_sensitivity}; expected a number above 0"
            )
        if not 0 <= self.stage1_weight <= 1:
            raise ConfigError(
                f"stage1_weight is {self.stage1_weight}; expected a number within 0..1"
            )


PUBLISHED_CONFIG = TwoStageConfig()


@dataclass(frozen=True, slots=True)
class Stage1:
    """Stage I of one question: normalised and raw means of every measured model."""

    norm_acc: dict[str, float]
    norm_cost: dict[str, float]
    raw_acc: dict[str, float]
    raw_cost: dict[str, float]


def stage1(
    similar: Sequence[tuple[str, float]],
    anchors: AnchorPerformance,
    config: TwoStageConfig = PUBLISHED_CONFIG,
) -> Stage1:
    """Average the outcomes of the `top_k` nearest anchors of one question.

    ``raw = sum(v * outcome) / sum(v)`` with ``v = similarity ** similarity_power``, over the
    anchors where the model was measured; accuracy, and the logarithm of cost, are then min-max
    normalised over all models measured there.

    Parameters
    ----------
    similar : sequence of (anchor, cosine similarity)
        Nearest first.
    anchors : AnchorPerformance
    config : TwoStageConfig

    Raises
    ------
    ConfigError
        If a similarity is negative and `similarity_power` is no whole number.

    References
    ----------
    .. [1] "Models Under SCOPE", arXiv:2601.22323, Stage I.
    """
    near = [(anchor, value) for anchor, value in similar[: config.top_k] if anchor in anchors]
    power = config.similarity_power
    if power % 1 and any(value < 0 for _, value in near):
        raise ConfigError(
            f"similarity_power is {power}, but a similarity is negative; expected a whole number"
        )
    models = list(dict.fromkeys(model for anchor, _ in near for model in anchors[anchor]))
    if not models:
        return Stage1({}, {}, {}, {})
    weight_qk = np.array([[value**power for _, value in near]])
    acc, cost = (
        weighted_means(weight_qk, np.array([[_row(anchors[a], models, field) for a, _ in near]]))[0]
        for field in (0, 1)
    )
    known = ~np.isnan(acc)  # a model whose weights add up to nothing has no entry
    names, acc, cost = np.array(models)[known].tolist(), acc[known], cost[known]
    columns = (_min_max(acc), _min_max(np.log(cost + 1e-9)), acc, cost)
    return Stage1(*(dict(zip(names, column.tolist(), strict=True)) for column in columns))


@dataclass(frozen=True, slots=True)
class TwoStage:
    """Everything the score needs, one row for each question that has a Stage I entry.

    Column m is the m-th entry of the question's own list of models; -1 in `model_qm` marks a
    column past the end of that list.
    """

    question_ids: tuple[str, ...]
    models: tuple[str, ...]
    model_qm: IntArray
    """Index of the entry's model in `models`."""
    accuracy_qm: FloatArray
    """Normalised accuracy A of Stage I; NaN where the model has no Stage I entry."""
    cheapness_qm: FloatArray
    """1 - C of Stage I; NaN where the model has no Stage I entry."""
    yes_qm: FloatArray
    """1 where the model is predicted to be correct, else 0."""
    predicted_cheapness_qm: FloatArray
    """1 - normalised predicted cost."""
    config: TwoStageConfig = PUBLISHED_CONFIG

    def sweep(self, alphas: Sequence[float]) -> tuple[Int16Array, FloatArray]:
        """Choose for every alpha and question.

        ``S1 = a A + (1 - a)(1 - C)^g``, ``S2 = a [yes] + (1 - a)(1 - c)^g`` and
        ``score = w S1 + (1 - w) S2`` with ``g = cost_sensitivity (1 + 2 (1 - a))`` and
        ``w = stage1_weight (0.5 + 0.5 a)``; the highest score wins, the first of the list at a
        tie.

        Returns
        -------
        index_aq : ndarray of int16, shape (n_alphas, n_questions)
            Index of the chosen entry in the question's list.
        score_aq : ndarray of shape (n_alphas, n_questions)

        Raises
        ------
        ConfigError
            If an alpha is outside [0, 1].
        """
        if outside := [alpha for alpha in alphas if not 0 <= alpha <= 1]:
            raise ConfigError(f"alpha is {outside[0]}; expected a number within 0..1")
        index_aq = np.empty((len(alphas), len(self.question_ids)), dtype=np.int16)
        score_aq = np.empty(index_aq.shape)

        def sweep_chunk(rows: slice) -> None:
            chunk = _Chunk(self, rows)
            for a, alpha in enumerate(alphas):
                chunk.choose(alpha, index_aq[a, rows], score_aq[a, rows])

        with ThreadPoolExecutor(os.cpu_count()) as threads:  # numpy works outside the GIL
            list(threads.map(sweep_chunk, _chunks(len(self.question_ids))))
        return index_aq, score_aq


class _Chunk:
    """Some questions, one contiguous row for each list entry, and buffers for their scores.

    ``x ** g`` is computed as ``exp(g log x)``, so that all alphas share the logarithm,
    and everything happens in place: a sweep is bound by memory, not by arithmetic.
    """

    def __init__(self, routed: TwoStage, rows: slice) -> None:
        accuracy_mq, cheapness_mq, self._yes_mq, predicted_mq, model_mq = (
            np.ascontiguousarray(values[rows].T)
            for values in (
                routed.accuracy_qm,
                routed.cheapness_qm,
                routed.yes_qm,
                routed.predicted_cheapness_qm,
                routed.model_qm,
            )
        )
        self._config = routed.config
        floor = LOG_FLOOR * max(1.0, 2 / self._config.cost_sensitivity)
        # A cheapness of 0 adds what a missing Stage I entry adds: nothing.
        self._log_cheapness_mq = _log(np.where(np.isnan(cheapness_mq), 0.0, cheapness_mq), floor)
        self._log_predicted_mq = _log(predicted_mq, floor)
        self._accuracy_mq, self._absent_mq = np.nan_to_num(accuracy_mq), model_mq < 0
        self._ragged = bool(self._absent_mq.any())
        n_entries = len(self._yes_mq)
        self._rank_m1 = np.arange(n_entries, 0, -1, dtype=np.min_scalar_type(n_entries))[:, None]
        self._score_mq, self._term_mq = np.empty((2, *self._yes_mq.shape))

    def choose(self, alpha: float, index_q: Int16Array, score_q: FloatArray) -> None:
        """Write the index of the best entry of each question, the first at a tie, and its score."""
        gamma = self._config.cost_sensitivity * (1 + 2 * (1 - alpha))
        weight = self._config.stage1_weight * (0.5 + 0.5 * alpha)
        score_mq, term_mq = self._score_mq, self._term_mq
        np.multiply(self._log_cheapness_mq, gamma, out=score_mq)
        np.exp(score_mq, out=score_mq)
        score_mq *= weight * (1 - alpha)
        np.multiply(self._log_predicted_mq, gamma, out=term_mq)
        np.exp(term_mq, out=term_mq)
        term_mq *= (1 - weight) * (1 - alpha)
        score_mq += term_mq
        np.multiply(self._accuracy_mq, weight * alpha, out=term_mq)
        score_mq += term_mq
        np.multiply(self._yes_mq, (1 - weight) * alpha, out=term_mq)
        score_mq += term_mq
        if self._ragged:
            score_mq[self._absent_mq] = -np.inf
        score_mq.max(axis=0, out=score_q)
        # The first of equals has the highest rank; argmax over this axis is four times slower.
        best_mq = (score_mq == score_q) * self._rank_m1
        np.subtract(len(score_mq), best_mq.max(axis=0), out=index_q, casting="unsafe")


def prepare(
    selection: Selection,
    similarity: Similarity,
    anchors: AnchorPerformance,
    config: TwoStageConfig = PUBLISHED_CONFIG,
) -> TwoStage:
    """Lay out the inputs of the published policy as arrays.

    Raises
    ------
    FormatError
        If no question has a Stage I entry, so that nothing can be routed.
    """
    entries = {
        question.id: entry
        for question in selection.questions
        if (entry := stage1(similarity.get(question.id, ()), anchors, config)).raw_acc
    }
    questions = [question for question in selection.questions if question.id in entries]
    if not questions:
        raise FormatError(
            "no question of the selection has a similar anchor with known performance; "
            "selection, similarity and anchors must be of one run"
        )
    models = selection.models
    costs = np.array([p.cost for question in selection.questions for p in question.predictions])
    low, span = costs.min(), np.ptp(costs)
    shape = (len(questions), max(len(question.predictions) for question in questions))
    model_qm = np.full(shape, -1, dtype=np.int64)
    accuracy_qm, cheapness_qm, yes_qm, predicted_qm = (
        np.full(shape, fill) for fill in (np.nan, np.nan, 0.0, 0.0)
    )
    for q, question in enumerate(questions):
        entry = entries[question.id]
        for m, prediction in enumerate(question.predictions):
            norm_cost = (prediction.cost - low) / span if span > 0 else CONSTANT_VALUE
            model_qm[q, m] = models.index(prediction.model)
            accuracy_qm[q, m] = entry.norm_acc.get(prediction.model, np.nan)
            cheapness_qm[q, m] = 1 - entry.norm_cost.get(prediction.model, np.nan)
            yes_qm[q, m] = prediction.correctness == "yes"
            predicted_qm[q, m] = 1 - norm_cost
    ids = tuple(question.id for question in questions)
    return TwoStage(ids, models, model_qm, accuracy_qm, cheapness_qm, yes_qm, predicted_qm, config)


def _row(
    outcomes: Mapping[str, tuple[float, float]], models: Sequence[str], field: int
) -> list[float]:
    return [outcomes[model][field] if model in outcomes else np.nan for model in models]


def _min_max(values: FloatArray) -> FloatArray:
    span = np.ptp(values) if values.size else 0.0
    if span <= MIN_SPAN:
        return np.full_like(values, CONSTANT_VALUE)
    normalised: FloatArray = (values - values.min()) / span
    return normalised


def _log(values: AnyArray, floor: float) -> FloatArray:
    """Return the logarithm of non-negative values, at least `floor`."""
    with np.errstate(divide="ignore"):
        logs: FloatArray = np.maximum(np.log(values), floor)
    return logs


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK))
