"""Pairs of a better and a worse response, and their folds."""

import hashlib
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from scope.errors import FormatError
from scope.samples import split_of

HUMAN, ASSISTANT = "Human: ", " Assistant: "
BLOCK_BYTES = 1 << 26
"""Longest line of a file of JSON lines."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two responses to one prompt, of which the first is better."""

    prompt: str
    chosen: str
    rejected: str
    split: str
    """``train``, ``validation`` or ``test``."""


def read_pairs(path: Path) -> list[Pair]:
    """Read pairs from JSON lines, Parquet, or a saved `datasets.DatasetDict`.

    Each row has ``chosen`` and ``rejected``: responses beside a ``prompt``, or whole texts
    ``Human: {prompt} Assistant: {response}``. Without a ``split`` the hash of the prompt decides.

    Raises
    ------
    FormatError
        If the file cannot be read, or a row lacks a column.
    """
    rows = _saved_dataset(path) if path.is_dir() else _table(path).to_pylist()
    if not rows:
        raise FormatError(f"{path} holds no pair")
    return [_pair(row, f"{path}: row {number}") for number, row in enumerate(rows, 1)]


def fold_of(prompt: str, n_folds: int) -> int:
    """Return the fold of a prompt, by its hash: other bits than those of the split."""
    return int(hashlib.sha256(prompt.encode()).hexdigest()[8:16], 16) % n_folds


def _table(path: Path) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        return pj.read_json(path, pj.ReadOptions(block_size=BLOCK_BYTES))
    except (OSError, pa.ArrowInvalid) as error:
        raise FormatError(f"pairs {path} cannot be read: {error}") from error


def _saved_dataset(path: Path) -> list[dict[str, Any]]:
    from datasets import load_from_disk

    try:
        parts = load_from_disk(str(path))
        return [{**row, "split": name} for name, part in parts.items() for row in part]
    except (OSError, AttributeError, ValueError) as error:
        raise FormatError(f"{path} is no saved data set of pairs: {error}") from error


def _pair(row: dict[str, Any], where: str) -> Pair:
    texts = [row.get(name) for name in ("chosen", "rejected")]
    if not all(isinstance(text, str) for text in texts):
        raise FormatError(f"{where} has no texts `chosen` and `rejected`")
    chosen, rejected = map(str, texts)
    prompt = row.get("prompt")
    if not isinstance(prompt, str):
        prompt, chosen, rejected = _split_texts(chosen, rejected, where)
    return Pair(prompt, chosen, rejected, str(row.get("split") or split_of(prompt)))


def _split_texts(chosen: str, rejected: str, where: str) -> tuple[str, str, str]:
    """Return prompt and responses of two whole texts: the mark is the last one they share."""
    same = (a == b for a, b in zip(chosen, rejected, strict=False))
    shared = chosen[: sum(takewhile(bool, same))]
    if not shared.startswith(HUMAN) or ASSISTANT not in shared:
        raise FormatError(
            f"{where} has neither a `prompt` nor texts `Human: … Assistant: …` with one prompt"
        )
    end = shared.rindex(ASSISTANT)
    start = end + len(ASSISTANT)
    return shared[len(HUMAN) : end], chosen[start:], rejected[start:]
