"""The text of a conversation."""

from scope.conversation import CONTEXT_CHARS, Turn, conversation_text, latest_human


def test_the_latest_user_turn_with_text_counts():
    """
    Blank turns and other roles do not.
    """
    turns = [Turn("user", "a"), Turn("user", "b"), Turn("user", " "), Turn("assistant", "c")]

    assert latest_human(turns) == 1
    assert latest_human([Turn("system", "a")]) is None


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
