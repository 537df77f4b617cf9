"""The text of a conversation."""

from scope.conversation import CONTEXT_CHARS, Turn, conversation_text, latest_human


def test_the_latest_user_turn_with_text_counts():
    """
    Blank turns and other roles do not.
    """
    turns = [Turn("user", "a"), Turn("user", "b"), Turn("user", " "), Turn("assistant", "c")]

    assert latest_human(turns) == 1
    assert latest_human([Turn("system", "a")]) is None


def test_a_turn_of_a_user_has_what_a_human_wrote():
    """
    Where that is nothing, an earlier turn is the latest human one; a model may write such tags.
    """
    reminder = "<system-reminder>\nBe brief.\n</system-reminder>"
    turns = [Turn.from_message("user", f"{reminder}\nHi"), Turn.from_message("user", reminder)]

    assert turns == [Turn("user", "Hi"), Turn("user", "")]
    assert latest_human(turns) == 0
    assert Turn.from_message("assistant", reminder).text == reminder


def test_earlier_turns_follow_newest_first():
    """
    At most `CONTEXT_CHARS` characters of them, without what the system and tools say.
    """
    turns = [
        Turn("system", "Be kind."),
        Turn("user", "x" * 2 * CONTEXT_CHARS),
        Turn("tool", "42 files"),
        Turn("assistant", "Sure?"),
        Turn("user", "yes"),
    ]

    expected = "yes\n\nSure?\n\n" + "x" * (CONTEXT_CHARS - len("Sure?"))
    assert conversation_text(turns, 4) == expected
