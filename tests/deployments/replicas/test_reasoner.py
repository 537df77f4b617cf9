import asyncio
import math

import numpy as np
import pytest

from deployments.protocol.remote_call import RemoteCallError
from deployments.replicas.reasoner import Continuation, EngineReasoner, ReasonerArgs, check_reasoner
from scope.errors import ConfigError
from scope.reasoner.tokenizer import PromptTokenizer
from tests.deployments.engine import taught
from tests.factories.banks import LARGE, SMALL, two_kinds, with_correct

NEAR = np.arange(10)


class Scripted:
    """An engine that replies in turn, and keeps what it was asked."""

    def __init__(self, *replies):
        self.replies, self.wanted = list(replies), []

    async def call(self, wanted, *, timeout_s, slow_call_s):
        self.wanted.append(wanted)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.fixture
def tokens(checkpoint):
    return PromptTokenizer.load(str(checkpoint))


@pytest.fixture
def reasoner(checkpoint, tokens):
    """Make a reasoner with an engine that gives these replies; returns both."""

    def make(*replies, bank=None, max_cached=10, **settings):
        told = {"checkpoint": str(checkpoint), "max_context_tokens": 2048, **settings}
        args = ReasonerArgs(**told)
        engine = Scripted(*replies)
        bank = taught(bank or two_kinds(), args)
        return EngineReasoner(bank, args, tokens, engine, max_cached), engine

    return make


@pytest.fixture
def says(tokens):
    """A reply with this probability of yes and this length."""

    def reply(p_yes, length):
        answer = tokens.yes_id if p_yes >= 0.5 else tokens.no_id
        there = {tokens.yes_id: math.log(p_yes), tokens.no_id: math.log(1 - p_yes)}
        word = "yes" if p_yes >= 0.5 else "no"
        return Continuation(f" {length}, correct: {word}}}", [0, answer], [{0: 0.0}, there])

    return reply


def asked(reasoner, text="What is 2+2?", m=0, near=NEAR):
    """What it says."""
    return asyncio.run(reasoner.query(text, near, m, timeout_s=1.0, slow_call_s=1.0))


def test_an_answer_is_read_off_the_reply(reasoner, says):
    """
    Probability and length.
    """
    site, _ = reasoner([says(0.8, 312)])

    answer = asked(site)

    assert (answer.p_yes, answer.tokens) == (pytest.approx(0.8), 312)


def test_the_engine_sees_the_model_and_its_examples(reasoner, says):
    """
    The nearest five anchors with what this model did on them, and the question.
    """
    site, engine = reasoner([says(0.8, 312)])
    asked(site, "What is 2+2?")

    ((prompt, sampling),) = engine.wanted
    assert "## Target Model\nsmall\n" in prompt
    assert prompt.count("\n\nPerformance: {len: ") == 5
    assert "## Target Question\nWhat is 2+2?" in prompt
    assert prompt.endswith("Predicted Performance: {len:")
    assert sampling["temperature"] == 0
    assert "seed" not in sampling


def test_an_anchor_the_model_was_not_run_on_is_no_example(reasoner, says):
    """
    Nor is it counted as one: the next nearest takes its place.
    """
    bank = two_kinds()
    correct_am = bank.outcomes.correct_am.copy()
    correct_am[:4, 0] = np.nan
    site, engine = reasoner([says(0.8, 312)], bank=with_correct(bank, correct_am))
    asked(site)

    prompt = engine.wanted[0].prompt
    assert "of case 3?" not in prompt
    assert "of case 8?" in prompt


def test_samples_are_averaged(reasoner, says):
    """
    Of one prompt, asked for at once.
    """
    replies = [says(0.5, 100), says(0.5, 300)]
    site, engine = reasoner(replies, samples=2, temperature=1.0)

    answer = asked(site)

    assert (answer.p_yes, answer.tokens) == (pytest.approx(0.5), 200)
    assert engine.wanted[0].sampling["n"] == 2


def test_an_answer_is_kept(reasoner, says):
    """
    By question and model; what was not asked is not known.
    """
    site, _ = reasoner([says(0.8, 312)])
    answer = asked(site)

    assert site.cached("What is 2+2?", 0) == answer
    assert site.cached("What is 2+2?", 1) is None
    assert site.cached("What is 2+3?", 0) is None


def test_no_more_answers_are_kept_than_allowed(reasoner, says):
    """
    The oldest goes.
    """
    site, _ = reasoner([says(0.8, 1)], [says(0.8, 2)], max_cached=1)
    asked(site, "first")
    asked(site, "second")

    assert site.cached("first", 0) is None
    assert site.cached("second", 0).tokens == 2


def test_a_failure_is_not_kept(reasoner):
    """
    The next request asks again.
    """
    site, _ = reasoner(RemoteCallError("engine", "late"))

    with pytest.raises(RemoteCallError, match="late"):
        asked(site)
    assert site.cached("What is 2+2?", 0) is None


def test_a_reply_that_cannot_be_read_is_not_kept(reasoner):
    """
    It says nothing, and the next request asks again.
    """
    site, _ = reasoner([Continuation(" 12", [0], [{0: 0.0}])])

    assert math.isnan(asked(site).p_yes)
    assert site.cached("What is 2+2?", 0) is None


def test_a_context_without_room_is_refused_at_once(reasoner):
    """
    Not with the first question.
    """
    with pytest.raises(ConfigError, match="max_context_tokens"):
        reasoner(max_context_tokens=100)


def test_a_bank_that_fits_is_taken(checkpoint):
    """
    With texts, and calibrated for this reasoner.
    """
    args = ReasonerArgs(checkpoint=str(checkpoint))

    check_reasoner(args, taught(two_kinds(), args))


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        pytest.param({"prompts": None}, "no question texts", id="no texts"),
        pytest.param(
            {"reasoner": None}, "run `scope bank fit --predictor scope`", id="not calibrated"
        ),
    ],
)
def test_a_bank_that_lacks_something_is_refused(checkpoint, spoilt, told):
    """
    With the command that mends it.
    """
    from dataclasses import replace

    args = ReasonerArgs(checkpoint=str(checkpoint))
    bank = replace(taught(two_kinds(models=(SMALL, LARGE)), args), **spoilt)

    with pytest.raises(ConfigError, match=told):
        check_reasoner(args, bank)


def test_a_bank_of_another_reasoner_is_refused_naming_what_differs(checkpoint):
    """
    Its weights would be those of other answers.
    """
    args = ReasonerArgs(checkpoint=str(checkpoint))
    other = ReasonerArgs(checkpoint=str(checkpoint), reasoning="short", n_examples=3)

    with pytest.raises(ConfigError, match=r"they differ in reasoning \(.*\), n_examples \(.*\);"):
        check_reasoner(args, taught(two_kinds(), other))
