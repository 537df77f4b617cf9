"""Anchors that are shown to the reasoner: what a model did on similar questions."""

from collections.abc import Iterable

import numpy as np

from scope.bank.bank import Bank
from scope.reasoner import Example

CORRECT_THRESHOLD = 0.5
"""Least outcome that is shown as correct; part credit is told as yes or no."""


def nearest_examples(bank: Bank, anchor_k: Iterable[int], m: int, n: int) -> list[Example]:
    """Return the nearest `n` anchors a model was run on, nearest first.

    Parameters
    ----------
    bank : Bank
    anchor_k : iterable of int
        Positions of anchors in the bank, most similar to the question first.
    m : int
        Column of the model.
    n : int
        Most examples wanted; fewer are returned where fewer are known.

    Raises
    ------
    ConfigError
        If the bank has no texts.

    Notes
    -----
    The reference shows an anchor the model was never run on as ``{len: 0, correct: no}``;
    here it is left out.
    """
    prompts = bank.require_prompts()
    examples: list[Example] = []
    for anchor in anchor_k:
        correct = bank.outcomes.correct_am[anchor, m]
        tokens = bank.outcomes.completion_tokens_am[anchor, m]
        if len(examples) == n:
            break
        if not (np.isnan(correct) or np.isnan(tokens)):
            shown = Example(prompts[anchor], float(tokens), bool(correct >= CORRECT_THRESHOLD))
            examples.append(shown)
    return examples
