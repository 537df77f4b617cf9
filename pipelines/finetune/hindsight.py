"""Rationales written with the outcome in hand: what a teacher is asked, and what gives it away."""

import re
from collections.abc import Sequence
from typing import Literal

from scope.reasoner import ExampleOutcome

Leak = Literal[
    "empty",
    "too long",
    "names the outcome",
    "states the length",
    "states the answer block",
    "contradicts the outcome",
    "copies the prompt",
]
"""Why a rationale is dropped."""

BYTES_PER_TOKEN = 4
"""Of English text: the tokenizer of the checkpoint is not known yet."""
COPIED_WORDS = 12
"""So many words in a row that are also in the prompt are a copy."""

_REQUEST = """{prompt}

## Correction of the Output Format
For this question the outcome is known: {outcome}.
Write only the analysis, as if the outcome were still unknown: explain from the examples and from
the question what makes this outcome likely, in at most {words} words. Do not say or hint that you
know the outcome, do not state its length, do not copy lines from above, and write no line of
predicted performance. End with the sentence "{verdict}"
"""
_VERDICTS = {
    True: "So the model will probably be right.",
    False: "So the model will probably be wrong.",
}

_TOLD = re.compile(
    r"\bhindsight|\bin retrospect|\bground truth|\bturn(?:s|ed) out\b|\brevealed\b"
    r"|\b(?:known|actual|true|given|stated|provided|recorded|observed|real)\s+"
    r"(?:outcome|result|performance|length|label|answer length)\b"
    r"|\boutcome\s+(?:is|was|has been)\b"
    r"|\b(?:i|we)\s+(?:already\s+)?(?:know|knew|was told|were told|am told|are told)\b"
    r"|\b(?:i|we|you)\s+(?:have|had|was|were)\s+(?:been\s+)?(?:told|given|informed)\b"
    r"|\byou\s+(?:said|told|stated|gave)\b|\bas\s+(?:told|known|stated|given|provided)\b"
    r"|\b(?:we|i)\s+are\s+informed\b|\bwe\s+already\s+see\s+that\b"
    r"|\b(?:the model|it)\s+(?:did|was)\s+(?:indeed|in fact|actually)\b"
    r"|\b(?:answered|solved|failed|got|missed)\s+(?:this|the target)\s+(?:question|one)\b"
    r"|\b(?:since|because|given that)\s+(?:the model|it)\s+(?:answered|got|was)\s+"
    r"(?:it|this|the target|correct|right|wrong|incorrect)",
    re.IGNORECASE,
)
_BLOCK = re.compile(
    r"predicted\s+performance|correct\s*[:=]\s*(?:yes|no)|\{\s*len|\blen\s*[:=]", re.IGNORECASE
)
_NUMBER = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])|(?<![\d.,])\d+(?!\d|[.,]\d)")
_TOKENS_AFTER = re.compile(r"[\s-]*tokens?\b", re.IGNORECASE)
_WRONG = re.compile(
    r"\b(?:fail\w*|wrong\w*|incorrect\w*|struggl\w+|mistak\w+|err|errs|miss(?:es)?)\b"
    r"|\b(?:not|n't|never|cannot)\s+(?:\w+\s+){0,3}?(?:correct\w*|right|succeed|solve)\b"
    r"|\bunlikely\s+to\s+(?:\w+\s+){0,2}?(?:correct\w*|right|succeed|solve|answer)\b",
    re.IGNORECASE,
)
_SPARED = re.compile(
    r"\b(?:unlikely\s+to|not|never|n't|avoids?|without)\s+(?:\w+\s+){0,2}?"
    r"(?:fail\w*|wrong\w*|incorrect\w*|struggl\w+|mistak\w+|err|errs|miss)\b",
    re.IGNORECASE,
)
_RIGHT = re.compile(r"\b(?:correct\w*|right|succeed\w*|solves?)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def hindsight_request(prompt: str, outcome: ExampleOutcome, max_tokens: int) -> str:
    """Return what the teacher is asked: the prompt of a prediction, then the outcome.

    Parameters
    ----------
    prompt : str
        Prompt that a reasoner gets.
    outcome : ExampleOutcome
        Of the target model on the target question.
    max_tokens : int
        Limit of the reasoning in a reply.
    """
    said = "right" if outcome.correct else "wrong"
    return _REQUEST.format(
        prompt=prompt.rstrip(),
        outcome=f"the model's answer was {said}, and {round(outcome.tokens)} tokens long",
        words=max_tokens // 2,
        verdict=_VERDICTS[outcome.correct],
    )


def clean_rationale(reply: str) -> str:
    """Return a rationale on one line, without the heading that a reply puts before it."""
    text = " ".join(reply.split())
    return re.sub(r"^[*_# ]*analysis[*_ ]*:[*_ ]*", "", text, flags=re.IGNORECASE)


def find_leak(
    rationale: str,
    prompt: str,
    outcome: ExampleOutcome,
    shown_tokens: Sequence[float],
    max_tokens: int,
) -> Leak | None:
    """Return why a rationale cannot be learned from; None if it can.

    The rules are patterns in English: they find what teachers write, not every way to say it.

    Parameters
    ----------
    rationale : str
        As `clean_rationale` returns it.
    prompt : str
        Prompt that a reasoner gets.
    outcome : ExampleOutcome
        Of the target model on the target question.
    shown_tokens : sequence of float
        Lengths that the examples state: naming one of them is no leak.
    max_tokens : int
        Limit of the reasoning in a reply.

    Examples
    --------
    >>> outcome = ExampleOutcome(412, True)
    >>> find_leak("Both sums were right, and this is one, too.", "Sum?", outcome, [90], 96)
    >>> find_leak("As we were told, it is right.", "Sum?", outcome, [90], 96)
    'names the outcome'
    """
    if not rationale:
        return "empty"
    if len(rationale.encode()) > BYTES_PER_TOKEN * max_tokens:
        return "too long"
    if _BLOCK.search(rationale):
        return "states the answer block"
    if _TOLD.search(rationale):
        return "names the outcome"
    if _states_length(rationale, outcome.tokens, shown_tokens):
        return "states the length"
    if (verdict := final_verdict(rationale)) is not None and verdict != outcome.correct:
        return "contradicts the outcome"
    return "copies the prompt" if _copies(rationale, prompt) else None


def final_verdict(rationale: str) -> bool | None:
    """Return whether the last sentence says that the model is right; None if it does not say.

    Examples
    --------
    >>> final_verdict("It is hard. The model will probably be wrong.")
    False
    >>> final_verdict("Easy, so it is unlikely to fail.")
    True
    """
    last = _SENTENCE_END.split(rationale.strip())[-1]
    if _SPARED.search(last):
        return True
    if _WRONG.search(last):
        return False
    return True if _RIGHT.search(last) else None


def _states_length(rationale: str, tokens: float, shown_tokens: Sequence[float]) -> bool:
    """Return whether the actual length is named; a small number counts only as one of tokens."""
    actual = round(tokens)
    if actual in {round(shown) for shown in shown_tokens}:
        return False
    return any(
        int(found[0].replace(",", "")) == actual
        and (actual >= 10 or _TOKENS_AFTER.match(rationale, found.end()))
        for found in _NUMBER.finditer(rationale)
    )


def _copies(rationale: str, prompt: str) -> bool:
    """Return whether `COPIED_WORDS` words in a row are in the prompt, too."""
    said, asked = (re.findall(r"\w+", text.lower()) for text in (rationale, prompt))
    known = {tuple(asked[n : n + COPIED_WORDS]) for n in range(len(asked) - COPIED_WORDS + 1)}
    return any(
        tuple(said[n : n + COPIED_WORDS]) in known for n in range(len(said) - COPIED_WORDS + 1)
    )
