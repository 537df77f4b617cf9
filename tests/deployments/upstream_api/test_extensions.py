"""Fields beyond OpenAI's that a translated request has."""

import pytest

from deployments.upstream_api.extensions import takes_extensions, without_extensions

MARK = {"type": "ephemeral"}


def test_every_field_of_openrouter_is_left_out():
    """
    Of the body, messages, parts and tools; what is OpenAI's stays.
    """
    tool = {"type": "function", "function": {"name": "f"}}
    text, image = {"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "u"}}
    body = {
        "model": "m",
        "reasoning": {"max_tokens": 2000},
        "messages": [
            {"role": "user", "content": [image, {**text, "cache_control": MARK}]},
            {"role": "assistant", "content": "a", "reasoning": "b", "reasoning_details": [{}]},
        ],
        "tools": [{**tool, "cache_control": MARK}],
    }

    assert without_extensions(body) == {
        "model": "m",
        "messages": [
            {"role": "user", "content": [image, text]},
            {"role": "assistant", "content": "a"},
        ],
        "tools": [tool],
    }
    assert "cache_control" in body["messages"][0]["content"][1]


def test_parts_that_are_all_text_become_one():
    """
    Many upstreams read nothing else in messages of the system and of tools.
    """
    parts = [{"type": "text", "text": text, "cache_control": MARK} for text in ("Be kind.", "Go.")]
    body = {"messages": [{"role": "system", "content": parts}]}

    assert without_extensions(body)["messages"] == [{"role": "system", "content": "Be kind.\nGo."}]


@pytest.mark.parametrize(
    ("base_url", "takes"),
    [
        ("https://openrouter.ai/api/v1", True),
        ("https://eu.openrouter.ai/api/v1", True),
        ("https://openrouter.ai.example.com/v1", False),
        ("https://api.openai.com/v1", False),
        ("http://127.0.0.1:8000/v1", False),
    ],
)
def test_openrouter_is_known_by_its_address(base_url, takes):
    """
    Others may refuse fields that they do not know.
    """
    assert takes_extensions(base_url) is takes
