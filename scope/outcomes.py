"""What every model did on every question: a dense table with holes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scope.arrays import Array, Floats, Ints
from scope.errors import BankError, listed

NUMBERS = ("correct", "prompt_tokens", "completion_tokens")
ALIASES = {"is_correct": "correct"}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of `models` on questions, in the questions' order.

    Attributes
    ----------
    models : tuple of str
    correct_am : ndarray of shape (n_questions, n_models)
        1 right, 0 wrong, between for part credit; NaN where never run or never graded.
    prompt_tokens_am, completion_tokens_am : ndarray of shape (n_questions, n_models)
        Token counts, NaN where never run.
    """

    models: tuple[str, ...]
    correct_am: Floats
    prompt_tokens_am: Floats
    completion_tokens_am: Floats

    def columns(self, positions: Sequence[int]) -> "Outcomes":
        """Return the outcomes of some models, in the order of `positions`."""
        m = list(positions)
        return Outcomes(
            tuple(self.models[i] for i in m),
            self.correct_am[:, m],
            self.prompt_tokens_am[:, m],
            self.completion_tokens_am[:, m],
        )

    def of(self, models: tuple[str, ...], n_questions: int) -> "Outcomes":
        """Return what `models` did on the first questions; NaN for one that is not here."""
        place = {model: position for position, model in enumerate(self.models)}
        grids = []
        for values in (self.correct_am, self.prompt_tokens_am, self.completion_tokens_am):
            nobody = np.full(n_questions, np.nan)
            rows = values[:n_questions]
            columns = [rows[:, place[model]] if model in place else nobody for model in models]
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
                "correct": _nullable(self.correct_am[run], pa.float32()),
                "prompt_tokens": _nullable(self.prompt_tokens_am[run], pa.int32()),
                "completion_tokens": _nullable(self.completion_tokens_am[run], pa.int32()),
            }
        )

    @classmethod
    def from_table(
        cls, table: pa.Table, ids: Sequence[str], models: tuple[str, ...], source: str
    ) -> "Outcomes":
        """Spread long rows over a (question, model) grid; rows of other questions are left out.

        Raises
        ------
        BankError
            If a (question, model) pair stands twice, a model is not among
            `models`, or a number is impossible.
        """
        question = _positions(table["question_id"], ids)
        model = _positions(table["model"], models)
        kept = question >= 0
        if (model[kept] < 0).any():
            strange = pc.unique(table["model"].filter(pa.array(kept & (model < 0)))).to_pylist()
            raise BankError(f"{source} has outcomes of models without a price: {listed(strange)}")
        place = question[kept] * len(models) + model[kept]
        _refuse_repeats(place, ids, models, source)
        grids: list[Floats] = []
        for name in NUMBERS:
            grid: Floats = np.full(len(ids) * len(models), np.nan)
            grid[place] = _numbers(table[name])[kept]
            grids.append(grid.reshape(len(ids), len(models)))
        correct_am, prompt_tokens_am, completion_tokens_am = grids
        _check(correct_am, prompt_tokens_am, completion_tokens_am, source)
        return cls(models, correct_am, prompt_tokens_am, completion_tokens_am)


def read_outcomes_table(path: Path) -> pa.Table:
    """Read a Parquet file of question_id, model, correct (or is_correct) and token counts.

    Raises
    ------
    BankError
        If it is unreadable or lacks a column.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise BankError(f"outcomes {path} cannot be read: {error}") from error
    table = table.rename_columns([ALIASES.get(name, name) for name in table.column_names])
    needed = ("question_id", "model", *NUMBERS)
    if missing := [name for name in needed if name not in table.column_names]:
        raise BankError(
            f"outcomes {path} lack {', '.join(missing)}; they have {', '.join(table.column_names)}"
        )
    return table.select(needed)


def _nullable(values: Array, kind: pa.DataType) -> pa.Array:
    missing = np.isnan(values)
    return pa.array(np.where(missing, 0, values), mask=missing).cast(kind)


def _positions(column: pa.ChunkedArray, known: Sequence[str]) -> Ints:
    """Return where each value stands in `known`, -1 if nowhere."""
    found = pc.index_in(column.cast(pa.string()), value_set=pa.array(known, pa.string()))
    positions: Ints = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return positions


def _numbers(column: pa.ChunkedArray) -> Floats:
    numbers: Floats = column.cast(pa.float64()).to_numpy().astype(np.float64)
    return numbers


def _refuse_repeats(place: Ints, ids: Sequence[str], models: tuple[str, ...], source: str) -> None:
    ordered = np.sort(place)
    if (repeated := ordered[1:][ordered[1:] == ordered[:-1]]).size:
        question, model = divmod(int(repeated[0]), len(models))
        raise BankError(f"{source} has two outcomes of {models[model]} on {ids[question]}")


def _check(correct: Floats, prompt_tokens: Floats, completion_tokens: Floats, source: str) -> None:
    if ((correct < 0) | (correct > 1)).any():
        raise BankError(f"{source}: correct must be within 0..1, found {np.nanmax(correct)}")
    for name, tokens in (
        ("prompt_tokens", prompt_tokens),
        ("completion_tokens", completion_tokens),
    ):
        if (tokens < 0).any():
            raise BankError(f"{source}: {name} must be at least 0, found {np.nanmin(tokens):g}")
