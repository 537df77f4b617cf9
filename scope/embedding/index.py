"""Exact nearest-neighbour search over anchors, independent of the batch."""

import os
from types import ModuleType

import numpy as np
from threadpoolctl import threadpool_info

from scope.arrays import Float32Array, FloatArray, IntArray

OVERSAMPLE = 8
"""Candidates retrieved beyond k, so that rounding cannot lose a true neighbour."""


class AnchorIndex:
    """Inner-product search over all anchors.

    FAISS finds candidates with matrix products, whose last bits depend on the batch size. The
    similarities of the candidates are therefore computed again, pair by pair, and ranked: a
    question has the same neighbours in any batch.

    Parameters
    ----------
    embedding_ad : ndarray of shape (n_anchors, n_dimensions)
        Unit vectors.
    """

    def __init__(self, embedding_ad: Float32Array) -> None:
        self._faiss = _load_faiss()
        self._embedding_ad = np.ascontiguousarray(embedding_ad, dtype=np.float32)
        self._flat = self._faiss.IndexFlatIP(self._embedding_ad.shape[1])
        self._flat.add(self._embedding_ad)

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
        n_anchors = len(self._embedding_ad)
        n_found = min(n_neighbours, n_anchors)
        _, candidate_qk = self._flat.search(embedding_qd, min(n_found + OVERSAMPLE, n_anchors))
        # Sorted by index, so that the stable sort below breaks ties by index.
        candidate_qk.sort(axis=1)
        similarity_qk = self._similarity(embedding_qd, candidate_qk)
        order_qk = np.argsort(-similarity_qk, axis=1, kind="stable")[:, :n_found]
        return (
            np.take_along_axis(similarity_qk, order_qk, axis=1).clip(-1, 1).astype(np.float64),
            np.take_along_axis(candidate_qk, order_qk, axis=1),
        )

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

    def _similarity(self, embedding_qd: Float32Array, anchor_qk: IntArray) -> Float32Array:
        """Return the inner product of each listed pair, each computed independently."""
        similarity_qk = np.empty(anchor_qk.shape, dtype=np.float32)
        pointer = self._faiss.swig_ptr
        self._faiss.fvec_inner_products_by_idx(
            pointer(similarity_qk),
            pointer(embedding_qd),
            pointer(self._embedding_ad),
            pointer(anchor_qk),
            embedding_qd.shape[1],
            *anchor_qk.shape,
        )
        return similarity_qk


def _load_faiss() -> ModuleType:
    """Import FAISS, with matrix products as fast as those of numpy.

    The OpenBLAS of FAISS does not detect AVX-512 on AMD processors newer than itself, which
    costs a quarter of the search speed. The OpenBLAS of numpy is newer: if it uses AVX-512,
    an environment variable selects the same kernels before FAISS is loaded.
    """
    if any(library.get("architecture") == "SkylakeX" for library in threadpool_info()):
        os.environ.setdefault("OPENBLAS_CORETYPE", "SKYLAKEX")
    import faiss

    return faiss
