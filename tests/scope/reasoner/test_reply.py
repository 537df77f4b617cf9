import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.reasoner.reply import MAX_TOKENS, ParsedReply, parse_reply

PUBLISHED = json.loads((Path(__file__).parents[2] / "golden" / "parse.json").read_text())

EXPECTED = [
    (312, True),
    (44, False),
    (700, True),
    (12, True),
    (None, None),
    (None, None),
    (None, None),
    (None, None),
    (10, False),
    (77, False),
    (1024, True),
]
"""Result for each published string, in their order."""

DIFFERENCES = {
    2: "the reference parses the quoted example; here the last block with a heading counts",
    4: "the reference returns 0 tokens and yes without a block; here both are unknown",
    5: "the reference returns a length without a block",
    6: "the reference returns 0 tokens for an empty reply",
    7: "the reference returns 0 tokens without a number",
    10: "the reference parses 1,024 as 1",
}
"""Index of a published string -> why its result differs from the reference."""


@pytest.mark.parametrize("index", range(len(PUBLISHED)))
def test_the_published_strings_are_parsed_as_in_the_reference(index):
    """
    Except where `DIFFERENCES` gives a reason.
    """
    published = PUBLISHED[index]["parsed"]
    reference = published["token_length"], {"yes": True, "no": False}.get(published["correctness"])

    reply = parse_reply(PUBLISHED[index]["text"])

    assert (reply.tokens, reply.correct) == EXPECTED[index]
    assert (EXPECTED[index] != reference) == (index in DIFFERENCES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Predicted Performance: {len: 5, correct: no}\nNo, wait.\n"
            "Predicted Performance: {len: 9, correct: yes}",
            ParsedReply(9, True),
            id="the last of several counts",
        ),
        pytest.param(
            "Predicted Performance: {len: 5, correct: no}\nPredicted Performance: {len: 9, corr",
            ParsedReply(5, False),
            id="a truncated one does not",
        ),
        pytest.param(
            "Example 1 has {len: 90, correct: no}, so I would say",
            ParsedReply(),
            id="a quoted example is no prediction",
        ),
        pytest.param(
            "Example 1: Performance: {len: 90, correct: no}",
            ParsedReply(),
            id="also with the heading of an example",
        ),
        pytest.param(
            "Predicted Performance: {len: N, correct: yes|no}", ParsedReply(), id="the form itself"
        ),
        pytest.param(
            "Predicted Performance: {len: 4, correct: yes/no}",
            ParsedReply(),
            id="both answers",
        ),
        pytest.param(
            "Predicted Performance: {len: 99999999999, correct: yes}",
            ParsedReply(None, True),
            id="a length above the limit",
        ),
        pytest.param(
            f"Predicted Performance: {{len: {'9' * 5000}, correct: yes}}",
            ParsedReply(),
            id="a number of 5,000 digits",
        ),
        pytest.param(
            "Predicted Performance: {len: -5, correct: yes}",
            ParsedReply(),
            id="a length below zero",
        ),
        pytest.param(
            '**Predicted Performance:**\n```json\n{"len": 312, "correct": "yes"}\n```',
            ParsedReply(312, True),
            id="JSON in a fence",
        ),
        pytest.param(
            r"Predicted\_Performance: \{len: 12, correct: no\}",
            ParsedReply(12, False),
            id="escaped",
        ),
        pytest.param(
            "Predicted Performance = (correct: no; length: 12 tokens)",
            ParsedReply(12, False),
            id="fields in the other order",
        ),
    ],
)
def test_only_a_complete_block_under_a_heading_counts(text, expected):
    """
    Other fields stay unknown.
    """
    assert parse_reply(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Analysis: so it may {len: 40, correct: yes}", ParsedReply(40, True), id="bare"
        ),
        pytest.param(
            "Analysis: Predicted Performance: {len: 1, correct: no} thinks he",
            ParsedReply(),
            id="truncated",
        ),
        pytest.param(
            "Predicted Performance: {len: 1, correct: no} {len: 2, correct: yes}\n",
            ParsedReply(2, True),
            id="the last block counts",
        ),
    ],
)
def test_a_constrained_reply_is_parsed_at_its_end(text, expected):
    """
    The grammar puts the answer there, with or without a heading; a truncated reply has none.
    """
    assert parse_reply(text, constrained=True) == expected


QUOTED = "Example 1 has {len: 90, correct: no}"
ARBITRARY = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            [
                *"{}[:=,` \n",
                "Predicted Performance",
                "len",
                "1,0",
                "correct",
                "yes",
                "no",
                "**",
                QUOTED,
            ]
        ),
        max_size=40,
    ).map("".join),
)


@given(ARBITRARY, st.booleans())
def test_arbitrary_text_never_raises(text, constrained):
    """
    The result may be unknown.
    """
    reply = parse_reply(text, constrained=constrained)

    assert reply.tokens is None or 0 <= reply.tokens <= MAX_TOKENS
    assert reply.correct in (None, True, False)


@st.composite
def blocks(draw, tokens, correct):
    """A performance block in any decoration."""
    mark = draw(st.sampled_from(["", "*", "**", "__", "`", "***"]))
    left, right = draw(st.sampled_from(["{}", "[]", "()"]))
    sign = draw(st.sampled_from([":", "=", " : ", " = ", ": "]))
    gap = draw(st.sampled_from(["", " ", "\n", "\n\n", "\t"]))
    comma = draw(st.sampled_from([",", ", ", ";", " , "]))
    number = draw(st.sampled_from([f"{tokens}", f"{tokens:,}"]))
    answer = draw(st.sampled_from(["yes", "Yes", "YES"] if correct else ["no", "No", "NO"]))
    heading = draw(
        st.sampled_from(
            ["Predicted Performance:", "predicted performance", "PREDICTED PERFORMANCE ="]
        )
    )
    fields = f"{left}len{sign}{number}{comma}correct{sign}{answer}{right}"
    return f"{mark}{heading}{mark}{gap}{mark}{fields}{mark}"


@given(ARBITRARY, st.integers(0, MAX_TOKENS), st.booleans(), st.data())
def test_a_block_is_parsed_after_any_text(before, tokens, correct, data):
    """
    With any decoration, brackets and case, with or without thousands separators.
    """
    block = data.draw(blocks(tokens, correct))
    tail = data.draw(st.sampled_from(["", "\n", " Done.", "<|im_end|>"]))

    assert parse_reply(f"{before}\n{block}{tail}") == ParsedReply(tokens, correct)


@pytest.mark.parametrize(
    "piece",
    [
        "Predicted Performance: {len: ",
        "Predicted Performance" + " " * 50,
        "{" * 50,
        "1,111",
        "len: 1, correct: yes ",
        " ",
        "Predicted Performance: {len: 5, correct: no",
    ],
)
def test_a_long_reply_is_parsed_in_linear_time(piece):
    """
    Ten times the text takes about ten times as long, not a hundred times.
    """

    def seconds(n_chars):
        text = (piece * n_chars)[:n_chars]
        start = time.perf_counter()
        parse_reply(text)
        return time.perf_counter() - start

    short = min(seconds(100_000) for _ in range(3))
    long = min(seconds(1_000_000) for _ in range(6))

    assert long < 40 * max(short, 1e-4)
