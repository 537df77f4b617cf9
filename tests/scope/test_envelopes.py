"""What a human wrote in a user turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.envelopes import ALL, BLANKS, MAX_TOKENS, OWN, ROUNDS, WORDS, human_text
from scope.harnesses import AGENTS_FILE, HARNESSES, IDE_CONTEXT, INTERRUPTED, REFERENCED_FILES

REMINDER = "<system-reminder>\nBe brief.\n</system-reminder>"


@pytest.mark.parametrize(
    ("text", "human"),
    [
        pytest.param(f"{REMINDER}\nIs 91 a prime?", "Is 91 a prime?", id="before"),
        pytest.param(f"Is 91 a prime?\n\n{REMINDER}\n", "Is 91 a prime?", id="behind"),
        pytest.param(f"Is 91\n{REMINDER}\na prime?", "Is 91\na prime?", id="between"),
        pytest.param(f"{REMINDER}Is 91 a prime?", "Is 91 a prime?", id="in the same line"),
        pytest.param(f"{REMINDER}{REMINDER} {REMINDER}", "", id="nothing else"),
        pytest.param(f"{REMINDER}\r\nHi\r\n", "Hi", id="CRLF"),
        pytest.param('<hook_prompt id="1">x</hook_prompt>Hi', "Hi", id="with attributes"),
        pytest.param(
            f"<system-reminder>\na\n{REMINDER}\nb\n</system-reminder>\nHi", "Hi", id="nested"
        ),
        pytest.param(
            "<system-reminder>\nSee <system-reminder> tags.\n</system-reminder>\nHi",
            "Hi",
            id="names itself",
        ),
        pytest.param(
            "<environment_context>\n```\n</environment_context>\nHi", "Hi", id="holds half a fence"
        ),
    ],
)
def test_an_envelope_is_removed(text, human):
    """
    With what stands in it; the lines around it stay.
    """
    assert human_text(text) == human


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("  2 < 3\n\n", id="blanks around"),
        pytest.param("<b>bold</b>\n<p>\nWhy?\n</p>", id="HTML"),
        pytest.param("What does <system-reminder> mean?", id="a tag in a sentence"),
        pytest.param("Is <system-reminder>x</system-reminder> XML?", id="a block in a sentence"),
        pytest.param("<system-reminder> means what?", id="no closing tag"),
        pytest.param("</system-reminder>\nWhat is this?", id="no opening tag"),
        pytest.param(f"Explain\n```xml\n{REMINDER}\n```\nplease", id="in a fence"),
        pytest.param(f"Explain\n~~~~\n~~~\n{REMINDER}\n~~~~", id="in a longer fence"),
        pytest.param("<System-Reminder>\nx\n</System-Reminder>", id="another name"),
        pytest.param("Why\n<my-system-reminder>\nx\n</my-system-reminder>", id="a longer name"),
        pytest.param(
            "Summarise.\n<task>\nIn one line.\n</task>\n<context>\nA law.\n</context>",
            id="a prompt with tags of its own",
        ),
        pytest.param(
            "<context>\nA law.\n</context>\n<user_query>\nIs it valid?\n</user_query>",
            id="a prompt with a retrieved text",
        ),
        pytest.param("Is this valid?\n<userRequest>\n<id>4</id>\n</userRequest>", id="XML"),
        pytest.param("Who wrote '[Request interrupted by user]'?", id="a marker in a sentence"),
        pytest.param("<interrupted>\nx\n</interrupted>", id="the name of a marker as a tag"),
        pytest.param("# AGENTS.md instructions\nHow do I write them?", id="a heading"),
        pytest.param("[read_file for 'a'] Result:\nWhat is this?", id="a result out of a harness"),
    ],
)
def test_a_text_without_envelopes_stays_as_it_is(text):
    """
    Also one that asks about them.
    """
    assert human_text(text) == text


def test_an_unclosed_fence_hides_no_envelope():
    """
    A tool may read half of a file.
    """
    assert human_text(f"Explain\n```\nx = 1\n{REMINDER}") == "Explain\n```\nx = 1"


def test_a_name_of_peoples_own_counts_beside_an_envelope_of_its_harness():
    """
    Cline alone writes environment details, many people write a task.
    """
    text = "Now.\n<task>\nSort 3, 1, 2.\n</task>"

    assert human_text(text) == text
    assert human_text(f"{text}\n{REMINDER}") == text
    assert human_text(f"{text}\n<environment_details>\n</environment_details>") == "Sort 3, 1, 2."


PIECES = st.sampled_from(
    [
        *(f"<{name}>" for name in ("task", "user_query", "context", "system-reminder")),
        *(f"</{name}>" for name in ("task", "user_query", "context", "system-reminder")),
        *("<environment_details>", "</environment_details>", "<userRequest>", "</userRequest>"),
        *("# AGENTS.md instructions\n\n<INSTRUCTIONS>", "</INSTRUCTIONS>"),
        *("EXECUTION RESULT of [ls]:", "[ls] Result:", "[Request interrupted by user]"),
        *("\n", "\n", "\n", "\n", "```", "~~~~", " ", "\t", "\r\n", "\u2003", "a", "<b>"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_nothing_more_is_removed_the_second_time(text):
    """
    And what remains was there before, line by line.
    """
    human = human_text(text)

    assert human_text(human) == human
    assert all(line.strip() in text for line in human.split("\n"))


@given(st.text(), st.text())
def test_a_text_that_names_no_tag_is_the_human_s(before, behind):
    """
    Whatever else it holds, and whatever stands around it.
    """
    text = f"{before}<system-reminder {behind}"

    assert human_text(text) == text
    assert human_text(f"{REMINDER}\n{before}") == before.strip(BLANKS)


TAGS = sorted(OWN - {AGENTS_FILE, IDE_CONTEXT, INTERRUPTED, REFERENCED_FILES})


@given(st.sampled_from(TAGS), st.text(alphabet="ab<>/`# \n"))
def test_the_content_of_an_envelope_does_not_matter(name, content):
    """
    As long as it holds no tag of its name.
    """
    assert human_text(f"<{name}>{content}</{name}>\nHi") == "Hi"


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param("<task>\n", id="opening tags"),
        pytest.param("</task>", id="closing tags"),
        pytest.param("<task ", id="halves of tags"),
        pytest.param("<task" + 99 * " a", id="attributes"),
        pytest.param("```\n", id="fences"),
        pytest.param("`", id="marks of a fence"),
        pytest.param("\n", id="newlines"),
        pytest.param(" ", id="blanks"),
        pytest.param("# AGENTS.md instructions\n\n", id="headings"),
        pytest.param("[a for '", id="results"),
        pytest.param(f"{REMINDER}\n", id="envelopes"),
    ],
)
def test_a_megabyte_of_anything_is_read(unit):
    """
    Every character a fixed number of times: a quadratic reading would last for hours.
    """
    text = unit * (1_000_000 // len(unit)) + "\n</task>"

    assert human_text(text) == text


def test_the_number_of_tags_that_are_read_is_bounded():
    """
    A text with more is taken as it is.
    """
    most = (MAX_TOKENS // 2 - 1) * "<info-msg></info-msg>"

    assert human_text(most) == ""
    assert human_text(f"{most}\n```\n```") == f"{most}\n```\n```"


def test_nested_blocks_are_opened_a_few_times():
    """
    A harness writes one level.
    """
    nested = "<task>" * 20 + "x" + "</task>" * 20

    assert human_text(nested) == "<task>" * (20 - ROUNDS) + "x" + "</task>" * (20 - ROUNDS)


def test_every_known_name_has_one_meaning():
    """
    A name is an envelope or holds the human's words.
    """
    shared = [harness.shared for harness in HARNESSES]
    n = len(OWN) + len(WORDS) + sum(map(len, shared))

    assert len(ALL) == n
