import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.errors import ConfigError
from scope.reasoner.tokenizer import TRUNCATION_MARK, PromptTokenizer


@pytest.fixture(scope="module")
def tokens(checkpoint):
    return PromptTokenizer.load(str(checkpoint))


def test_each_answer_is_one_token(tokens):
    """
    And they are two.
    """
    assert tokens.yes_id != tokens.no_id
    assert tokens.count(" yes") == tokens.count(" no") == 1


def test_a_chat_is_wrapped_as_the_checkpoint_wants_it(tokens):
    """
    Up to the reply, which may have been begun.
    """
    assert tokens.apply_chat_template("Why?", "Because") == (
        "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nBecause"
    )


def test_control_tokens_are_known(tokens):
    """
    A text must not hold them.
    """
    assert tokens.special_tokens == ("<|endoftext|>", "<|im_end|>", "<|im_start|>")


def test_a_cut_text_keeps_its_head_and_its_tail(tokens):
    """
    About as much of each.
    """
    text = "Begin here. " + "word " * 500 + "What is asked?"

    short = tokens.truncate_middle(text, 60)
    head, tail = short.split(TRUNCATION_MARK)

    assert text.startswith(head)
    assert text.endswith(tail)
    assert 50 <= tokens.count(short) <= 60
    assert abs(tokens.count(head) - tokens.count(tail)) <= 4


@given(st.text(max_size=300) | st.text("ab \n字🙂", max_size=600), st.integers(0, 200))
def test_a_cut_text_has_no_more_tokens_than_allowed(tokens, text, n_tokens):
    """
    One that has few enough is left as it is, and no character is halved.
    """
    short = tokens.truncate_middle(text, n_tokens)

    assert tokens.count(short) <= n_tokens
    if tokens.count(text) <= n_tokens:
        assert short == text
    else:
        head, _, tail = short.partition(TRUNCATION_MARK)
        assert text.startswith(head)
        assert text.endswith(tail)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("/nowhere/checkpoint", "is not there", id="no folder"),
        pytest.param("nobody/nothing", "cannot be loaded", id="nothing of this name at the hub"),
    ],
)
def test_a_checkpoint_that_is_not_there_gets_a_sentence(name, told):
    """
    Naming it.
    """
    with pytest.raises(ConfigError, match=told) as error:
        PromptTokenizer.load(name)
    assert name in str(error.value)


def test_a_checkpoint_without_a_chat_template_gets_a_sentence(tmp_path):
    """
    A base model does not know whose turn it is.
    """
    from tests.factories.checkpoints import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None

    with pytest.raises(ConfigError, match="has no chat template"):
        PromptTokenizer(tokenizer, "base")


def test_a_checkpoint_that_spells_its_answers_gets_a_sentence():
    """
    The probability of the first letters is not that of the answer.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters)
    tokenizer.chat_template = "{{ messages[0].content }}"

    with pytest.raises(ConfigError, match="' yes' as 4 tokens; expected one"):
        PromptTokenizer(tokenizer, "speller")


def test_a_first_token_that_the_engine_adds_is_not_written_twice():
    """
    Where chat template and tokenizer both begin with it.
    """
    from tokenizers import processors

    from tests.factories.checkpoints import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.bos_token = "<|endoftext|>"
    begin = ("<|endoftext|>", tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[begin]
    )
    tokenizer.chat_template = "{{ bos_token }}{{ messages[0].content }}"

    tokens = PromptTokenizer(tokenizer, "llama-like")

    assert tokens.n_special_tokens == 1
    assert tokens.apply_chat_template("Why?") == "Why?"
