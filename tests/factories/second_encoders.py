"""Banks with the vectors of a second encoder."""

from dataclasses import replace

import numpy as np

from scope.bank import SecondEmbeddings
from scope.embedding.spec import EmbedderSpec
from tests.factories.banks import LARGE, SMALL, bank_of, unit

SECOND = EmbedderSpec(name="second", revision="1", dimension=6, layer=2)


def second_kinds(n_anchors=120, *, informative=True, seed=0):
    """A bank whose first encoder knows nothing; the second knows which model is right.

    The first coordinate of its vectors says it, unless they are not `informative`. One model is
    right on one half of the questions, one on the other.
    """
    rng = np.random.default_rng(seed)
    left = rng.random(n_anchors) < 0.5
    bank = bank_of(
        np.column_stack([left, ~left]),
        models=(SMALL, LARGE.model_copy(update={"usd_per_mtok_in": 0.1, "usd_per_mtok_out": 0.2})),
        embedding=rounded(unit(rng.standard_normal((n_anchors, 8)))),
    )
    sign = np.where(left, 1, -1) if informative else rng.choice([-1, 1], n_anchors)
    vectors = unit(np.column_stack([2 * sign, 0.3 * rng.standard_normal((n_anchors, 5))]))
    return replace(bank, second=SecondEmbeddings(SECOND, rounded(vectors)))


def rounded(vectors):
    """As a stored bank has them."""
    return vectors.astype(np.float16).astype(np.float32)
