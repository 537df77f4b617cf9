"""What is foretold for every (question, model): the currency of the project."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa

from scope.arrays import AnyArray, BoolArray, FloatArray, IntArray
from scope.errors import PredictionsError
from scope.pool import indices_of


@dataclass(frozen=True, slots=True)
class Estimates:
    """Predictions as arrays of shape (n_questions, n_models); NaN is "unknown".

    Attributes
    ----------
    p_correct_qm, p_low_qm, p_high_qm : ndarray
        Probability of a right answer, in [0, 1], with its 90 % credible interval.
    prompt_tokens_qm, completion_tokens_qm : ndarray
        Expected token counts.
    completion_tokens_low_qm, completion_tokens_high_qm : ndarray
        10th and 90th percentile.
    cost_usd_qm, cost_usd_low_qm, cost_usd_high_qm : ndarray
        Expected price of the call, prompt included, with its 10th and 90th percentile.
    in_distribution_qm : ndarray
        How far the anchors speak for the question, in [0, 1], the same for every model; below
        1 it is out of distribution. NaN where the bank has not learned to tell.
    """

    p_correct_qm: FloatArray
    p_low_qm: FloatArray
    p_high_qm: FloatArray
    prompt_tokens_qm: FloatArray
    completion_tokens_qm: FloatArray
    completion_tokens_low_qm: FloatArray
    completion_tokens_high_qm: FloatArray
    cost_usd_qm: FloatArray
    cost_usd_low_qm: FloatArray
    cost_usd_high_qm: FloatArray
    in_distribution_qm: FloatArray

    def select_models(self, wanted: Sequence[int]) -> "Estimates":
        """Return the estimates of some models, in the order of `wanted`."""
        return Estimates(*(getattr(self, name)[:, list(wanted)] for name in ESTIMATE_FIELDS))

    @classmethod
    def concatenate(cls, parts: Sequence["Estimates"]) -> "Estimates":
        """Join estimates of several batches of questions."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ESTIMATE_FIELDS))


MIN_P = 0.01
"""Predicted probabilities of a correct answer stay within ``[MIN_P, 1 - MIN_P]``."""

ESTIMATE_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Estimates))
COLUMNS: tuple[str, ...] = tuple(name.removesuffix("_qm") for name in ESTIMATE_FIELDS)

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
            If nothing was predicted for one of them.
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
            What made the predictions.
        errors : sequence of str, optional
            Why a question has none, or lacks a part; empty where it does not.
        failed_qm : ndarray of shape (n_questions, n_models), optional
            Predictions that lack a part: their error is told beside them.
        """
        n_questions, n_models = len(self.question_ids), len(self.models)
        values = [_nan_to_null(getattr(self.estimates, name)) for name in ESTIMATE_FIELDS]
        unknown = np.isnan(self.estimates.p_correct_qm + self.estimates.cost_usd_qm).ravel()
        reasons = np.array(errors or [""] * n_questions, dtype=object)
        reason = np.repeat(np.where(reasons == "", "no evidence", reasons), n_models)
        told = unknown if failed_qm is None else unknown | failed_qm.ravel()
        error = pa.array(reason, pa.string(), mask=~told)
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
        """Rebuild what `to_table` wrote, or some `columns` of it; the others are NaN.

        Raises
        ------
        PredictionsError
            If columns are missing or the rows are no full (question, model) grid.
        """
        needed = ("question_id", "model", *columns)
        if missing := [name for name in needed if name not in table.column_names]:
            raise PredictionsError(f"{source} lacks the columns {', '.join(missing)}")
        if not table.num_rows:
            raise PredictionsError(f"{source} holds no prediction")
        # As numbers: a Python text for every row would weigh more than all estimates.
        ids, id_n = _dictionary_encode(table["question_id"])
        names, name_n = _dictionary_encode(table["model"])
        n_models = int(np.argmax(id_n != id_n[0])) or len(id_n)
        whole = len(id_n) % n_models == 0
        if not whole or (id_n.reshape(-1, n_models) != id_n[::n_models, None]).any():
            raise PredictionsError(f"{source} is not one row per question and model")
        if (name_n.reshape(-1, n_models) != name_n[:n_models]).any():
            raise PredictionsError(f"{source} does not list the same models for every question")
        nobody = np.broadcast_to(np.nan, (len(id_n) // n_models, n_models))
        grids = [
            table[name].to_numpy().astype(np.float64).reshape(-1, n_models)
            if name in columns
            else nobody
            for name in COLUMNS
        ]
        models = tuple(names[name] for name in name_n[:n_models])
        return cls(tuple(ids[code] for code in id_n[::n_models]), models, Estimates(*grids))


def _nan_to_null(values: FloatArray) -> pa.Array:
    flat = np.ascontiguousarray(values).ravel()
    return pa.array(flat, pa.float64(), mask=np.isnan(flat))


def _dictionary_encode(column: pa.ChunkedArray) -> tuple[list[str], IntArray]:
    """Return the distinct texts of a column, and which of them stands in each row."""
    coded = column.combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy()
