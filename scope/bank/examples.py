"""Few-shot examples for the reasoner: outcomes of a model on similar anchors."""

from collections.abc import Iterable

import numpy as np

from scope.bank.bank import Bank
from scope.reasoner import Example

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
    examples: list[Example] = []
    for anchor in anchor_k:
        correct = bank.outcomes.correct_am[anchor, m]
        tokens = bank.outcomes.completion_tokens_am[anchor, m]
        if len(examples) == n:
            break
        if not (np.isnan(correct) or np.isnan(tokens)):
            is_correct = bool(correct >= CORRECT_THRESHOLD)
            examples.append(Example(prompts[anchor], float(tokens), is_correct))
    return examples
