"""The cache of the reasoner's answers."""

import numpy as np
import pytest

from scope.reasoner.answer_cache import AnswerCache, AnswerKey, CachedAnswer, ReasonerFingerprint
from scope.reasoner.spec import ReasonerSpec

SPEC = ReasonerSpec(
    checkpoint="tiny",
    revision="1",
    template="ab",
    reasoning="none",
    samples=1,
    temperature=0.0,
    n_examples=5,
    max_context_tokens=4096,
)
FINGERPRINT = ReasonerFingerprint(reasoner=SPEC, evidence="e")
KEY = AnswerKey("small", None, "What is 2 + 2?")


def add(cache, key, row):
    cache.add(cache.keys([key]), np.array([row], dtype=np.float32))


def test_an_answer_is_found_by_a_later_run(tmp_path):
    """
    Every field comes back in single precision.
    """
    row = CachedAnswer(0.25, 312.0, 700.0, 9.0, 688.0)
    add(AnswerCache(tmp_path, FINGERPRINT), KEY, row)

    cache = AnswerCache(tmp_path, FINGERPRINT)
    found, answer_na = cache.lookup(cache.keys([KEY]))

    assert found.tolist() == [True]
    assert answer_na[0].tolist() == list(row)
    assert cache.missing([KEY, KEY._replace(model="large")]) == [1]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(KEY._replace(model="large"), id="of another model"),
        pytest.param(KEY._replace(question="What is 2 + 3?"), id="on another question"),
        pytest.param(KEY._replace(self_anchor="a1"), id="where the question is an anchor"),
        pytest.param(
            AnswerKey("small What", None, "is 2 + 2?"), id="with words moved between parts"
        ),
        pytest.param(KEY._replace(question="\ud800"), id="on a lone surrogate"),
    ],
)
def test_different_queries_have_different_keys(tmp_path, other):
    """
    Model, question and the anchor that is the question are all part of the key.
    """
    cache = AnswerCache(tmp_path, FINGERPRINT)

    first, second = cache.keys([KEY, other])

    assert first != second


@pytest.mark.parametrize(
    "fingerprint",
    [
        pytest.param(ReasonerFingerprint(reasoner=SPEC, evidence="other"), id="with other anchors"),
        pytest.param(
            ReasonerFingerprint(reasoner=SPEC, evidence="e", pool=("b", "a")), id="of a pool"
        ),
        pytest.param(
            ReasonerFingerprint(reasoner=SPEC.model_copy(update={"revision": "2"}), evidence="e"),
            id="of other weights",
        ),
        pytest.param(
            ReasonerFingerprint(
                reasoner=SPEC.model_copy(update={"reasoning": "full"}), evidence="e"
            ),
            id="with longer reasoning",
        ),
    ],
)
def test_an_answer_of_another_reasoner_is_never_returned(tmp_path, fingerprint):
    """
    Another reasoner, or other evidence, has another folder.
    """
    add(AnswerCache(tmp_path, FINGERPRINT), KEY, CachedAnswer(0.5, 1.0, 1.0, 1.0, 0.0))

    assert AnswerCache(tmp_path, fingerprint).missing([KEY]) == [0]
