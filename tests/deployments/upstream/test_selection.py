import pytest

from deployments.upstream.selection import (
    choose_by_majority,
    prompt_text,
    reply_text,
)

OPTIONS = "Which? A) red B) green C) blue"


@pytest.mark.parametrize(
    ("prompt", "texts", "chosen", "selector"),
    [
        pytest.param("6*7?", ["41", "It is 42", "6*7 = 42.0"], 1, "majority", id="numbers"),
        pytest.param(OPTIONS, ["(A)", "The answer is B", "Answer: B"], 1, "majority", id="letters"),
        pytest.param("Name it", ["Rome", " rome", "Paris"], 0, "majority", id="text"),
        pytest.param("Name it", ["a", "b", "c"], 0, "first", id="no two agree"),
        pytest.param("Name it", ["", "b", "c"], 1, "first", id="an empty answer is none"),
        pytest.param("Name it", ["", " "], 0, "first", id="nothing but empty ones"),
        pytest.param("6*7?", ["1", "2", "2", "1"], 0, "majority", id="of equals the first"),
    ],
)
def test_the_most_frequent_final_answer_is_chosen(prompt, texts, chosen, selector):
    """
    The first sample that gives it.
    """
    selection = choose_by_majority(prompt, texts)

    assert (selection.position, selection.selector) == (chosen, selector)


def test_tool_calls_are_part_of_a_reply():
    """
    A reply without text is not empty if it calls a tool.
    """
    message = {"content": None, "tool_calls": [{"id": "1"}]}

    assert reply_text({"choices": [{"message": message}]}) == "[{'id': '1'}]"
    assert reply_text({"choices": [{"message": {"content": "x"}}]}) == "x"
    assert reply_text({"choices": [{"message": "x"}]}) == ""


def test_images_are_no_text():
    """
    Only texts of a message are judged.
    """
    parts = [{"type": "image_url", "image_url": {}}, {"type": "text", "text": "what?"}]

    assert prompt_text([{"role": "user", "content": parts}]) == "what?"
