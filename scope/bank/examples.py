"""Few-shot examples for the reasoner: outcomes of a model on similar anchors."""

from collections.abc import Iterable
from itertools import islice

import numpy as np

from scope.bank.bank import Bank
from scope.outcomes import Outcomes
from scope.reasoner import Example, ExampleOutcome, PoolExample

CORRECT_THRESHOLD = 0.5
"""Outcomes of at least this are shown as correct; partial credit becomes yes or no."""


def nearest_examples(bank: Bank, anchor_k: Iterable[int], m: int, n: int) -> list[Example]:
    """Return the nearest `n` anchors a model was run on, nearest first.

    Parameters
    ----------
    bank : Bank
    anchor_k : iterable of int
        Indices of anchors in the bank, most similar to the question first.
    m : int
        Column of the model.
    n : int
        Maximum number of examples; fewer if fewer outcomes are known.

    Raises
    ------
    ConfigError
        If the bank has no texts.

    Notes
    -----
    The reference shows an anchor the model was never run on as ``{len: 0, correct: no}``;
    here it is skipped.
    """
    prompts = bank.require_prompts()
    known = ((anchor, example_outcome(bank.outcomes, anchor, m)) for anchor in anchor_k)
    examples = (Example(prompts[a], *outcome) for a, outcome in known if outcome is not None)
    return list(islice(examples, n))


def nearest_pool_examples(bank: Bank, anchor_k: Iterable[int], n: int) -> list[PoolExample]:
    """Return the nearest `n` anchors that some model of the bank was run on, nearest first.

    Parameters
    ----------
    bank : Bank
    anchor_k : iterable of int
        Indices of anchors in the bank, most similar to the question first.
    n : int
        Maximum number of examples; fewer if fewer outcomes are known.

    Raises
    ------
    ConfigError
        If the bank has no texts.
    """
    prompts = bank.require_prompts()
    columns = range(len(bank.models))
    examples = (
        PoolExample(prompts[a], tuple(example_outcome(bank.outcomes, a, m) for m in columns))
        for a in anchor_k
    )
    return list(islice((it for it in examples if any(it.outcomes)), n))


def example_outcome(outcomes: Outcomes, anchor: int, m: int) -> ExampleOutcome | None:
    """Return what a prompt shows of a model on an anchor; None if it is not fully known.

    Parameters
    ----------
    outcomes : Outcomes
    anchor, m : int
        Indices of the anchor and the model.
    """
    correct = outcomes.correct_am[anchor, m]
    tokens = outcomes.completion_tokens_am[anchor, m]
    if np.isnan(correct) or np.isnan(tokens):
        return None
    return ExampleOutcome(float(tokens), bool(correct >= CORRECT_THRESHOLD))
