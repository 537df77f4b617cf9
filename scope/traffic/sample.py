"""Choose the questions of traffic to measure next."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, Float32Array, FloatArray, IntArray
from scope.bank import Bank
from scope.sampling import hash_sample
from scope.traffic.information import choose_informative, nearest_cosine
from scope.traffic.near_duplicates import NEAR_DUPLICATE, merge_near_duplicates
from scope.traffic.questions import TrafficQuestion, normalised

N_LANDMARKS = 512
"""Questions, and anchors, that span the process of `choose_informative`, drawn by their ids."""

MAX_LIMIT_ANCHORS = 1_000
"""Anchors sampled for the cosine from which a request counts as covered."""


@dataclass(frozen=True, slots=True)
class TrafficSample:
    """The chosen questions, most useful first, and what they cover.

    Attributes
    ----------
    chosen_j : ndarray of shape (n_chosen,)
        Indices of the questions.
    weight_j : ndarray of shape (n_chosen,)
        Requests that each stands for, its near duplicates included.
    cosine_j : ndarray of shape (n_chosen,)
        Cosine of each to the nearest anchor.
    n_distinct : int
        Questions that are no near duplicates of each other.
    n_known : int
        Those of them that the bank has: the same text, or a near duplicate of an anchor.
    cosine_limit : float
        A request is covered if its cosine to an anchor is at least this: the median over the
        anchors of the cosine to their nearest other one. NaN with fewer than two anchors.
    covered_before, covered_after : float
        Share of the requests that are covered by the anchors, and with the chosen ones.
    """

    chosen_j: IntArray
    weight_j: IntArray
    cosine_j: Float32Array
    n_distinct: int
    n_known: int
    cosine_limit: float
    covered_before: float
    covered_after: float


def sample_traffic(
    questions: tuple[TrafficQuestion, ...], embedding_qd: Float32Array, bank: Bank, n: int
) -> TrafficSample:
    """Choose up to `n` questions to measure next, as `choose_informative` says.

    Near duplicates count as requests of one question, and a question that the bank has is not
    chosen again. Of one session at most one question is chosen, so that no split of a bank can
    have two turns of a conversation on both sides.

    Parameters
    ----------
    questions : tuple of TrafficQuestion
    embedding_qd : ndarray of shape (n_questions, n_dimensions)
        Unit vectors of the bank's embedder.
    bank : Bank
    n : int
        At least 1.
    """
    requests_q = np.array([question.n_requests for question in questions], dtype=np.float64)
    leader_q = merge_near_duplicates(embedding_qd, requests_q)
    weight_q: FloatArray = np.bincount(leader_q, requests_q, len(questions)).astype(np.float64)
    cosine_q = nearest_cosine(embedding_qd, bank.embedding_ad)
    leads_q = leader_q == np.arange(len(questions))
    known_q = leads_q & _is_known(questions, cosine_q, bank)
    drawn = hash_sample([question.id for question in questions], N_LANDMARKS)
    drawn_anchors = hash_sample(bank.ids, N_LANDMARKS)
    chosen_j = choose_informative(
        embedding_qd,
        weight_q,
        bank.embedding_ad,
        np.concatenate([embedding_qd[drawn], bank.embedding_ad[drawn_anchors]]),
        candidate_q=leads_q & ~known_q,
        group_q=_groups(questions),
        n=n,
    )
    limit = _typical_cosine(bank)
    after_q = np.maximum(cosine_q, nearest_cosine(embedding_qd, embedding_qd[chosen_j]))
    before, after = (
        float(np.average(each_q >= limit, weights=requests_q)) for each_q in (cosine_q, after_q)
    )
    unknown = np.isnan(limit)
    return TrafficSample(
        chosen_j,
        weight_q[chosen_j].astype(np.int64),
        cosine_q[chosen_j],
        int(leads_q.sum()),
        int(known_q.sum()),
        limit,
        np.nan if unknown else before,
        np.nan if unknown else after,
    )


def _is_known(
    questions: tuple[TrafficQuestion, ...], cosine_q: Float32Array, bank: Bank
) -> BoolArray:
    texts = set(map(normalised, bank.prompts or ()))
    same_q = np.array([normalised(question.text) in texts for question in questions], dtype=bool)
    known_q: BoolArray = same_q | (cosine_q >= NEAR_DUPLICATE)
    return known_q


def _groups(questions: tuple[TrafficQuestion, ...]) -> IntArray:
    """Return a number for each session; -1 for a question of none."""
    numbers = dict[str, int]()
    return np.array(
        [
            -1 if question.session is None else numbers.setdefault(question.session, len(numbers))
            for question in questions
        ],
        dtype=np.int64,
    )


def _typical_cosine(bank: Bank) -> float:
    if len(bank.ids) < 2:
        return float("nan")
    sample = np.array(hash_sample(bank.ids, MAX_LIMIT_ANCHORS), dtype=np.int64)
    cosine_na = bank.embedding_ad[sample] @ bank.embedding_ad.T
    cosine_na[np.arange(len(sample)), sample] = -1
    return float(np.median(cosine_na.max(axis=1)))
