"""Exact nearest-neighbour search over anchors, independent of the batch."""

import numpy as np

from scope.arrays import Float32Array, FloatArray, IntArray

MAX_PRODUCTS = 2**23
"""Inner products that are held at a time: 32 MiB."""


class AnchorIndex:
    """Inner-product search over all anchors.

    A matrix product finds candidates; its last bits depend on the batch size. FAISS therefore
    computes the similarities of the candidates again, pair by pair, and these are ranked: a
    question has the same neighbours in any batch. The flat index of FAISS finds the same
    neighbours in 2 to 6 times the time on one thread (8,000 anchors and more).

    Parameters
    ----------
    embedding_ad : ndarray of shape (n_anchors, n_dimensions)
        Unit vectors.
    """

    def __init__(self, embedding_ad: Float32Array) -> None:
        self._embedding_ad = np.ascontiguousarray(embedding_ad, dtype=np.float32)
        # Inner products of unit vectors, summed in any order, differ by at most this (Higham,
        # Accuracy and Stability of Numerical Algorithms, 2002, section 3.1).
        self._rounding = self._embedding_ad.shape[1] * float(np.finfo(np.float32).eps)

    def search(self, embedding_qd: Float32Array, n_neighbours: int) -> tuple[FloatArray, IntArray]:
        """Return the nearest anchors of each question, nearest first.

        Parameters
        ----------
        embedding_qd : ndarray of shape (n_questions, n_dimensions)
            Unit vectors.
        n_neighbours : int
            Number of neighbours; fewer are returned if the bank is smaller.

        Returns
        -------
        similarity_qk : ndarray of shape (n_questions, n_found)
            Cosine in [-1, 1], descending.
        anchor_qk : ndarray of shape (n_questions, n_found)
            Indices in the bank; equal similarities in ascending order of index.
        """
        embedding_qd = np.ascontiguousarray(embedding_qd, dtype=np.float32)
        n_questions, n_anchors = len(embedding_qd), len(self._embedding_ad)
        n_found = min(n_neighbours, n_anchors)
        similarity_qk = np.empty((n_questions, n_found))
        anchor_qk = np.empty((n_questions, n_found), dtype=np.int64)
        block = max(1, MAX_PRODUCTS // n_anchors)
        for start in range(0, n_questions, block):
            rows = slice(start, start + block)
            candidate_qk = self._candidates(embedding_qd[rows], n_found)
            computed_qk = self._similarity(embedding_qd[rows], candidate_qk)
            # Candidates ascend, so that a stable sort breaks ties by index.
            order_qk = np.argsort(-computed_qk, axis=1, kind="stable")[:, :n_found]
            similarity_qk[rows] = np.take_along_axis(computed_qk, order_qk, axis=1).clip(-1, 1)
            anchor_qk[rows] = np.take_along_axis(candidate_qk, order_qk, axis=1)
        return similarity_qk, anchor_qk

    def search_excluding_self(
        self, embedding_qd: Float32Array, n_neighbours: int, self_index_q: IntArray
    ) -> tuple[FloatArray, IntArray]:
        """Search as `search` does, without the anchor that is the question itself.

        Parameters
        ----------
        self_index_q : ndarray of shape (n_questions,)
            Index of each question in the bank; -1 for a question that is not an anchor.
        """
        similarity_qk, anchor_qk = self.search(embedding_qd, n_neighbours + 1)
        dropped_qk = anchor_qk == self_index_q[:, None]
        dropped_qk[~dropped_qk.any(axis=1), -1] = True  # not among the results: drop the last
        shape = (len(anchor_qk), anchor_qk.shape[1] - 1)
        return similarity_qk[~dropped_qk].reshape(shape), anchor_qk[~dropped_qk].reshape(shape)

    def _candidates(self, embedding_qd: Float32Array, n_found: int) -> IntArray:
        """Return every anchor that can be among the nearest `n_found`, ascending; -1 is none.

        With p the products of the matrix and s the similarities that are ranked, abs(p - s) is
        at most the rounding. At least `n_found` anchors have p >= t, the `n_found`-th largest
        p, so s >= t - rounding; of a nearest anchor, s is not lower, and p >= t - 2 * rounding.
        """
        product_qa = embedding_qd @ self._embedding_ad.T
        n_questions, n_anchors = product_qa.shape
        rank = n_anchors - n_found
        lowest_q = np.partition(product_qa, rank, axis=1)[:, rank] - 2 * self._rounding
        # A third of the time of np.nonzero in two dimensions.
        cell_n = np.flatnonzero(product_qa >= lowest_q[:, None])
        question_n, anchor_n = np.divmod(cell_n, n_anchors)
        n_q = np.bincount(question_n, minlength=n_questions)
        first_q = np.cumsum(n_q) - n_q
        candidate_qk = np.full((n_questions, n_q.max()), -1)
        candidate_qk[question_n, np.arange(len(question_n)) - first_q[question_n]] = anchor_n
        return candidate_qk

    def _similarity(self, embedding_qd: Float32Array, anchor_qk: IntArray) -> Float32Array:
        """Return the inner product of each pair, computed by itself; -inf where anchor is -1."""
        import faiss

        similarity_qk = np.empty(anchor_qk.shape, dtype=np.float32)
        pointer = faiss.swig_ptr
        faiss.fvec_inner_products_by_idx(  # type: ignore[attr-defined]  # the stubs lack it
            pointer(similarity_qk),
            pointer(embedding_qd),
            pointer(self._embedding_ad),
            pointer(anchor_qk),
            embedding_qd.shape[1],
            *anchor_qk.shape,
        )
        return similarity_qk
