"""Read and write files of samples, and merge them by id."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from scope.arrays import BoolArray, FloatArray
from scope.errors import ConfigError, FormatError, join_names
from scope.samples.cells import Cell, SamplesBuilder
from scope.samples.jsonl import read_jsonl, write_jsonl
from scope.samples.parquet import read_parquet, write_parquet
from scope.samples.samples import Samples

SUFFIXES = ".jsonl or .parquet"


def read_samples(path: Path, *more: Path) -> Samples:
    """Read samples from one file or several, joined by id.

    Parameters
    ----------
    path, *more : Path
        ``.jsonl`` in any form of HybridLLM and BEST-Route: prompts alone, responses, scores,
        token counts, or candidates; ``.parquet`` as `write_samples` writes it. Files may hold
        other models, other prompts, or other scores of the same samples.

    Raises
    ------
    FormatError
        If a file cannot be read, or two of them contradict each other. The message names the
        file, and the line of a ``.jsonl`` file.
    """
    files = (path, *more)
    parts = [_read(file) for file in files]
    return parts[0] if len(parts) == 1 else merge_samples(parts, [str(file) for file in files])


def write_samples(path: Path, samples: Samples) -> None:
    """Write samples, atomically: ``.jsonl`` as the published code does, or ``.parquet``.

    Raises
    ------
    ConfigError
        If the suffix is another one.
    """
    check_suffix(path)
    (write_parquet if path.suffix == ".parquet" else write_jsonl)(path, samples)


def check_suffix(path: Path) -> None:
    """Raise `ConfigError` if samples cannot be written to a file of this suffix."""
    if path.suffix not in (".jsonl", ".parquet"):
        raise ConfigError(f"{path} has suffix {path.suffix!r}; expected {SUFFIXES}")


def _read(path: Path) -> Samples:
    if path.suffix not in (".jsonl", ".parquet"):
        raise FormatError(f"{path} is no file of samples; expected {SUFFIXES}")
    if not path.is_file():
        raise FormatError(f"{path} does not exist")
    return read_parquet(path) if path.suffix == ".parquet" else read_jsonl(path)


def merge_samples(parts: Sequence[Samples], sources: Sequence[str]) -> Samples:
    """Return the samples of all parts, joined by id and model.

    Parameters
    ----------
    parts : sequence of Samples
    sources : sequence of str
        Name of each part, for messages.

    Raises
    ------
    FormatError
        If an id has two prompts, or two parts have different samples of a model on it.
    """
    prompts: dict[str, tuple[str, str]] = {}
    cells: dict[str, dict[str, tuple[Cell, str]]] = {}
    for part, source in zip(parts, sources, strict=True):
        known_qmo = part.known_qmo()
        for q, (question_id, prompt) in enumerate(zip(part.ids, part.prompts, strict=True)):
            first_prompt, first_source = prompts.setdefault(question_id, (prompt, source))
            if first_prompt != prompt:
                raise FormatError(
                    f"id {question_id!r} has another prompt in {source} than in {first_source}"
                )
            row = cells.setdefault(question_id, {})
            for model, cell in _cells_of(part, known_qmo[q], q).items():
                known = row.get(model)
                where = f"model {model!r} on id {question_id!r}"
                row[model] = (_join(cell, source, known, where), source)
    builder = SamplesBuilder()
    for question_id, (prompt, source) in prompts.items():
        row_cells = {model: cell for model, (cell, _) in cells[question_id].items()}
        builder.add(question_id, prompt, row_cells, f"{source}: id {question_id!r}")
    return builder.build()


def missing_ids(samples: Samples) -> dict[str, list[str]]:
    """Return the prompts of which a model has no sample, by model; models with all are left out."""
    has_qm = np.asarray(samples.known_qmo().any(axis=2))
    missing = {
        model: [samples.ids[q] for q in (~has_qm[:, m]).nonzero()[0]]
        for m, model in enumerate(samples.models)
    }
    return {model: ids for model, ids in missing.items() if ids}


def missing_sentences(missing: Mapping[str, Sequence[str]]) -> list[str]:
    """Return one sentence for each model that lacks prompts."""
    return [
        f"{model} has no sample of {len(ids):,} prompts: {join_names(ids)}"
        for model, ids in missing.items()
    ]


def _cells_of(samples: Samples, known_mo: BoolArray, q: int) -> dict[str, Cell]:
    """Return the cells of one prompt; models without anything on it are left out."""
    cells = {}
    for m, model in enumerate(samples.models):
        n = int(known_mo[m].nonzero()[0].max(initial=-1)) + 1
        scores = {name: _values(score[q, m, :n]) for name, score in samples.scores.items()}
        cell = Cell(
            responses=(samples.responses_qm[q][m] or None) if samples.responses_qm else None,
            scores={name: values for name, values in scores.items() if values},
            prompt_tokens=next(iter(_values(samples.prompt_tokens_qm[q, m : m + 1])), None),
            completion_tokens=_values(samples.completion_tokens_qmo[q, m, :n]),
            n_failed=int(samples.failed_qm[q, m]),
        )
        if cell != Cell():
            cells[model] = cell
    return cells


def _values(value_o: FloatArray) -> list[float | None]:
    """Return numbers, NaN as None; empty if all are NaN."""
    values = [None if math.isnan(value) else value for value in value_o.tolist()]
    return [] if all(value is None for value in values) else values


def _join(cell: Cell, source: str, known: tuple[Cell, str] | None, where: str) -> Cell:
    """Return what two parts say of the same samples.

    Raises
    ------
    FormatError
        If they say different things.
    """
    if known is None:
        return cell
    first, first_source = known
    pairs = {
        "responses": (first.responses, cell.responses),
        "prompt tokens": (first.prompt_tokens, cell.prompt_tokens),
        "token counts": (first.completion_tokens or None, cell.completion_tokens or None),
        **{
            f"{name} scores": (first.scores[name], cell.scores[name])
            for name in first.scores.keys() & cell.scores.keys()
        },
    }
    for name, (a, b) in pairs.items():
        if a is not None and b is not None and a != b:
            raise FormatError(f"{where} has other {name} in {source} than in {first_source}")
    return Cell(
        responses=first.responses or cell.responses,
        scores={**first.scores, **cell.scores},
        prompt_tokens=cell.prompt_tokens if first.prompt_tokens is None else first.prompt_tokens,
        completion_tokens=first.completion_tokens or cell.completion_tokens,
        n_failed=max(first.n_failed, cell.n_failed),
    )
