"""The examples of training prompts, without leaks between the splits."""

from collections.abc import Iterator, Sequence

import numpy as np

from pipelines.finetune.data import HELD_OUT
from scope.arrays import BoolArray, IntArray
from scope.bank import Bank
from scope.embedding import AnchorIndex
from scope.samples import Split, split_of
from scope.traffic import NEAR_DUPLICATE, merge_near_duplicates

N_SEARCHED = 32
"""Anchors among which the examples of a prompt are: some are left out."""


def split_questions(bank: Bank, shares: tuple[float, float, float]) -> tuple[Split, ...]:
    """Return the split of each anchor: by the hash of its text, near duplicates together.

    Parameters
    ----------
    bank : Bank
        With texts.
    shares : tuple of float
        Of train, validation and test.
    """
    prompts = bank.require_prompts()
    leader_a = merge_near_duplicates(bank.embedding_ad, np.ones(len(prompts)))
    return tuple(split_of(prompts[leader], shares) for leader in leader_a.tolist())


def nearest_anchors(bank: Bank, splits: Sequence[Split]) -> Iterator[IntArray]:
    """Yield for each anchor the others that its prompt may show, most similar first.

    They are those that the index finds when the anchor is predicted, without its near
    duplicates and without questions of the hold-out.
    """
    held_out_a = np.array([split == HELD_OUT for split in splits])
    index, rows = AnchorIndex(bank.embedding_ad), np.arange(len(bank.ids))
    similarity_ak, anchor_ak = index.search_excluding_self(bank.embedding_ad, N_SEARCHED, rows)
    for similarity_k, anchor_k in zip(similarity_ak, anchor_ak, strict=True):
        allowed_k: BoolArray = (similarity_k < NEAR_DUPLICATE) & ~held_out_a[anchor_k]
        yield anchor_k[allowed_k & (anchor_k >= 0)]
