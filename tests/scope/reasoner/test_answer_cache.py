"""Answers kept between runs."""

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
RECIPE = ReasonerFingerprint(reasoner=SPEC, evidence="e")
ASK = AnswerKey("small", None, "What is 2 + 2?")


def put(cache, ask, row):
    cache.add(cache.keys([ask]), np.array([row], dtype=np.float32))


def test_an_answer_is_found_by_a_later_run(tmp_path):
    """
    All that is kept of it, to the precision of a single.
    """
    row = CachedAnswer(0.25, 312.0, 700.0, 9.0, 688.0)
    put(AnswerCache(tmp_path, RECIPE), ASK, row)

    cache = AnswerCache(tmp_path, RECIPE)
    found, answer_na = cache.lookup(cache.keys([ASK]))

    assert found.tolist() == [True]
    assert answer_na[0].tolist() == list(row)
    assert cache.missing([ASK, ASK._replace(model="large")]) == [1]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(ASK._replace(model="large"), id="of another model"),
        pytest.param(ASK._replace(question="What is 2 + 3?"), id="on another question"),
        pytest.param(ASK._replace(self_anchor="a1"), id="where the question is an anchor"),
        pytest.param(
            AnswerKey("small What", None, "is 2 + 2?"), id="with words moved between parts"
        ),
        pytest.param(ASK._replace(question="\ud800"), id="on no valid text"),
    ],
)
def test_answers_are_told_apart(tmp_path, other):
    """
    By all that decides them.
    """
    cache = AnswerCache(tmp_path, RECIPE)

    one, two = cache.keys([ASK, other])

    assert one != two


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(
            ReasonerFingerprint(reasoner=SPEC, evidence="other"), id="shown other anchors"
        ),
        pytest.param(
            ReasonerFingerprint(reasoner=SPEC.model_copy(update={"revision": "2"}), evidence="e"),
            id="of other weights",
        ),
        pytest.param(
            ReasonerFingerprint(
                reasoner=SPEC.model_copy(update={"reasoning": "full"}), evidence="e"
            ),
            id="after more thought",
        ),
    ],
)
def test_an_answer_of_another_reasoner_is_never_returned(tmp_path, recipe):
    """
    Another reasoner, or other evidence, is another folder.
    """
    put(AnswerCache(tmp_path, RECIPE), ASK, CachedAnswer(0.5, 1.0, 1.0, 1.0, 0.0))

    assert AnswerCache(tmp_path, recipe).missing([ASK]) == [0]
