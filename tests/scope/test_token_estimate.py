import pytest

from scope.token_estimate import estimated_tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("abc def ghi", 4, id="three bytes of words a token"),
        pytest.param("31415926", 8, id="a token a digit"),
        pytest.param("{}[]()", 6, id="a token a mark"),
        pytest.param("你好吗", 3, id="a token a Chinese character"),
    ],
)
def test_tokens_are_estimated_high(text, tokens):
    """
    Each row can be counted by hand.
    """
    assert estimated_tokens(text.encode()) == tokens
