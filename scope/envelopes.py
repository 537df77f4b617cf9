"""What a human wrote in a user turn, without the envelopes of an agent harness."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from itertools import islice
from typing import NamedTuple

from scope.harnesses import (
    AGENTS_FILE,
    HARNESSES,
    IDE_CONTEXT,
    INTERRUPTED,
    REFERENCED_FILES,
)

OWN = frozenset[str]().union(*(harness.own for harness in HARNESSES))
WORDS = frozenset[str]().union(*(harness.words for harness in HARNESSES))
ALL = OWN.union(WORDS, *(harness.shared for harness in HARNESSES))

MAX_TOKENS = 10_000
"""Number of tags and code fences above which a text is taken as it is."""
ROUNDS = 8
"""How often envelopes are removed, at most: one may appear when another is gone."""
BLANKS = " \t\r\n"
_LINES = {
    AGENTS_FILE: (r"# AGENTS\.md instructions[^\n]*+\n\s*+<INSTRUCTIONS>", "</INSTRUCTIONS>"),
    IDE_CONTEXT: (
        "# (?:Context from my IDE setup|Files mentioned by the user):",
        "## My request for Codex:",
    ),
    REFERENCED_FILES: ("--- Content from referenced files ---", "--- End of content ---"),
}
"""Block that is no tag -> how the lines begin that open and close it."""
_TAGS = "|".join(map(re.escape, sorted(ALL - {*_LINES, INTERRUPTED})))
_TAG = re.compile(rf"<(?P<slash>/?)(?P<tag>{_TAGS})(?:\s[^<>]*+)?>")
_LINE = re.compile(
    r"\n[ \t\r]*+(?:"
    + "|".join(
        [
            *(f"(?P<open{n}>{first})" for n, (first, _) in enumerate(_LINES.values())),
            *(f"(?P<close{n}>{last})" for n, (_, last) in enumerate(_LINES.values())),
            r"\[Request interrupted by user(?P<void>(?: for tool use)?\])[ \t\r]*+$",
            r"(?P<fence>`{3,}+(?=[^`\n]*+$)|~{3,}+)(?P<info>[^\n]*+)",
        ]
    )
    + ")",
    re.MULTILINE,
)
"""Of a text behind a newline: a pattern that begins with one letter is searched for fast."""
_CLOSING_TAG = re.compile(rf"</(?:{_TAGS})>")
_HINTS = ("# AGENTS.md", "My request for Codex", "--- Content", "[Request", "EXECUTION RESULT")
"""A text without a closing tag and without any of these has no envelope."""
_RESULT = re.compile(r"EXECUTION RESULT of \[[^\]\n]*+\]:")
"""The first line of a tool result of OpenHands for models without tool calls."""
_NAMED_RESULT = re.compile(r"\[[\w-]++(?: for '[^\n]*')?\] Result\b|\[(?:ERROR|TASK RESUMPTION)\] ")
"""The first line of a tool result, or of a message on one's behalf, of Cline and its kin."""


def human_text(text: str) -> str:
    r"""Return what a human wrote in the text of a user turn; empty if that is nothing.

    An envelope is a whole block: an opening tag at the beginning of a line, or behind another
    tag that is, its closing tag, and what stands between; or one of a few marked lines. Only
    names of `scope.harnesses` count. A tag within a sentence, in a code fence, or without its
    other half stays, and a text without any envelope is returned as it is. The time is linear in
    the length.

    Where a harness marks what the human wrote (``<user_query>``), the text within is the result.
    Names that people use in prompts of their own count only in a turn of their harness: one with
    an envelope that it alone writes, or one that has nothing but its blocks.

    Examples
    --------
    >>> human_text("<system-reminder>\nBe brief.\n</system-reminder>\nIs 91 a prime?")
    'Is 91 a prime?'
    >>> human_text("What does <system-reminder> mean?")
    'What does <system-reminder> mean?'
    """
    for _ in range(ROUNDS):
        human = _without_envelopes(text)
        if human == text:
            break
        text = human
    return text


def _without_envelopes(text: str) -> str:
    if not (_CLOSING_TAG.search(text) or any(hint in text for hint in _HINTS)):
        return text
    markup = _Markup(text)
    found = {block.name for block in markup.blocks(ALL)}
    harnesses = [harness for harness in HARNESSES if harness.own & found]
    blocks = markup.blocks(OWN.union(*(h.shared | h.words for h in harnesses)))
    if any(block.name in WORDS for block in blocks):
        return _words(text, blocks)
    if blocks:
        text = _outside(text, blocks)
        if any(harness.names_results for harness in harnesses) and _NAMED_RESULT.match(text):
            return ""
        markup = _Markup(text)
    return "" if _RESULT.match(text.lstrip(BLANKS)) else _marked(markup)


class _Block(NamedTuple):
    """A block; all but the name are indices of the text."""

    name: str
    start: int
    inner_start: int
    inner_end: int
    end: int


class _Token(NamedTuple):
    """One half of a block, or a line that begins or ends a code fence."""

    kind: str
    name: str
    """Of the block; of a code fence its marks."""
    start: int
    end: int
    info: str = ""


class _Markup:
    """The tags of a text, and which of them belong together.

    Tags of one name are paired as parentheses are; blocks of lines do not nest. An opening tag
    counts only if nothing but blanks, tags and whole blocks stands before it in its line.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = _tokens(text)
        self._closing: dict[int, _Token] = {}
        """Index of an opening tag -> its closing tag."""
        self._closed_fences = _closed_fences(self._tokens)
        opened: defaultdict[str, list[int]] = defaultdict(list)
        end, at_line_start = 0, True
        for token in self._tokens:
            _, newline, before = text[end : token.start].rpartition("\n")
            at_line_start = not before.strip(BLANKS) and (at_line_start or bool(newline))
            if token.kind == "open" and at_line_start:
                if token.name not in _LINES or not opened[token.name]:
                    opened[token.name].append(token.start)
            elif token.kind == "close" and opened[token.name]:
                self._closing[opened[token.name].pop()] = token
                at_line_start = True
            elif token.kind == "void":
                self._closing[token.start] = token._replace(start=token.end)
            end = token.end

    def blocks(self, names: Set[str]) -> list[_Block]:
        """Return the outermost blocks of these names outside code fences, in order."""
        blocks, end, fence = [], 0, ""
        for token in self._tokens:
            if token.start < end:
                continue
            if token.kind == "fence":
                if not fence:
                    fence = token.name if token.start in self._closed_fences else ""
                elif token.name.startswith(fence) and not token.info:
                    fence = ""
            elif not fence and token.name in names and token.start in self._closing:
                closing = self._closing[token.start]
                end = closing.end
                blocks.append(_Block(token.name, token.start, token.end, closing.start, end))
        return blocks


def _tokens(text: str) -> list[_Token]:
    """Return the halves of blocks and the fences in order; none if there are too many."""
    tags = [_tag(match) for match in islice(_TAG.finditer(text), MAX_TOKENS)]
    lines = [_line(match) for match in islice(_LINE.finditer(f"\n{text}"), MAX_TOKENS)]
    tokens, end = [], 0
    for token in sorted([*tags, *lines], key=lambda token: token.start):
        if token.start >= end:  # no tag in the line of a fence
            tokens.append(token)
            end = token.end
    return tokens if len(tokens) < MAX_TOKENS else []


def _tag(match: re.Match[str]) -> _Token:
    kind = "close" if match["slash"] else "open"
    return _Token(kind, match["tag"], match.start(), match.end())


def _line(match: re.Match[str]) -> _Token:
    start, end = match.start(), match.end() - 1
    if fence := match["fence"]:
        return _Token("fence", fence, start, end, match["info"].strip())
    if match["void"]:
        return _Token("void", INTERRUPTED, start, end)
    name = str(match.lastgroup)
    return _Token(name[:-1], tuple(_LINES)[int(name[-1])], start, end)


def _closed_fences(tokens: Sequence[_Token]) -> set[int]:
    """Return the indices of the lines that begin a code fence which has an end."""
    longest: defaultdict[str, int] = defaultdict(int)
    closed = set()
    for token in reversed(tokens):
        if token.kind == "fence":
            mark, length = token.name[0], len(token.name)
            if length <= longest[mark]:
                closed.add(token.start)
            if not token.info:
                longest[mark] = max(longest[mark], length)
    return closed


def _outside(text: str, blocks: Iterable[_Block]) -> str:
    """Return what stands outside of the blocks."""
    pieces, end = [], 0
    for block in blocks:
        pieces.append(text[end : block.start])
        end = block.end
    return _joined([*pieces, text[end:]])


def _joined(pieces: Iterable[str]) -> str:
    return "\n".join(filter(None, (piece.strip(BLANKS) for piece in pieces)))


def _words(text: str, blocks: Iterable[_Block]) -> str:
    """Return the text of the blocks that hold the human's words."""
    return _joined(text[b.inner_start : b.inner_end] for b in blocks if b.name in WORDS)


def _marked(markup: _Markup) -> str:
    """Return the human's words of a text of nothing but blocks of one harness, else the text."""
    for harness in HARNESSES:
        blocks = markup.blocks(harness.shared | harness.words)
        has_words = any(block.name in harness.words for block in blocks)
        if has_words and not _outside(markup.text, blocks):
            return _words(markup.text, blocks)
    return markup.text
