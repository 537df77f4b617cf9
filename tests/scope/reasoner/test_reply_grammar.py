"""Random replies under the grammar, generated token by token."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.reasoner.reply import FORCED_PREFIX, parse_reply, reply_grammar
from scope.reasoner.spec import ANSWER_TOKENS
from scope.reasoner.tokenizer import PromptTokenizer
from tests.factories.checkpoints import needs_vllm

pytestmark = [pytest.mark.vllm, needs_vllm]  # llguidance comes with it

MODES = [
    pytest.param("none", 0, id="no reasoning"),
    pytest.param("short", 20, id="short reasoning"),
    pytest.param("full", 150, id="full reasoning"),
]


@pytest.fixture(scope="module")
def answer_ids(checkpoint):
    """Tokens of yes and no."""
    tokenizer = PromptTokenizer.load(str(checkpoint))
    return tokenizer.yes_id, tokenizer.no_id


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(checkpoint)


@pytest.fixture(scope="module")
def guidance(tokenizer):
    from llguidance.hf import from_tokenizer

    return from_tokenizer(tokenizer, len(tokenizer))


def random_reply(guidance, grammar, rng):
    """Tokens of a complete reply, each drawn from those that the grammar permits."""
    from llguidance import LLMatcher
    from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

    matcher = LLMatcher(guidance, grammar)
    assert not matcher.get_error()
    mask, ids = allocate_token_bitmask(1, guidance.vocab_size), []
    while not matcher.is_stopped():
        fill_next_token_bitmask(matcher, mask, 0)
        allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
        ids.append(int(rng.choice(allowed)))
        assert matcher.consume_token(ids[-1])
    return ids


@pytest.mark.parametrize(("reasoning", "n_tokens"), MODES)
@given(seed=st.integers(0, 2**32))
def test_every_permitted_reply_ends_and_can_be_parsed(
    guidance, tokenizer, answer_ids, reasoning, n_tokens, seed
):
    """
    It ends within its limit, and the parsed answer is that of the answer token.
    """
    grammar = reply_grammar(reasoning, n_tokens, *answer_ids)

    ids = random_reply(guidance, grammar, random.Random(seed))

    text = tokenizer.decode(ids, skip_special_tokens=True)
    reply = parse_reply((FORCED_PREFIX if reasoning == "none" else "") + text, constrained=True)
    answers = [token for token in ids if token in answer_ids]
    assert len(ids) <= n_tokens + ANSWER_TOKENS
    assert reply.tokens is not None
    assert reply.correct == (answers[-1] == answer_ids[0])


def test_a_reply_may_end_before_its_limit(guidance, tokenizer, answer_ids):
    """
    A trained checkpoint writes the heading itself; a quoted example does not end its reasoning.
    """
    from llguidance import LLMatcher

    grammar = reply_grammar("full", 200, *answer_ids)
    text = (
        "Analysis: Example 1 had {len: 90, correct: no}, this is easier.\n"
        "Predicted Performance: {len: 312, correct: yes}"
    )
    matcher = LLMatcher(guidance, grammar)

    assert matcher.consume_tokens(tokenizer.encode(text))
    assert matcher.is_accepting()
