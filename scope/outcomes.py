"""Outcomes of every model on every question: dense arrays, NaN where never run."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scope.arrays import BoolArray, FloatArray, IntArray, nan_to_null
from scope.columns import NUMBER, TEXT, checked_columns
from scope.errors import BankError, join_names

VALUE_COLUMNS = ("correct", "prompt_tokens", "completion_tokens")
ALIASES = {"is_correct": "correct"}

BATCH_ROWS = 1 << 15
"""Rows per batch when a file is streamed."""

BUFFER_BYTES = 1 << 16

MAX_COUNT = (1 << 31) - 1
"""Largest number of tokens that a bank stores."""

UNREADABLE = (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError)
"""What pyarrow raises for a file that is no Parquet, or a damaged one."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of `models` on questions, in the questions' order.

    Attributes
    ----------
    models : tuple of str
    correct_am : ndarray of shape (n_questions, n_models)
        1 is correct, 0 is wrong, partial credit lies between; NaN where never run or never graded.
    prompt_tokens_am, completion_tokens_am : ndarray of shape (n_questions, n_models)
        Token counts, NaN where never run.
    """

    models: tuple[str, ...]
    correct_am: FloatArray
    prompt_tokens_am: FloatArray
    completion_tokens_am: FloatArray

    def select_models(self, columns: list[int]) -> "Outcomes":
        """Return the outcomes of some models, in the order of `columns`."""
        return Outcomes(
            tuple(self.models[i] for i in columns),
            self.correct_am[:, columns],
            self.prompt_tokens_am[:, columns],
            self.completion_tokens_am[:, columns],
        )

    def reindex(self, models: tuple[str, ...], n_questions: int) -> "Outcomes":
        """Return the outcomes of `models` on the first questions; NaN for a model without any."""
        column_of = {model: column for column, model in enumerate(self.models)}
        grids = []
        for values in (self.correct_am, self.prompt_tokens_am, self.completion_tokens_am):
            unknown_a = np.full(n_questions, np.nan)
            rows = values[:n_questions]
            columns = [
                rows[:, column_of[model]] if model in column_of else unknown_a for model in models
            ]
            grids.append(np.column_stack(columns))
        return Outcomes(models, *grids)

    def to_table(self, ids: Sequence[str]) -> pa.Table:
        """Return one row per (question, model) that was run."""
        run = ~(np.isnan(self.correct_am) & np.isnan(self.completion_tokens_am))
        question, model = np.nonzero(run)
        return pa.table(
            {
                "question_id": pa.array(ids, pa.string()).take(question),
                "model": pa.DictionaryArray.from_arrays(
                    pa.array(model, pa.int16()), pa.array(self.models, pa.string())
                ),
                "correct": nan_to_null(self.correct_am[run], pa.float32()),
                "prompt_tokens": nan_to_null(self.prompt_tokens_am[run], pa.int32()),
                "completion_tokens": nan_to_null(self.completion_tokens_am[run], pa.int32()),
            }
        )

    def select_questions(self, wanted: slice | IntArray) -> "Outcomes":
        """Return the outcomes of some questions, in double precision."""
        grids = (self.correct_am, self.prompt_tokens_am, self.completion_tokens_am)
        return Outcomes(self.models, *(grid[wanted].astype(np.float64) for grid in grids))

    @classmethod
    def from_table(
        cls, table: pa.Table, ids: Sequence[str], models: tuple[str, ...], source: str
    ) -> "Outcomes":
        """Spread long rows over a (question, model) grid; rows of other questions are dropped.

        Raises
        ------
        BankError
            If a (question, model) pair occurs twice, a model is not among
            `models`, or a number is out of range.
        """
        return cls.from_batches([table], pa.array(ids, pa.string()), models, source)

    @classmethod
    def from_batches(
        cls,
        tables: Iterable[pa.Table],
        ids: pa.StringArray,
        models: tuple[str, ...],
        source: str,
        dtype: type[np.floating[Any]] = np.float64,
    ) -> "Outcomes":
        """Build the outcomes from long rows as `from_table`, one batch at a time.

        Parameters
        ----------
        dtype : type, default=float64
            Of the arrays; float32 is exact for token counts up to 16 million.
        """
        shape = (len(ids), len(models))
        grids: list[FloatArray] = [np.full(shape, np.nan, dtype=dtype) for _ in VALUE_COLUMNS]
        taken = np.zeros(len(ids) * len(models), dtype=np.bool_)
        for table in tables:
            index, kept = _flat_indices(table, ids, models, source)
            _check_duplicates(index, taken, ids, models, source)
            taken[index] = True
            for name, grid in zip(VALUE_COLUMNS, grids, strict=True):
                grid.reshape(-1)[index] = _numbers(table[name])[kept]
        correct_am, prompt_tokens_am, completion_tokens_am = grids
        _check(correct_am, prompt_tokens_am, completion_tokens_am, source)
        return cls(models, correct_am, prompt_tokens_am, completion_tokens_am)


def read_outcomes_table(path: Path) -> pa.Table:
    """Read a Parquet file of question_id, model, correct (or is_correct) and token counts.

    Raises
    ------
    BankError
        If it is unreadable, lacks a column, or a column has another type.
    """
    try:
        return _columns(pq.read_table(path), path)
    except UNREADABLE as error:
        raise BankError(f"outcomes {path} cannot be read: {error}") from error


def read_outcomes_batches(path: Path, n_rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
    """Read the file of `read_outcomes_table` in batches of `n_rows`; raises the same errors."""
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER_BYTES) as file:
            first_row = 0
            for batch in file.iter_batches(n_rows, use_threads=False):
                yield _columns(pa.Table.from_batches([batch]), path, first_row)
                first_row += batch.num_rows
    except UNREADABLE as error:
        raise BankError(f"outcomes {path} cannot be read: {error}") from error


def _columns(table: pa.Table, path: Path, first_row: int = 0) -> pa.Table:
    """Return the needed columns under their own names."""
    table = table.rename_columns([ALIASES.get(name, name) for name in table.column_names])
    expected = {"question_id": TEXT, "model": TEXT, **dict.fromkeys(VALUE_COLUMNS, NUMBER)}
    return checked_columns(table, expected, f"outcomes {path}", BankError, first_row)


def _flat_indices(
    table: pa.Table, ids: pa.StringArray, models: tuple[str, ...], source: str
) -> tuple[IntArray, BoolArray]:
    """Return the flat grid indices of rows with a known question, and a mask of these rows."""
    question = _index_in(table["question_id"], ids)
    model = _index_in(table["model"], pa.array(models, pa.string()))
    kept = question >= 0
    if (model[kept] < 0).any():
        unknown = pc.unique(table["model"].filter(pa.array(kept & (model < 0)))).to_pylist()
        raise BankError(f"{source} has outcomes of models without a price: {join_names(unknown)}")
    return question[kept] * len(models) + model[kept], kept


def _index_in(column: pa.ChunkedArray, known: pa.StringArray) -> IntArray:
    """Return the index of each value in `known`, -1 if absent."""
    found = pc.index_in(column.cast(pa.string()), value_set=known)
    index: IntArray = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return index


def _numbers(column: pa.ChunkedArray) -> FloatArray:
    numbers: FloatArray = column.cast(pa.float64()).to_numpy().astype(np.float64)
    return numbers


def _check_duplicates(
    index: IntArray, taken: BoolArray, ids: pa.StringArray, models: tuple[str, ...], source: str
) -> None:
    """Raise `BankError` if a flat index occurs twice or was taken by an earlier batch."""
    ordered = np.sort(index)
    repeated = np.concatenate([ordered[1:][ordered[1:] == ordered[:-1]], index[taken[index]]])
    if repeated.size:
        question, model = divmod(int(repeated.min()), len(models))
        raise BankError(f"{source} has two outcomes of {models[model]} on {ids[question]}")


def _check(
    correct: FloatArray, prompt_tokens: FloatArray, completion_tokens: FloatArray, source: str
) -> None:
    if ((correct < 0) | (correct > 1)).any():
        raise BankError(f"{source}: correct must be within 0..1, found {np.nanmax(correct)}")
    for name, tokens in (
        ("prompt_tokens", prompt_tokens),
        ("completion_tokens", completion_tokens),
    ):
        if (tokens < 0).any():
            raise BankError(f"{source}: {name} must be at least 0, found {np.nanmin(tokens):g}")
        if (tokens > MAX_COUNT).any():
            raise BankError(
                f"{source}: {name} must be at most {MAX_COUNT:,}, found {np.nanmax(tokens):g}"
            )
        fraction = tokens[(tokens % 1 != 0) & ~np.isnan(tokens)]
        if fraction.size:
            raise BankError(f"{source}: {name} must be whole numbers, found {fraction[0]:g}")
