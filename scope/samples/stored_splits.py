"""The splits of prompts that files of samples state: by a column, or by the names of the files."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from scope.errors import FormatError, join_names
from scope.samples.jsonl import iter_splits as jsonl_splits
from scope.samples.parquet import iter_splits as parquet_splits
from scope.samples.samples import Samples
from scope.samples.split import SPLITS, Split, split_of


def read_splits(path: Path, *more: Path) -> dict[str, Split]:
    """Return the split of each id, as the files state it; empty where none does.

    Parameters
    ----------
    path, *more : Path
        As for `read_samples`. A field or column ``split`` states it; so does the name of a file,
        as ``scope samples split`` writes them, where two of ``train``, ``validation`` and
        ``test`` are given.

    Raises
    ------
    FormatError
        If a split has another name, or an id is in two.
    """
    files = (path, *more)
    named = {file.stem for file in files} & set(SPLITS)
    found: dict[str, tuple[Split, str]] = {}
    for file in files:
        by_name = file.stem if len(named) > 1 and file.stem in named else None
        for question_id, stated, location in _stated(file):
            for value in (stated, by_name):
                if value is None:
                    continue
                split = _checked(value, location)
                first, first_location = found.setdefault(question_id, (split, location))
                if first != split:
                    raise FormatError(
                        f"{location}: id {question_id!r} is in the split {split}, and in {first} "
                        f"by {first_location}"
                    )
    return {question_id: split for question_id, (split, _) in found.items()}


def splits_of(samples: Samples, stored: Mapping[str, Split], source: str) -> tuple[Split, ...]:
    """Return the split of each prompt: the stored ones, else all by the hash of the prompt.

    Raises
    ------
    FormatError
        If some prompts have a stored split and others have none.
    """
    if not stored:
        return tuple(split_of(prompt) for prompt in samples.prompts)
    if missing := [question_id for question_id in samples.ids if question_id not in stored]:
        raise FormatError(
            f"{source}: {len(missing):,} prompts have no split and {len(stored):,} have one; "
            f"without: {join_names(missing)}"
        )
    return tuple(stored[question_id] for question_id in samples.ids)


def _stated(file: Path) -> Iterator[tuple[str, str | None, str]]:
    """Yield each id with its split, None where the row has none, and the place in the file."""
    yield from (parquet_splits if file.suffix == ".parquet" else jsonl_splits)(file)


def _checked(value: str, location: str) -> Split:
    for split in SPLITS:
        if value == split:
            return split
    raise FormatError(f"{location}: split is {value!r}; expected one of {', '.join(SPLITS)}")
