"""What is out of distribution for a bank without a forecaster."""

import math

import numpy as np

from scope.bank import Bank
from scope.embedding import AnchorIndex
from scope.predictor.fit import OOD_QUANTILE
from scope.sampling import hash_sample

MIN_OOD_ANCHORS = 20
"""Fewest anchors that can tell."""

MAX_OOD_ANCHORS = 1_000
"""Anchors that are sampled for the threshold."""


def cosine_threshold(bank: Bank, index: AnchorIndex, n_neighbours: int) -> float:
    """Return the mean cosine to the `n_neighbours` nearest anchors that 99 % of the anchors exceed.

    NaN with too few anchors to tell, or where the anchors are not alike at all.
    """
    if len(bank.ids) < MIN_OOD_ANCHORS:
        return math.nan
    sample = np.array(hash_sample(bank.ids, MAX_OOD_ANCHORS), dtype=np.int64)
    similarity_nk, _ = index.search_excluding_self(bank.embedding_ad[sample], n_neighbours, sample)
    threshold = float(np.quantile(similarity_nk.mean(axis=1), OOD_QUANTILE))
    return threshold if threshold > 0 else math.nan
