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
def tokenizer(checkpoint):
    return PromptTokenizer.load(str(checkpoint))


@pytest.fixture(scope="module")
def template_tokens(tokenizer):
    """Length of a prompt without any question."""
    return tokenizer.count(builder_of(tokenizer, 10_000).build("small", [], ""))


def builder_of(tokenizer, max_tokens, reasoning="none"):
    return PromptBuilder(Template.load(), tokenizer, max_tokens=max_tokens, reasoning=reasoning)


def examples_of(*n_words):
    """One example for each number of words."""
    return [Example(f"Begin {'word ' * n}end{i}?", 100, True) for i, n in enumerate(n_words)]


def test_a_prompt_is_one_turn_and_the_beginning_of_a_reply(tokenizer):
    """
    Without reasoning, the prompt contains the beginning of the reply.
    """
    forced = builder_of(tokenizer, 2_000).build("small", [], QUESTION)
    free = builder_of(tokenizer, 2_000, "full").build("small", [], QUESTION)

    assert forced.startswith("<|im_start|>user\n## Task\n")
    assert free.endswith("## Output<|im_end|>\n<|im_start|>assistant\n")
    assert forced == free + FORCED_PREFIX


def test_a_prompt_that_fits_is_not_cut(tokenizer):
    """
    The limit is exact to one token.
    """
    examples = examples_of(100, 30)
    whole = builder_of(tokenizer, 10_000).build("small", examples, QUESTION)
    n = tokenizer.count(whole)

    assert builder_of(tokenizer, n).build("small", examples, QUESTION) == whole
    assert builder_of(tokenizer, n - 1).build("small", examples, QUESTION) != whole


def test_long_examples_are_cut_first(tokenizer):
    """
    Short examples and the question stay whole, and most of the budget is used.
    """
    examples = examples_of(3_000, 20, 3_000)

    text = builder_of(tokenizer, 1_000).build("small", examples, QUESTION)

    assert text.count(TRUNCATION_MARK) == 2
    assert examples[1].question in text
    assert QUESTION in text
    assert all(f"end{i}?" in text for i in range(3))
    assert 950 < tokenizer.count(text) <= 1_000


def test_then_the_least_similar_examples_are_dropped(tokenizer, template_tokens):
    """
    The most similar example is dropped last.
    """
    examples = examples_of(500, 500, 500)

    text = builder_of(tokenizer, template_tokens + 180).build("small", examples, QUESTION)

    assert "end0?" in text
    assert "end2?" not in text
    assert QUESTION in text


def test_the_question_is_cut_last(tokenizer, template_tokens):
    """
    Its head and its tail are kept.
    """
    question = "Begin " + "word " * 5_000 + "what is asked?"

    text = builder_of(tokenizer, template_tokens + 100).build("small", examples_of(50), question)

    assert "## Example" not in text
    assert "## Target Question\nBegin word" in text
    assert "what is asked?\n" in text
    assert tokenizer.count(text) <= template_tokens + 100


def test_a_template_that_does_not_fit_is_rejected(tokenizer, template_tokens):
    """
    The message has both numbers; one token more is enough.
    """
    assert builder_of(tokenizer, template_tokens).build("small", [], QUESTION)
    with pytest.raises(ConfigError, match=f"has {template_tokens} tokens .* at most"):
        builder_of(tokenizer, template_tokens - 1).build("small", [], QUESTION)


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
ADVERSARIAL = st.lists(st.sampled_from(PIECES), max_size=40).map(lambda parts: "".join(parts) * 8)
TEXTS = st.text(max_size=100) | ADVERSARIAL


@pytest.mark.parametrize("template", [None, SHARED_PREFIX], ids=["default", "shared prefix"])
@given(
    TEXTS,
    TEXTS,
    st.lists(TEXTS, max_size=4),
    st.integers(0, 1_500),
    st.sampled_from(["none", "short"]),
)
def test_no_text_overflows_the_prompt_or_leaves_its_section(
    tokenizer, template_tokens, template, model, question, examples, spare, reasoning
):
    """
    With any texts the prompt keeps its limit, and has only the control tokens of the template.
    """
    max_tokens = template_tokens + 250 + spare
    builder = PromptBuilder(
        Template.load(template), tokenizer, max_tokens=max_tokens, reasoning=reasoning
    )

    text = builder.build(model, [Example(e, 5, False) for e in examples], question)

    lines = text.splitlines()
    assert tokenizer.count(text) <= max_tokens
    assert [text.count(token) for token in tokenizer.special_tokens] == [0, 1, 2]
    assert lines.count("## Output<|im_end|>") == 1
    assert lines.count("## Output") == 0
    n_shown = sum(line.startswith("## Example ") for line in lines)
    assert sum(line.startswith("Performance") for line in lines) == n_shown <= len(examples)
