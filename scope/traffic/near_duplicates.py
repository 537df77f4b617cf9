"""Merge questions that say the same."""

import numpy as np

from scope.arrays import Float32Array, FloatArray, IntArray

NEAR_DUPLICATE = 0.95
"""Cosine from which two questions count as one: the bank could hardly tell them apart."""

BLOCK_ROWS = 512
"""Questions compared at a time with all leaders so far: 100 MB beside 50,000."""


def merge_near_duplicates(embedding_qd: Float32Array, weight_q: FloatArray) -> IntArray:
    """Return the leader of each question: the heaviest that is nearly the same, or itself.

    Questions are visited by falling weight, of equal weight in their order. One whose cosine to an
    earlier leader reaches `NEAR_DUPLICATE` follows the nearest of them, any other becomes a
    leader; so two leaders are never near duplicates.

    Parameters
    ----------
    embedding_qd : ndarray of shape (n_questions, n_dimensions)
        Unit vectors.
    weight_q : ndarray of shape (n_questions,)

    Returns
    -------
    ndarray of shape (n_questions,)
        Index of the leader; its own for a leader.

    Examples
    --------
    >>> e = np.array([[1, 0], [0.99, 0.141], [0, 1]], dtype=np.float32)
    >>> merge_near_duplicates(e, np.array([1.0, 5.0, 1.0])).tolist()
    [1, 1, 2]
    """
    leader_q = np.arange(len(weight_q))
    order = np.argsort(-weight_q, kind="stable")
    leaders, leading = np.empty(len(order), dtype=np.int64), 0
    for start in range(0, len(order), BLOCK_ROWS):
        rows = order[start : start + BLOCK_ROWS]
        nearest_r, cosine_r = rows.copy(), np.full(len(rows), -1, dtype=np.float32)
        if leading:
            cosine_rl = embedding_qd[rows] @ embedding_qd[leaders[:leading]].T
            nearest_r, cosine_r = leaders[cosine_rl.argmax(axis=1)], cosine_rl.max(axis=1)
        within_rr = embedding_qd[rows] @ embedding_qd[rows].T
        for r, row in enumerate(rows):
            if cosine_r[r] >= NEAR_DUPLICATE:
                leader_q[row] = nearest_r[r]
                continue
            leaders[leading], leading = row, leading + 1
            nearer = within_rr[r] > cosine_r
            nearest_r[nearer], cosine_r[nearer] = row, within_rr[r][nearer]
    return leader_q
