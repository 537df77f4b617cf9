"""Parser of the reasoner's replies, and the grammar that constrains their generation."""

import re
from dataclasses import dataclass

from scope.reasoner.spec import Reasoning
from scope.reasoner.template import performance_text

ANALYSIS = "Analysis:"
HEADING = "Predicted Performance:"
FORCED_PREFIX = HEADING + " {len:"
"""Beginning of a reply without reasoning; it is appended to the prompt."""

MAX_TOKENS = 1_000_000
"""Largest length that is accepted; a larger number is treated as unknown."""

_DECORATION = str.maketrans("", "", "*_`\"'\\\u200b\ufeff")
# Not `(?:…)++`: Python 3.11.2, which Debian 12 has, fails to match a possessive group.
_NUMBER = r"(?P<{0}>[0-9]{{1,3}}(?:,[0-9]{{3}})+(?![0-9])|[0-9]++)(?:\s?tokens?)?"
_LENGTH = r"len(?:gth)?\s*+[:=]\s*+" + _NUMBER
_CORRECT = r"correct\s*+[:=]\s*+(?P<{0}>yes|no)"
# Quantifiers without a limit are possessive, so that parsing takes linear time.
_FIELDS = re.compile(
    rf"\s*+(?:{_LENGTH.format('n1')}\s*+[,;]\s*+{_CORRECT.format('c1')}"
    rf"|{_CORRECT.format('c2')}\s*+[,;]\s*+{_LENGTH.format('n2')})\s*+[,;.]?+\s*+",
    re.IGNORECASE,
)
_BLOCK = r"[\[({](?P<fields>[^\[\](){}]{0,200}+)[\])}]"
_HEADED = re.compile(
    rf"predicted\s*+performance\s*+[:=]?+\s*+(?:json)?+\s*+{_BLOCK}", re.IGNORECASE
)
_LAST = re.compile(_BLOCK + r"\s*\Z")
_TAIL_CHARS = 300


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """Prediction in a reply; a field is None where the reply does not state it."""

    tokens: int | None = None
    correct: bool | None = None


def parse_reply(text: str, *, constrained: bool = False) -> ParsedReply:
    r"""Parse a reply; both fields are None if it cannot be parsed.

    The last complete performance block under a heading counts. Decoration, the kind of
    bracket, ``:`` or ``=``, case and the order of the two fields do not matter.

    Parameters
    ----------
    text : str
        The reply, including a forced prefix.
    constrained : bool, default=False
        The reply was generated under `reply_grammar`: only the block at its end counts, with
        or without a heading.

    Notes
    -----
    The reference takes the first ``len:`` and the first ``correct:`` anywhere in the text, and
    returns 0 tokens where there is none.

    Examples
    --------
    >>> parse_reply("Example 1 has {len: 90, correct: no}.\n**Predicted Performance:** "
    ...             "{len: 1,024, correct: Yes}")
    ParsedReply(tokens=1024, correct=True)
    >>> parse_reply("I think correct: yes")
    ParsedReply(tokens=None, correct=None)
    """
    if constrained:
        last = _LAST.search(text[-_TAIL_CHARS:].translate(_DECORATION))
        return (last and _parse_fields(last["fields"])) or ParsedReply()
    blocks = _HEADED.finditer(text.translate(_DECORATION))
    replies = [_parse_fields(block["fields"]) for block in blocks]
    return next((reply for reply in reversed(replies) if reply is not None), ParsedReply())


def _parse_fields(fields: str) -> ParsedReply | None:
    """Return the content of a block; None if it is incomplete."""
    match = _FIELDS.fullmatch(fields)
    if match is None:
        return None
    tokens = int((match["n1"] or match["n2"]).replace(",", ""))
    correct = (match["c1"] or match["c2"]).lower() == "yes"
    return ParsedReply(tokens if tokens <= MAX_TOKENS else None, correct)


def write_reply(tokens: float, correct: bool, analysis: str, reasoning: Reasoning) -> str:
    r"""Return the reply that states an outcome, as `reply_grammar` permits it.

    Parameters
    ----------
    tokens : float
        Length of the model's answer.
    correct : bool
    analysis : str
        Not read with ``none``.
    reasoning : {"full", "short", "none"}
        With ``none`` the reply continues `FORCED_PREFIX`.

    Examples
    --------
    >>> write_reply(120.0, True, "It did well on both.", "short")
    'Analysis: It did well on both.\nPredicted Performance: {len: 120, correct: yes}'
    >>> write_reply(120.0, False, "", "none")
    ' 120, correct: no}'
    """
    block = performance_text(tokens, correct).removeprefix("{len:")
    if reasoning == "none":
        return block
    return f"{ANALYSIS} {analysis}\n{FORCED_PREFIX}{block}"


def reply_grammar(reasoning: Reasoning, reasoning_tokens: int, yes_id: int, no_id: int) -> str:
    """Return the llguidance grammar of a reply.

    With any weights, a reply under this grammar ends in a block that `parse_reply` parses, and
    its answer is a single token. With ``none`` the reply continues `FORCED_PREFIX`, which ends
    the prompt.

    Parameters
    ----------
    reasoning : {"full", "short", "none"}
    reasoning_tokens : int
        Limit after which the block is forced; a trained checkpoint usually ends before.
    yes_id, no_id : int
        Tokens of the two answers.
    """
    block = 'LEN ", correct:" answer "}"'
    if reasoning == "none":
        return f'%llguidance {{}}\nstart: " " {block}\n{terminals(yes_id, no_id)}'
    return reasoned_grammar(f'" {{len: " {block}', reasoning_tokens) + terminals(yes_id, no_id)


def terminals(yes_id: int, no_id: int) -> str:
    """Return the part of a grammar that defines ``LEN`` and ``answer``."""
    return f"LEN: /[1-9][0-9]{{0,4}}|0/\nanswer: <[{yes_id}]> | <[{no_id}]>\n"


def reasoned_grammar(answer: str, reasoning_tokens: int) -> str:
    """Return a grammar without `terminals`: reasoning of limited length, heading, `answer`."""
    heading = f'"\\n{HEADING}"'
    return (
        "%llguidance {}\n"
        f'start: "{ANALYSIS}" reasoning heading? {answer}\n'
        f"heading: {heading}\n"
        f"reasoning[max_tokens={reasoning_tokens}, suffix={heading}]: /(.|\\n)*/\n"
    )
