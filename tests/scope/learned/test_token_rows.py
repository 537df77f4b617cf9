import pytest

from scope.errors import ConfigError
from scope.learned import TextTokenizer, default_max_tokens, load_encoder, load_tokenizer
from tests.factories.encoders import MAX_TOKENS, WORDS

CLS, SEP, SOURCE = 2, 3, 999
TWO = 5 + WORDS.split().index("two")


@pytest.fixture(scope="module")
def tokenizer(encoder_folder):
    return TextTokenizer(load_tokenizer(encoder_folder), MAX_TOKENS, SOURCE)


def test_the_source_token_stands_before_the_text(tokenizer):
    (row,) = tokenizer.rows(["two"])

    assert row.ids == [CLS, SOURCE, TWO, SEP]
    assert row.ids[tokenizer.source_position] == SOURCE


@pytest.mark.parametrize("text", ["[SEP]", "<|source|>", "[CLS] [MASK]", "[PAD]two[PAD]"])
def test_a_special_token_in_a_prompt_is_read_as_its_characters(tokenizer, text):
    """
    The row has one source token and one end, wherever the prompt was copied from.
    """
    (row,) = tokenizer.rows([text])

    assert row.ids.count(SOURCE) == 1
    assert row.ids.index(SEP) == len(row.ids) - 1
    assert not set(row.ids[2:-1]) & {0, 1, CLS, SEP, 4}


def test_a_long_prompt_is_cut_on_the_right_and_says_so(tokenizer):
    fits, long = tokenizer.rows(["two " * 29, "two " * 100])

    assert fits.ids == long.ids == [CLS, SOURCE, *[TWO] * 29, SEP]
    assert (fits.truncated, long.truncated) == (False, True)
    assert (fits.n_tokens, long.n_tokens) == (29, 100)


def test_a_text_that_is_no_unicode_has_an_error_and_no_ids(tokenizer):
    bad, good = tokenizer.rows(["\ud800", "two"])

    assert bad.ids == []
    assert bad.error.startswith("the text is not valid Unicode")
    assert good.error == ""


def test_an_empty_text_is_a_row_of_special_tokens(tokenizer):
    assert tokenizer.rows([""])[0].ids == [CLS, SOURCE, SEP]


def test_a_limit_without_room_for_text_is_refused(encoder_folder):
    with pytest.raises(ConfigError, match="max_tokens is 3; no token of a text fits"):
        TextTokenizer(load_tokenizer(encoder_folder), 3, SOURCE)


def test_the_default_limit_is_that_of_the_encoder(encoder_folder):
    config = load_encoder(str(encoder_folder)).config

    assert default_max_tokens(load_tokenizer(encoder_folder), config) == MAX_TOKENS


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be loaded; expected a folder"):
        load_tokenizer(tmp_path)
