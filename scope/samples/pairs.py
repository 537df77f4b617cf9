"""Pairs of a better and a worse response, for the training of a reward model."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scope.arrays import FloatArray
from scope.errors import ConfigError
from scope.samples.samples import Samples
from scope.samples.split import SHARES, Split, split_of
from scope.storage import atomic_file, atomic_folder

COLUMNS = ("chosen", "rejected")
"""Columns of the data set."""


class PairRow(NamedTuple):
    """Two responses to one prompt, as texts with the prompt; the first is better."""

    id: str
    model: str
    split: Split
    chosen: str
    rejected: str


def make_pairs(
    samples: Samples, scorer: str, shares: tuple[float, float, float] = SHARES
) -> Iterator[PairRow]:
    """Yield the pairs (middle > worst) and (best > middle) of each prompt and model.

    Of N responses in ascending order of score the middle one is at index N // 2. Pairs of equal
    scores are left out.

    Parameters
    ----------
    samples : Samples
        With their responses.
    scorer : str
        Scores that say which response is better.
    shares : tuple of float
        Of the splits; see `split_of`.

    Raises
    ------
    ConfigError
        If the samples hold no responses, or no such scores.
    """
    score_qmo = samples.scores_of(scorer)
    if samples.responses_qm is None:
        raise ConfigError("the samples hold no responses, which pairs are made of")
    for q, prompt in enumerate(samples.prompts):
        split = split_of(prompt, shares)
        for m, model in enumerate(samples.models):
            texts = samples.responses_qm[q][m]
            for better, worse in _positions(score_qmo[q, m, : len(texts)]):
                chosen, rejected = pair_text(prompt, texts[better]), pair_text(prompt, texts[worse])
                yield PairRow(samples.ids[q], model, split, chosen, rejected)


def pair_text(prompt: str, response: str) -> str:
    """Return what the published reward model reads."""
    return f"Human: {prompt} Assistant: {response}"


def _positions(score_o: FloatArray) -> Iterator[tuple[int, int]]:
    """Yield the positions of a better and a worse response."""
    known = [o for o in np.argsort(score_o, kind="stable").tolist() if score_o[o] == score_o[o]]
    if not known:
        return
    worst, middle, best = known[0], known[len(known) // 2], known[-1]
    for better, worse in ((middle, worst), (best, middle)):
        if score_o[better] > score_o[worse]:
            yield better, worse


def write_pairs(path: Path, pairs: Sequence[PairRow]) -> None:
    """Write pairs, atomically: ``.jsonl``, or a folder of the `datasets` library.

    The folder is a ``DatasetDict`` with the splits train and validation, unless one is empty, and
    columns ``chosen`` and ``rejected``, as the published code reads it; it replaces an existing
    one.
    """
    if path.suffix == ".jsonl":
        with atomic_file(path) as draft, draft.open("w", encoding="utf-8") as file:
            for pair in pairs:
                file.write(json.dumps(pair._asdict(), ensure_ascii=False) + "\n")
        return
    if path.suffix:
        raise ConfigError(f"{path} has suffix {path.suffix!r}; expected .jsonl, or a folder")
    from datasets import Dataset, DatasetDict, disable_progress_bars

    disable_progress_bars()
    parts = {}
    for split in ("train", "validation"):
        kept = [pair for pair in pairs if pair.split == split]
        if kept:  # the library cannot read an empty split back
            columns = {name: [getattr(pair, name) for pair in kept] for name in COLUMNS}
            parts[split] = Dataset.from_dict(columns)
    with atomic_folder(path, replace=True) as draft:
        DatasetDict(parts).save_to_disk(str(draft))
