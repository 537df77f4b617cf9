"""Banks with the vectors of a second encoder."""

from dataclasses import replace

import numpy as np

from scope.bank import SecondEmbeddings, SecondGain
from scope.embedding.spec import EmbedderSpec
from scope.predictor import fit_bank, fit_second_encoder
from tests.factories.banks import LARGE, SMALL, bank_of, unit

SECOND = EmbedderSpec(name="second", revision="1", dimension=6, layer=2)
USED = SecondGain(
    over_first=None,
    log_loss=0.1,
    log_loss_error=0.01,
    lengthscale=1.0,
    ms_per_question=None,
    used=True,
)
"""Of a bank that its fit keeps the second encoder of."""


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


def fitted_with_both(n_anchors=60):
    """The bank that `second_kinds` makes, fitted with both encoders, which it uses."""
    bank, _ = fit_second_encoder(fit_bank(second_kinds(n_anchors)))
    return replace(bank, second_gain=USED)


def rounded(vectors):
    """As a stored bank has them."""
    return vectors.astype(np.float16).astype(np.float32)
