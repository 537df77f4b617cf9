import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.reasoner.reply import MAX_TOKENS, ParsedReply, parse_reply

PUBLISHED = json.loads((Path(__file__).parents[2] / "golden" / "parse.json").read_text())

OURS = [
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
"""Of the published strings, in their order."""

DIFFER = {
    2: "it takes the quoted example for the prediction; the last headed block counts",
    4: "it says 0 tokens, and yes, without a block; unknown stays unknown",
    5: "it says a length without a block",
    6: "it says 0 tokens of nothing at all",
    7: "it says 0 tokens where no number stands",
    10: "it reads 1,024 as 1",
}
"""Where, and why."""


@pytest.mark.parametrize("number", range(len(PUBLISHED)))
def test_the_published_strings_are_read_as_published_or_better(number):
    """
    Where ours differs is listed, with the reason.
    """
    published = PUBLISHED[number]["parsed"]
    theirs = published["token_length"], {"yes": True, "no": False}.get(published["correctness"])

    reply = parse_reply(PUBLISHED[number]["text"])

    assert (reply.tokens, reply.correct) == OURS[number]
    assert (OURS[number] != theirs) == (number in DIFFER)


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
            id="one that was cut off does not",
        ),
        pytest.param(
            "Example 1 has {len: 90, correct: no}, so I would say",
            ParsedReply(),
            id="a quoted example is no prediction",
        ),
        pytest.param(
            "Example 1: Performance: {len: 90, correct: no}",
            ParsedReply(),
            id="not even with its heading",
        ),
        pytest.param(
            "Predicted Performance: {len: N, correct: yes|no}", ParsedReply(), id="the form itself"
        ),
        pytest.param(
            "Predicted Performance: {len: 4, correct: yes/no}",
            ParsedReply(),
            id="either is neither",
        ),
        pytest.param(
            "Predicted Performance: {len: 99999999999, correct: yes}",
            ParsedReply(None, True),
            id="a length beyond belief",
        ),
        pytest.param(
            f"Predicted Performance: {{len: {'9' * 5000}, correct: yes}}",
            ParsedReply(),
            id="a number that fills a page",
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
            id="the other way round",
        ),
    ],
)
def test_only_a_complete_block_under_a_heading_foretells(text, expected):
    """
    What is not said stays unknown.
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
            id="cut off",
        ),
        pytest.param(
            "Predicted Performance: {len: 1, correct: no} {len: 2, correct: yes}\n",
            ParsedReply(2, True),
            id="its end counts",
        ),
    ],
)
def test_a_sealed_reply_is_read_at_its_end(text, expected):
    """
    There the grammar put the answer, headed or not; what was cut off says nothing.
    """
    assert parse_reply(text, sealed=True) == expected


QUOTED = "Example 1 has {len: 90, correct: no}"
RUBBISH = st.one_of(
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


@given(RUBBISH, st.booleans())
def test_rubbish_is_read_without_complaint(text, sealed):
    """
    It gives a reply, if a silent one.
    """
    reply = parse_reply(text, sealed=sealed)

    assert reply.tokens is None or 0 <= reply.tokens <= MAX_TOKENS
    assert reply.correct in (None, True, False)


@st.composite
def blocks(draw, tokens, correct):
    """A performance block in any decoration."""
    mark = draw(st.sampled_from(["", "*", "**", "__", "`", "***"]))
    begin, end = draw(st.sampled_from(["{}", "[]", "()"]))
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
    fields = f"{begin}len{sign}{number}{comma}correct{sign}{answer}{end}"
    return f"{mark}{heading}{mark}{gap}{mark}{fields}{mark}"


@given(RUBBISH, st.integers(0, MAX_TOKENS), st.booleans(), st.data())
def test_what_a_block_says_is_read_after_any_rubbish(rubbish, tokens, correct, data):
    """
    In any decoration, brackets and case, with or without thousands separators.
    """
    block = data.draw(blocks(tokens, correct))
    tail = data.draw(st.sampled_from(["", "\n", " Done.", "<|im_end|>"]))

    assert parse_reply(f"{rubbish}\n{block}{tail}") == ParsedReply(tokens, correct)


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
def test_a_long_reply_is_read_in_linear_time(piece):
    """
    Ten times the text takes about ten times as long, not a hundred times.
    """

    def seconds(n_chars):
        text = (piece * n_chars)[:n_chars]
        start = time.perf_counter()
        parse_reply(text)
        return time.perf_counter() - start

    short = min(seconds(100_000) for _ in range(3))
    long = min(seconds(1_000_000) for _ in range(2))

    assert long < 40 * max(short, 1e-4)
