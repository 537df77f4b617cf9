"""Cache of the reasoner's answers between runs; a cached answer is never computed again."""

import json
from typing import NamedTuple

from scope.config import StrictModel
from scope.reasoner.spec import ReasonerSpec
from scope.storage import VectorCache


class ReasonerFingerprint(StrictModel):
    """Everything that determines an answer besides the query."""

    reasoner: ReasonerSpec
    evidence: str
    """Digest of the anchors that examples are taken from, and of their outcomes."""
    pool: tuple[str, ...] = ()
    """With form ``pool`` the models of the prompt, in order; the others are read with each."""


class AnswerKey(NamedTuple):
    """One query to a reasoner: a model and a question."""

    model: str
    self_anchor: str | None
    """Id of the anchor that is this question, which is left out of the examples; None if none."""
    question: str


class CachedAnswer(NamedTuple):
    """One row of the cache; NaN is unknown."""

    p_yes: float
    """Probability that the model answers correctly, in [0, 1]."""
    tokens: float
    """Tokens that the model would generate."""
    prompt_tokens: float
    """Prompt tokens of the reasoner, including those from its prefix cache; of a prompt for a whole
    pool, as of the other tokens, each answer has an equal share."""
    generated_tokens: float
    """Tokens that the reasoner generated, summed over the samples."""
    cached_tokens: float
    """Prompt tokens that the reasoner took from its prefix cache."""


class AnswerCache(VectorCache[AnswerKey]):
    """Answers of one reasoner with one bank; a vector is a `CachedAnswer`.

    Parameters
    ----------
    root : Path
        Folder that holds one subfolder for each fingerprint.
    fingerprint : ReasonerFingerprint
    """

    column = "answer"

    def key_bytes(self, item: AnswerKey) -> bytes:
        """Return the three parts as JSON, so that their boundaries are unambiguous."""
        # JSON also escapes a lone surrogate, which UTF-8 cannot encode.
        return json.dumps(item).encode()
