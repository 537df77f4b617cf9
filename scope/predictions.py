"""Predictions for every (question, model) pair, and their Parquet columns."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scope.arrays import AnyArray, BoolArray, FloatArray, IntArray, nan_to_null
from scope.columns import NUMBER, TEXT, checked_columns
from scope.errors import PredictionsError
from scope.pool import indices_of

COLUMNS = (
    "p_correct",
    "p_low",
    "p_high",
    "prompt_tokens",
    "completion_tokens",
    "completion_tokens_low",
    "completion_tokens_high",
    "cost_usd",
    "cost_usd_low",
    "cost_usd_high",
    "in_distribution",
)
"""Names of the arrays of `Estimates`, in their order; the columns of files and of JSON."""


class IntervalEstimate(NamedTuple):
    """A point estimate of every (question, model) pair, and the two ends of its interval."""

    value_qm: FloatArray
    low_qm: FloatArray
    high_qm: FloatArray


@dataclass(frozen=True, slots=True)
class Estimates:
    """Predictions as arrays of shape (n_questions, n_models); NaN is unknown.

    Attributes
    ----------
    p_correct : IntervalEstimate
        Probability of a correct answer, in [0, 1], with its 90 % credible interval.
    prompt_tokens_qm : ndarray
        Expected prompt tokens.
    completion_tokens : IntervalEstimate
        Expected completion tokens, with their 10th and 90th percentile.
    cost_usd : IntervalEstimate
        Expected cost of the call, prompt included, with its 10th and 90th percentile.
    in_distribution_qm : ndarray
        Weight of the forecaster against the kNN estimate, in [0, 1], the same for every model;
        below 1 the question is out of distribution. NaN where the bank has no forecaster.
    """

    p_correct: IntervalEstimate
    prompt_tokens_qm: FloatArray
    completion_tokens: IntervalEstimate
    cost_usd: IntervalEstimate
    in_distribution_qm: FloatArray

    @property
    def p_correct_qm(self) -> FloatArray:
        """Point estimate of the probability of a correct answer."""
        return self.p_correct.value_qm

    @property
    def completion_tokens_qm(self) -> FloatArray:
        """Point estimate of the completion tokens."""
        return self.completion_tokens.value_qm

    @property
    def cost_usd_qm(self) -> FloatArray:
        """Point estimate of the cost."""
        return self.cost_usd.value_qm

    def to_columns(self) -> dict[str, FloatArray]:
        """Return the arrays by the names in `COLUMNS`, in that order."""
        arrays = (
            *self.p_correct,
            self.prompt_tokens_qm,
            *self.completion_tokens,
            *self.cost_usd,
            self.in_distribution_qm,
        )
        return dict(zip(COLUMNS, arrays, strict=True))

    def stack(self, axis: int = 0) -> FloatArray:
        """Return all arrays as one, along a new axis in the order of `COLUMNS`."""
        return np.stack(list(self.to_columns().values()), axis=axis)

    @classmethod
    def from_stack(cls, value_eqm: Iterable[FloatArray]) -> "Estimates":
        """Rebuild the estimates from arrays in the order of `COLUMNS`."""
        p, p_low, p_high, prompt_tokens_qm, *ends, in_distribution_qm = value_eqm
        return cls(
            IntervalEstimate(p, p_low, p_high),
            prompt_tokens_qm,
            IntervalEstimate(*ends[:3]),
            IntervalEstimate(*ends[3:]),
            in_distribution_qm,
        )

    def map(self, function: Callable[[FloatArray], FloatArray]) -> "Estimates":
        """Return the estimates with a function applied to each array."""
        return Estimates.from_stack(map(function, self.to_columns().values()))

    def select_questions(self, wanted: slice | IntArray | BoolArray) -> "Estimates":
        """Return the estimates of some questions."""
        return self.map(lambda value_qm: value_qm[wanted])

    def select_models(self, columns: list[int]) -> "Estimates":
        """Return the estimates of some models, in the order of `columns`."""
        return self.map(lambda value_qm: value_qm[:, columns])

    @classmethod
    def concatenate(cls, parts: Sequence["Estimates"]) -> "Estimates":
        """Join estimates of several batches of questions."""
        return cls.from_stack(
            map(np.concatenate, zip(*(part.to_columns().values() for part in parts), strict=True))
        )


MIN_P = 0.01
"""Predicted probabilities of a correct answer stay within ``[MIN_P, 1 - MIN_P]``."""

SCHEMA = pa.schema(
    [("question_id", pa.string()), ("model", pa.string())]
    + [(name, pa.float64()) for name in COLUMNS]
    + [("source", pa.string()), ("error", pa.string())]
)
"""Columns of the Parquet files, one row per (question, model)."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Estimates of named models on named questions."""

    question_ids: tuple[str, ...]
    models: tuple[str, ...]
    estimates: Estimates

    def select_models(self, wanted: tuple[str, ...]) -> "Predictions":
        """Return the predictions for a pool: its models only, in its order.

        Raises
        ------
        UnknownModelError
            If one of them has no predictions.
        """
        columns = indices_of(wanted, self.models, "the predictions")
        return replace(self, models=wanted, estimates=self.estimates.select_models(columns))

    def to_table(
        self,
        source: str | AnyArray,
        errors: Sequence[str] | None = None,
        failed_qm: BoolArray | None = None,
    ) -> pa.Table:
        """Return one row per (question, model), question by question.

        Parameters
        ----------
        source : str or ndarray of shape (n_questions, n_models)
            Source of each prediction, such as ``anchors`` or ``scope``.
        errors : sequence of str, optional
            Error of each question; empty if there is none.
        failed_qm : ndarray of shape (n_questions, n_models), optional
            Predictions that lack the reasoner's answer; their error is written beside them.
        """
        n_questions, n_models = len(self.question_ids), len(self.models)
        values = [
            nan_to_null(value_qm.ravel(), pa.float64())
            for value_qm in self.estimates.to_columns().values()
        ]
        unknown = np.isnan(self.estimates.p_correct_qm + self.estimates.cost_usd_qm).ravel()
        reasons = np.array(errors or [""] * n_questions, dtype=object)
        reason = np.repeat(np.where(reasons == "", "no evidence", reasons), n_models)
        has_error = unknown if failed_qm is None else unknown | failed_qm.ravel()
        error = pa.array(reason, pa.string(), mask=~has_error)
        sources = np.broadcast_to(np.asarray(source, dtype=object), (n_questions, n_models))
        columns = [
            pa.array(np.repeat(np.array(self.question_ids, dtype=object), n_models), pa.string()),
            pa.array(list(self.models) * n_questions, pa.string()),
            *values,
            pa.array(sources.ravel(), pa.string()),
            error,
        ]
        return pa.Table.from_arrays(columns, schema=SCHEMA)

    @classmethod
    def concatenate(cls, parts: Sequence["Predictions"]) -> "Predictions":
        """Join predictions of the same models on several sets of questions."""
        ids = tuple(name for part in parts for name in part.question_ids)
        return cls(ids, parts[0].models, Estimates.concatenate([p.estimates for p in parts]))

    @classmethod
    def from_table(
        cls, table: pa.Table, source: str, columns: Sequence[str] = COLUMNS
    ) -> "Predictions":
        """Rebuild predictions from a table of `to_table`; estimates not in `columns` are NaN.

        Raises
        ------
        PredictionsError
            If columns are missing or the rows are not a full (question, model) grid.
        """
        expected = {"question_id": TEXT, "model": TEXT, **dict.fromkeys(columns, NUMBER)}
        table = checked_columns(table, expected, source, PredictionsError)
        if not table.num_rows:
            raise PredictionsError(f"{source} holds no prediction")
        # Codes, since a Python string for every row would take more memory than all estimates.
        ids, id_n = _dictionary_encode(table["question_id"])
        names, name_n = _dictionary_encode(table["model"])
        n_models = int(np.argmax(id_n != id_n[0])) or len(id_n)
        is_grid = len(id_n) % n_models == 0
        if not is_grid or (id_n.reshape(-1, n_models) != id_n[::n_models, None]).any():
            raise PredictionsError(f"{source} is not one row per question and model")
        if (name_n.reshape(-1, n_models) != name_n[:n_models]).any():
            raise PredictionsError(f"{source} does not list the same models for every question")
        unread_qm = np.broadcast_to(np.nan, (len(id_n) // n_models, n_models))
        grids = [
            table[name].to_numpy().astype(np.float64).reshape(-1, n_models)
            if name in columns
            else unread_qm
            for name in COLUMNS
        ]
        models = tuple(names[name] for name in name_n[:n_models])
        return cls(
            tuple(ids[code] for code in id_n[::n_models]), models, Estimates.from_stack(grids)
        )


def _dictionary_encode(column: pa.ChunkedArray) -> tuple[list[str], IntArray]:
    """Return the distinct texts of a column, and the index of each row's text among them."""
    coded = column.combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy()
