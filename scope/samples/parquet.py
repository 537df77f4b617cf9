"""Our compact file of samples: Parquet, one row per (question, model, sample)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scope.arrays import BoolArray, FloatArray, IntArray, nan_to_null
from scope.columns import NUMBER, OPTIONAL_TEXT, TEXT, checked_columns
from scope.errors import FormatError, join_names
from scope.samples.samples import Samples
from scope.storage import atomic_file

SCORE = "score:"
"""``score:correct`` is the column of the scores of ``correct``."""

MAX_SAMPLE = 9_999
"""Largest number of a sample; more would take memory for each that is absent."""

COLUMN_KINDS = {
    **dict.fromkeys(("question_id", "prompt", "model", "response", "split"), OPTIONAL_TEXT),
    **dict.fromkeys(("sample", "failed", "prompt_tokens", "completion_tokens"), NUMBER),
}
COLUMNS = ("question_id", "prompt", "model", "sample", "prompt_tokens", "completion_tokens")


def write_parquet(path: Path, samples: Samples) -> None:
    """Write all samples, and failed calls as rows with ``failed`` set and no sample."""
    known_qmo = samples.known_qmo()
    q_n, m_n, o_n = (axis_n.astype(np.int64) for axis_n in np.nonzero(known_qmo))
    n_failed_qm = samples.failed_qm.astype(np.int64)
    failed_q, failed_m = np.nonzero(n_failed_qm)
    repeats_n = n_failed_qm[failed_q, failed_m]
    empty_q = np.flatnonzero(~known_qmo.any(axis=(1, 2)) & ~n_failed_qm.any(axis=1))
    n_more = int(repeats_n.sum()) + len(empty_q)
    question_n = np.concatenate([q_n, np.repeat(failed_q, repeats_n), empty_q])
    model_n = np.concatenate([m_n, np.repeat(failed_m, repeats_n), np.full(len(empty_q), -1)])
    sample_n = np.concatenate([o_n, np.full(n_more, -1)])
    failed_n = np.zeros(len(question_n), dtype=bool)
    failed_n[len(q_n) : len(q_n) + int(repeats_n.sum())] = True
    order_n = np.lexsort((sample_n, failed_n, model_n, question_n))
    columns = _columns(samples, question_n[order_n], model_n[order_n], sample_n[order_n])
    columns["failed"] = pa.array(failed_n[order_n])
    with atomic_file(path) as draft:
        pq.write_table(pa.table(columns), draft, compression="zstd", use_dictionary=True)


def _columns(
    samples: Samples, question_n: IntArray, model_n: IntArray, sample_n: IntArray
) -> dict[str, pa.Array]:
    index = pa.array(question_n, pa.int32())
    at = (question_n, np.maximum(model_n, 0), np.maximum(sample_n, 0))
    exists_n = sample_n >= 0
    prompt_tokens_n = np.full(len(question_n), np.nan)
    if samples.models:
        prompt_tokens_n = np.where(model_n >= 0, samples.prompt_tokens_qm[at[:2]], np.nan)
    columns = {
        "question_id": pa.DictionaryArray.from_arrays(index, pa.array(samples.ids, pa.string())),
        "prompt": pa.DictionaryArray.from_arrays(index, pa.array(samples.prompts, pa.string())),
        "model": pa.DictionaryArray.from_arrays(
            pa.array(model_n, pa.int32(), mask=model_n < 0), pa.array(samples.models, pa.string())
        ),
        "sample": pa.array(sample_n, pa.int16(), mask=~exists_n),
        "prompt_tokens": nan_to_null(prompt_tokens_n, pa.float64()),
        "completion_tokens": _values(samples.completion_tokens_qmo, at, exists_n),
    }
    for scorer, score_qmo in samples.scores.items():
        columns[SCORE + scorer] = _values(score_qmo, at, exists_n)
    if samples.responses_qm is not None:
        columns["response"] = pa.array(_texts(samples.responses_qm, at, exists_n), pa.string())
    return columns


def _values(
    value_qmo: FloatArray, at: tuple[IntArray, IntArray, IntArray], exists_n: BoolArray
) -> pa.Array:
    if not value_qmo.size:
        return pa.nulls(len(exists_n), pa.float64())
    return nan_to_null(np.where(exists_n, value_qmo[at], np.nan), pa.float64())


def _texts(
    responses_qm: tuple[tuple[tuple[str, ...], ...], ...],
    at: tuple[IntArray, IntArray, IntArray],
    exists_n: BoolArray,
) -> list[str | None]:
    texts: list[str | None] = []
    places = zip(*(axis_n.tolist() for axis_n in at), exists_n.tolist(), strict=True)
    for q, m, o, exists in places:
        row = responses_qm[q][m] if exists else ()
        texts.append(row[o] if o < len(row) else None)
    return texts


def read_parquet(path: Path) -> Samples:
    """Read a file that `write_parquet` wrote.

    Raises
    ------
    FormatError
        If it cannot be read, lacks a column, or has a sample twice.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from error
    if missing := [name for name in COLUMNS if name not in table.column_names]:
        raise FormatError(f"{path} is no file of samples: it lacks {join_names(missing)}")
    kinds = {name: _kind(name) for name in table.column_names if _kind(name)}
    table = checked_columns(table, kinds, str(path), FormatError)
    return _Rows(table, path).samples()


def _kind(name: str) -> str:
    """Return what a column of ours holds; "" for another column."""
    if name.startswith(SCORE):
        return NUMBER
    return COLUMN_KINDS.get(name, "")


def iter_splits(path: Path) -> Iterator[tuple[str, str | None, str]]:
    """Yield each id, the value of its column ``split`` or None, and the file."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from error
    names = {"question_id": TEXT} | {
        name: OPTIONAL_TEXT for name in table.column_names if name == "split"
    }
    table = checked_columns(table, names, str(path), FormatError)
    table = table.group_by(list(names)).aggregate([])
    ids = table["question_id"].to_pylist()
    splits = table["split"].to_pylist() if "split" in names else [None] * len(ids)
    for question_id, split in zip(ids, splits, strict=True):
        yield question_id, split, str(path)


class _Rows:
    """The rows of a file, with the places of their samples."""

    def __init__(self, table: pa.Table, path: Path) -> None:
        self._table, self._path = table, path
        self.ids, self._q_n = self._codes("question_id")
        self.models, self._m_n = self._codes("model")
        self._o_n = self._numbers("sample")
        self._is_sample_n = ~np.isnan(self._o_n) & (self._m_n >= 0)
        self._check_samples()
        n_samples = int(self._o_n[self._is_sample_n].max(initial=-1)) + 1
        self._shape = (len(self.ids), len(self.models), n_samples)
        o_n = self._o_n[self._is_sample_n].astype(np.int64)
        self._at = (self._q_n[self._is_sample_n], self._m_n[self._is_sample_n], o_n)
        self._check_unique()

    def samples(self) -> Samples:
        """Return the samples."""
        names = [name for name in self._table.column_names if name.startswith(SCORE)]
        prompt_qm = np.full(self._shape[:2], np.nan)
        has_model_n = self._m_n >= 0
        at_qm = (self._q_n[has_model_n], self._m_n[has_model_n])
        prompt_qm[at_qm] = self._numbers("prompt_tokens")[has_model_n]
        return Samples(
            ids=self.ids,
            prompts=self._prompts(),
            models=self.models,
            scores={name.removeprefix(SCORE): self._array(name) for name in names},
            prompt_tokens_qm=prompt_qm,
            completion_tokens_qmo=self._array("completion_tokens"),
            responses_qm=self._responses(),
            n_failed_qm=self._n_failed(),
        )

    def _codes(self, name: str) -> tuple[tuple[str, ...], IntArray]:
        """Return the distinct values of a column, in order of appearance, and each row's code."""
        values = self._table[name].cast(pa.string()).combine_chunks().dictionary_encode()
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        codes = pc.fill_null(values.indices, -1).to_numpy(zero_copy_only=False)
        return tuple(values.dictionary.to_pylist()), codes.astype(np.int64)

    def _numbers(self, name: str) -> FloatArray:
        numbers: FloatArray = self._table[name].cast(pa.float64()).to_numpy()
        return numbers

    def _array(self, name: str) -> FloatArray:
        value_qmo = np.full(self._shape, np.nan)
        value_qmo[self._at] = self._numbers(name)[self._is_sample_n]
        return value_qmo

    def _prompts(self) -> tuple[str, ...]:
        """Return the prompt of every question; an id has one."""
        prompts, code_n = self._codes("prompt")
        first_q = np.full(len(self.ids), -1)
        first_q[self._q_n[::-1]] = code_n[::-1]
        if (wrong_n := np.flatnonzero(first_q[self._q_n] != code_n)).size:
            question_id = self.ids[self._q_n[wrong_n[0]]]
            raise FormatError(f"{self._path}: id {question_id!r} has two prompts; an id has one")
        if (first_q < 0).any():
            raise FormatError(f"{self._path}: row {int(np.argmin(code_n)) + 1} has no prompt")
        return tuple(prompts[code] for code in first_q.tolist())

    def _responses(self) -> tuple[tuple[tuple[str, ...], ...], ...] | None:
        if "response" not in self._table.column_names:
            return None
        column = self._table["response"].to_pylist()
        rows = np.flatnonzero(self._is_sample_n)[np.lexsort(self._at[::-1])].tolist()
        texts: list[list[list[str]]] = [[[] for _ in self.models] for _ in self.ids]
        for row in rows:
            if column[row] is not None:
                texts[self._q_n[row]][self._m_n[row]].append(column[row])
        return tuple(tuple(map(tuple, question)) for question in texts)

    def _n_failed(self) -> FloatArray | None:
        if "failed" not in self._table.column_names:
            return None
        failed_n = (self._numbers("failed") == 1) & (self._m_n >= 0)
        n_failed_qm = np.zeros(self._shape[:2])
        np.add.at(n_failed_qm, (self._q_n[failed_n], self._m_n[failed_n]), 1)
        return n_failed_qm if n_failed_qm.any() else None

    def _check_samples(self) -> None:
        known_n = np.nan_to_num(self._o_n)
        wrong_n = np.flatnonzero((known_n % 1 != 0) | (known_n < 0) | (known_n > MAX_SAMPLE))
        if wrong_n.size:
            row = int(wrong_n[0])
            raise FormatError(
                f"{self._path}: row {row + 1}: sample is {self._o_n[row]:g}; expected a whole "
                f"number from 0 to {MAX_SAMPLE:,}, or null"
            )

    def _check_unique(self) -> None:
        if (self._q_n < 0).any():
            raise FormatError(f"{self._path}: row {int(np.argmin(self._q_n)) + 1} has no id")
        place_n = np.ravel_multi_index(self._at, self._shape) if self._at[0].size else self._at[0]
        _, first_n, counts_n = np.unique(place_n, return_index=True, return_counts=True)
        if (counts_n > 1).any():
            n = int(first_n[counts_n > 1][0])
            q, m, o = (int(axis_n[n]) for axis_n in self._at)
            raise FormatError(
                f"{self._path} has sample {o} of {self.models[m]!r} on id {self.ids[q]!r} twice"
            )
