import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.errors import ConfigError
from scope.reasoner.tokenizer import TRUNCATION_MARK, PromptTokenizer


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return PromptTokenizer.load(str(checkpoint))


def test_each_answer_is_one_token(tokenizer):
    """
    And the two tokens differ.
    """
    assert tokenizer.yes_id != tokenizer.no_id
    assert tokenizer.count(" yes") == tokenizer.count(" no") == 1


def test_a_chat_has_the_format_of_the_checkpoint(tokenizer):
    """
    It ends in the given prefix of the reply.
    """
    assert tokenizer.apply_chat_template("Why?", "Because") == (
        "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nBecause"
    )


def test_special_tokens_are_listed(tokenizer):
    """
    The injection guard breaks them up in untrusted text.
    """
    assert tokenizer.special_tokens == ("<|endoftext|>", "<|im_end|>", "<|im_start|>")


def test_a_truncated_text_keeps_its_head_and_its_tail(tokenizer):
    """
    About the same number of tokens of each.
    """
    text = "Begin here. " + "word " * 500 + "What is asked?"

    short = tokenizer.truncate_middle(text, 60)
    head, tail = short.split(TRUNCATION_MARK)

    assert text.startswith(head)
    assert text.endswith(tail)
    assert 50 <= tokenizer.count(short) <= 60
    assert abs(tokenizer.count(head) - tokenizer.count(tail)) <= 4


@given(st.text(max_size=300) | st.text("ab \n字🙂", max_size=600), st.integers(0, 200))
def test_a_truncated_text_has_no_more_tokens_than_allowed(tokenizer, text, n_tokens):
    """
    A text that is short enough stays as it is, and no character is split.
    """
    short = tokenizer.truncate_middle(text, n_tokens)

    assert tokenizer.count(short) <= n_tokens
    if tokenizer.count(text) <= n_tokens:
        assert short == text
    else:
        head, _, tail = short.partition(TRUNCATION_MARK)
        assert text.startswith(head)
        assert text.endswith(tail)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("/nowhere/checkpoint", "does not exist", id="no folder"),
        pytest.param("owner/missing", "cannot be loaded", id="not on the hub"),
    ],
)
def test_a_missing_checkpoint_is_rejected(name, message):
    """
    The message names it.
    """
    with pytest.raises(ConfigError, match=message) as error:
        PromptTokenizer.load(name)
    assert name in str(error.value)


def test_a_checkpoint_without_a_chat_template_is_rejected(tmp_path):
    """
    A base model cannot follow the turns of a chat.
    """
    from tests.factories.checkpoints import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None

    with pytest.raises(ConfigError, match="has no chat template"):
        PromptTokenizer(tokenizer, "base")


def test_a_checkpoint_that_splits_an_answer_into_tokens_is_rejected():
    """
    The probability of the first token is not that of the answer.
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


def test_a_bos_token_that_the_engine_adds_is_not_repeated():
    """
    Where chat template and tokenizer both begin with it.
    """
    from tokenizers import processors

    from tests.factories.checkpoints import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.bos_token = "<|endoftext|>"
    bos = ("<|endoftext|>", tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[bos]
    )
    tokenizer.chat_template = "{{ bos_token }}{{ messages[0].content }}"

    prompt_tokenizer = PromptTokenizer(tokenizer, "llama-like")

    assert prompt_tokenizer.n_special_tokens == 1
    assert prompt_tokenizer.apply_chat_template("Why?") == "Why?"
