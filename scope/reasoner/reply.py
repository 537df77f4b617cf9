"""What the reasoner's reply says, and the grammar that keeps it sayable."""

import re
from dataclasses import dataclass

from scope.reasoner.spec import Reasoning

ANALYSIS = "Analysis:"
HEADING = "Predicted Performance:"
FORCED_PREFIX = HEADING + " {len:"
"""How a reply begins whose answer is forced at once."""

MAX_TOKENS = 1_000_000
"""No reply is longer; a larger number is not believed."""

_DECORATION = str.maketrans("", "", "*_`\"'\\\u200b\ufeff")
_NUMBER = r"(?P<{0}>[0-9]{{1,3}}(?:,[0-9]{{3}})++(?![0-9])|[0-9]++)(?:\s?tokens?)?"
_LENGTH = r"len(?:gth)?\s*+[:=]\s*+" + _NUMBER
_CORRECT = r"correct\s*+[:=]\s*+(?P<{0}>yes|no)"
# Possessive throughout: a reply of any length is read in linear time.
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
    """What a reply foretells; None where it does not say."""

    tokens: int | None = None
    correct: bool | None = None


def parse_reply(text: str, *, sealed: bool = False) -> ParsedReply:
    r"""Read a reply; one that cannot be read foretells nothing.

    The last complete performance block under a heading counts. Decoration, the kind of
    bracket, ``:`` or ``=``, case and the order of the two fields do not matter.

    Parameters
    ----------
    text : str
        The reply, with whatever of it was forced.
    sealed : bool, default=False
        It was made under `reply_grammar`: the block that ends it counts, headed or not, and
        no other does.

    Notes
    -----
    The reference takes the first ``len:`` and the first ``correct:`` of the text, wherever they
    stand, and says 0 tokens where there is none.

    Examples
    --------
    >>> parse_reply("Example 1 has {len: 90, correct: no}.\n**Predicted Performance:** "
    ...             "{len: 1,024, correct: Yes}")
    ParsedReply(tokens=1024, correct=True)
    >>> parse_reply("I think correct: yes")
    ParsedReply(tokens=None, correct=None)
    """
    if sealed:
        last = _LAST.search(text[-_TAIL_CHARS:].translate(_DECORATION))
        return (last and _read(last["fields"])) or ParsedReply()
    replies = [_read(found["fields"]) for found in _HEADED.finditer(text.translate(_DECORATION))]
    return next((reply for reply in reversed(replies) if reply is not None), ParsedReply())


def _read(fields: str) -> ParsedReply | None:
    """Return what a block says; None if it is not complete."""
    found = _FIELDS.fullmatch(fields)
    if found is None:
        return None
    tokens = int((found["n1"] or found["n2"]).replace(",", ""))
    correct = (found["c1"] or found["c2"]).lower() == "yes"
    return ParsedReply(tokens if tokens <= MAX_TOKENS else None, correct)


def reply_grammar(reasoning: Reasoning, reasoning_tokens: int, yes_id: int, no_id: int) -> str:
    """Return the grammar of a reply, for llguidance.

    Whatever the weights, a reply under it ends in a block that `parse_reply` reads, and has one
    token for its answer. ``none`` continues `FORCED`, which ends the prompt.

    Parameters
    ----------
    reasoning : {"full", "short", "none"}
    reasoning_tokens : int
        After so many the block follows at once; a trained checkpoint gets to it by itself.
    yes_id, no_id : int
        Tokens of the two answers.
    """
    block = 'LEN ", correct:" answer "}"'
    terminals = f"LEN: /[1-9][0-9]{{0,4}}|0/\nanswer: <[{yes_id}]> | <[{no_id}]>\n"
    if reasoning == "none":
        return f'%llguidance {{}}\nstart: " " {block}\n{terminals}'
    heading = f'"\\n{HEADING}"'
    return (
        "%llguidance {}\n"
        f'start: "{ANALYSIS}" reasoning heading? " {{len: " {block}\n'
        f"heading: {heading}\n"
        f"reasoning[max_tokens={reasoning_tokens}, suffix={heading}]: /(.|\\n)*/\n"
        f"{terminals}"
    )
