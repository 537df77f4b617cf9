"""Answers of a reasoner kept between runs: what it once said of a question is final."""

import json
from typing import NamedTuple

from scope.config import StrictModel
from scope.reasoner.spec import ReasonerSpec
from scope.storage import VectorCache


class ReasonerFingerprint(StrictModel):
    """All that decides an answer besides what is asked."""

    reasoner: ReasonerSpec
    evidence: str
    """Digest of the anchors that the examples are taken from, and of their outcomes."""


class AnswerKey(NamedTuple):
    """One thing asked of a reasoner: how a model would do on a question."""

    model: str
    self_anchor: str | None
    """The anchor that the question is itself, and that is left out of the examples."""
    question: str


class CachedAnswer(NamedTuple):
    """What is kept of an answer; NaN is unknown."""

    p_yes: float
    """Probability that the model is right, in [0, 1]."""
    tokens: float
    """Tokens that it would generate."""
    prompt_tokens: float
    """Tokens that the reasoner has read, those from its prefix cache among them."""
    generated_tokens: float
    """Tokens that the reasoner has written, all samples together."""
    cached_tokens: float
    """Tokens of the prompt that its prefix cache had."""


class AnswerCache(VectorCache[AnswerKey]):
    """Answers of one reasoner with one bank; a vector is an `CachedAnswer`.

    Parameters
    ----------
    root : Path
        Folder of all recipes.
    recipe : ReasonerFingerprint
    """

    column = "answer"

    def key_bytes(self, item: AnswerKey) -> bytes:
        """Return the three parts, none of which can run into another."""
        # As JSON: a lone surrogate is no UTF-8, but still a text like no other.
        return json.dumps(item).encode()
