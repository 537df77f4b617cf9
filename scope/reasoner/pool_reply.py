"""Replies about a whole pool, a line for each model: their text, their grammar and their parser."""

import re
from collections.abc import Sequence

from scope.reasoner.reply import (
    ANALYSIS,
    HEADING,
    MAX_TOKENS,
    ParsedReply,
    reasoned_grammar,
    terminals,
)
from scope.reasoner.spec import Reasoning
from scope.reasoner.template import ExampleOutcome, performance_text

FORCED_POOL_PREFIX = HEADING + "\n1: {len:"
"""Beginning of a reply without reasoning; it is appended to the prompt."""

_FIRST_LINE = FORCED_POOL_PREFIX.removeprefix(HEADING)
_LINE = re.compile(r"(?P<number>[0-9]+): \{len: (?P<tokens>[0-9]+), correct: (?P<answer>yes|no)")


def write_pool_reply(
    outcomes: Sequence[ExampleOutcome], analysis: str = "", reasoning: Reasoning = "none"
) -> str:
    r"""Return the reply that states the outcomes of a pool, as `pool_reply_grammar` permits it.

    Parameters
    ----------
    outcomes : sequence of ExampleOutcome
        Of each model, in the order of the prompt.
    analysis : str
        Not read with ``none``.
    reasoning : {"full", "short", "none"}
        With ``none`` the reply continues `FORCED_POOL_PREFIX`.

    Examples
    --------
    >>> outcomes = [ExampleOutcome(120.0, True), ExampleOutcome(90.0, False)]
    >>> write_pool_reply(outcomes)
    ' 120, correct: yes}\n2: {len: 90, correct: no}'
    >>> write_pool_reply(outcomes[:1], "Easy.", "short")
    'Analysis: Easy.\nPredicted Performance:\n1: {len: 120, correct: yes}'
    """
    lines = "\n".join(
        f"{number}: {performance_text(*outcome)}" for number, outcome in enumerate(outcomes, 1)
    )
    reply = f"{HEADING}\n{lines}"
    if reasoning == "none":
        return reply.removeprefix(FORCED_POOL_PREFIX)
    return f"{ANALYSIS} {analysis}\n{reply}"


def pool_reply_grammar(
    n_models: int,
    yes_id: int,
    no_id: int,
    reasoning: Reasoning = "none",
    reasoning_tokens: int = 0,
) -> str:
    """Return the llguidance grammar of a reply with exactly `n_models` lines, in order.

    Parameters
    ----------
    n_models : int
        At least 1.
    yes_id, no_id : int
        Tokens of the two answers.
    reasoning : {"full", "short", "none"}
        With ``none`` the reply continues `FORCED_POOL_PREFIX`.
    reasoning_tokens : int
        Limit after which the lines are forced.
    """
    lines = [
        f'"\\n{number}: {{len: " LEN ", correct:" answer "}}"' for number in range(1, n_models + 1)
    ]
    if reasoning == "none":
        lines[0] = '" " LEN ", correct:" answer "}"'
        return f"%llguidance {{}}\nstart: {' '.join(lines)}\n{terminals(yes_id, no_id)}"
    return reasoned_grammar(" ".join(lines), reasoning_tokens) + terminals(yes_id, no_id)


def parse_pool_reply(text: str, n_models: int) -> list[ParsedReply]:
    r"""Parse a reply that was generated under the grammar; fields of a missing line are None.

    Parameters
    ----------
    text : str
        The reply, including a forced prefix.
    n_models : int

    Examples
    --------
    >>> parse_pool_reply("Predicted Performance:\n1: {len: 90, correct: no}\n2: {len: 12", 2)
    [ParsedReply(tokens=90, correct=False), ParsedReply(tokens=None, correct=None)]
    """
    replies = [ParsedReply()] * n_models
    # The lines are the end of the reply: an analysis may imitate them.
    start = text.rfind(_FIRST_LINE) + 1
    if not start:
        return replies
    for number, line in enumerate(text[start:].split("\n")[:n_models], 1):
        match = _LINE.match(line)
        if match is None or int(match["number"]) != number:
            break
        tokens = int(match["tokens"])
        replies[number - 1] = ParsedReply(
            tokens if tokens <= MAX_TOKENS else None, match["answer"] == "yes"
        )
    return replies
