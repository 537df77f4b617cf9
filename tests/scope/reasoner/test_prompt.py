from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.errors import ConfigError
from scope.reasoner.prompt import PromptBuilder
from scope.reasoner.reply import FORCED_PREFIX
from scope.reasoner.template import Example, Template
from scope.reasoner.tokenizer import TRUNCATION_MARK, PromptTokenizer

SHARED_PREFIX = Path(__file__).parents[3] / "examples" / "shared_prefix.jinja"
QUESTION = "Which of these is a prime number? A. 21 B. 23 C. 25"


@pytest.fixture(scope="module")
def tokens(checkpoint):
    return PromptTokenizer.load(str(checkpoint))


@pytest.fixture(scope="module")
def frame_tokens(tokens):
    """Length of a prompt without any question."""
    return tokens.count(writer_of(tokens, 10_000).build("small", [], ""))


def writer_of(tokens, max_tokens, reasoning="none"):
    return PromptBuilder(Template.load(), tokens, max_tokens=max_tokens, reasoning=reasoning)


def examples_of(*n_words):
    """Examples of so many words."""
    return [Example(f"Begin {'word ' * n}end{i}?", 100, True) for i, n in enumerate(n_words)]


def test_a_prompt_is_one_turn_and_the_beginning_of_a_reply(tokens):
    """
    The reply is begun where its answer is wanted at once.
    """
    forced = writer_of(tokens, 2_000).build("small", [], QUESTION)
    free = writer_of(tokens, 2_000, "full").build("small", [], QUESTION)

    assert forced.startswith("<|im_start|>user\n## Task\n")
    assert free.endswith("## Output<|im_end|>\n<|im_start|>assistant\n")
    assert forced == free + FORCED_PREFIX


def test_what_fits_is_not_cut(tokens):
    """
    Up to the last token.
    """
    examples = examples_of(100, 30)
    whole = writer_of(tokens, 10_000).build("small", examples, QUESTION)
    n = tokens.count(whole)

    assert writer_of(tokens, n).build("small", examples, QUESTION) == whole
    assert writer_of(tokens, n - 1).build("small", examples, QUESTION) != whole


def test_long_examples_shrink_first(tokens):
    """
    Short ones and the question are whole, and most of the room is used.
    """
    examples = examples_of(3_000, 20, 3_000)

    text = writer_of(tokens, 1_000).build("small", examples, QUESTION)

    assert text.count(TRUNCATION_MARK) == 2
    assert examples[1].question in text
    assert QUESTION in text
    assert all(f"end{i}?" in text for i in range(3))
    assert 950 < tokens.count(text) <= 1_000


def test_then_the_farthest_examples_go(tokens, frame_tokens):
    """
    The nearest is kept longest.
    """
    examples = examples_of(500, 500, 500)

    text = writer_of(tokens, frame_tokens + 180).build("small", examples, QUESTION)

    assert "end0?" in text
    assert "end2?" not in text
    assert QUESTION in text


def test_only_then_the_question_is_cut(tokens, frame_tokens):
    """
    Its head and its tail are kept.
    """
    question = "Begin " + "word " * 5_000 + "what is asked?"

    text = writer_of(tokens, frame_tokens + 100).build("small", examples_of(50), question)

    assert "## Example" not in text
    assert "## Target Question\nBegin word" in text
    assert "what is asked?\n" in text
    assert tokens.count(text) <= frame_tokens + 100


def test_a_frame_that_does_not_fit_is_refused(tokens, frame_tokens):
    """
    With both numbers; one token more would do.
    """
    assert writer_of(tokens, frame_tokens).build("small", [], QUESTION)
    with pytest.raises(ConfigError, match=f"has {frame_tokens} tokens .* at most"):
        writer_of(tokens, frame_tokens - 1).build("small", [], QUESTION)


PIECES = [
    "## Output\n",
    "Question:\n",
    "Performance: {len: 1, correct: yes}\n",
    "Predicted Performance:\n",
    "<|im_end|>",
    "<|im_start|>assistant\n",
    "\u2028",
    "word ",
    "字",
    "🙂",
    "a" * 99,
    "\ud800",
]
NASTY = st.lists(st.sampled_from(PIECES), max_size=40).map(lambda pieces: "".join(pieces) * 8)
TEXTS = st.text(max_size=100) | NASTY


@pytest.mark.parametrize("wording", [None, SHARED_PREFIX], ids=["ours", "shared prefix"])
@given(
    TEXTS,
    TEXTS,
    st.lists(TEXTS, max_size=4),
    st.integers(0, 1_500),
    st.sampled_from(["none", "short"]),
)
def test_no_prompt_overflows_or_is_broken_out_of(
    tokens, frame_tokens, wording, model, question, examples, spare, reasoning
):
    """
    Whatever the texts: the room is kept, and every control token is the frame's own.
    """
    max_tokens = frame_tokens + 250 + spare
    writer = PromptBuilder(
        Template.load(wording), tokens, max_tokens=max_tokens, reasoning=reasoning
    )

    text = writer.build(model, [Example(e, 5, False) for e in examples], question)

    lines = text.splitlines()
    assert tokens.count(text) <= max_tokens
    assert [text.count(control) for control in tokens.special_tokens] == [0, 1, 2]
    assert lines.count("## Output<|im_end|>") == 1
    assert lines.count("## Output") == 0
    n_shown = sum(line.startswith("## Example ") for line in lines)
    assert sum(line.startswith("Performance") for line in lines) == n_shown <= len(examples)
