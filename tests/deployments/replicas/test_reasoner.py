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
    """An engine that gives these replies in turn, and records the requests."""

    def __init__(self, *replies):
        self.replies, self.requests = list(replies), []

    async def call(self, request, *, timeout_s, slow_call_s):
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.fixture
def tokens(checkpoint):
    return PromptTokenizer.load(str(checkpoint))


@pytest.fixture
def reasoner(checkpoint, tokens):
    """Return a reasoner and its engine, which gives these replies."""

    def make(*replies, bank=None, max_cached=10, **settings):
        settings = {"checkpoint": str(checkpoint), "max_context_tokens": 2048, **settings}
        args = ReasonerArgs(**settings)
        engine = Scripted(*replies)
        bank = taught(bank or two_kinds(), args)
        return EngineReasoner(bank, args, tokens, engine, max_cached), engine

    return make


@pytest.fixture
def reply(tokens):
    """A function that makes a reply with these probabilities of yes and lengths, a line each."""

    def make(*answers):
        lines, token_ids, logprobs = [], [], []
        for number, (p_yes, length) in enumerate(answers, 1):
            begin = f"\n{number}: {{len:" if number > 1 else ""
            lines.append(f"{begin} {length}, correct: {'yes' if p_yes >= 0.5 else 'no'}}}")
            token_ids += [0, tokens.yes_id if p_yes >= 0.5 else tokens.no_id]
            there = {tokens.yes_id: math.log(p_yes), tokens.no_id: math.log(1 - p_yes)}
            logprobs += [{0: 0.0}, there]
        return Continuation("".join(lines), token_ids, logprobs)

    return make


def query_all(reasoner, text="What is 2+2?", m=0, near=NEAR):
    """What a query about a model answers."""
    return asyncio.run(reasoner.query(text, near, m, timeout_s=1.0, slow_call_s=1.0))


def query(reasoner, text="What is 2+2?", m=0, near=NEAR):
    """The reasoner's prediction for one model."""
    return query_all(reasoner, text, m, near)[m]


def test_a_reply_is_parsed(reasoner, reply):
    """
    Into probability and length.
    """
    site, _ = reasoner([reply((0.8, 312))])

    prediction = query(site)

    assert (prediction.p_yes, prediction.tokens) == (pytest.approx(0.8), 312)


def test_the_prompt_holds_the_model_and_its_examples(reasoner, reply):
    """
    The nearest five anchors with the model's outcomes on them, and the question.
    """
    site, engine = reasoner([reply((0.8, 312))])
    query(site, "What is 2+2?")

    ((prompt, sampling),) = engine.requests
    assert "## Target Model\nsmall\n" in prompt
    assert prompt.count("\n\nPerformance: {len: ") == 5
    assert "## Target Question\nWhat is 2+2?" in prompt
    assert prompt.endswith("Predicted Performance: {len:")
    assert sampling["temperature"] == 0
    assert "seed" not in sampling


def test_an_anchor_the_model_was_not_run_on_is_no_example(reasoner, reply):
    """
    The next nearest takes its place.
    """
    bank = two_kinds()
    correct_am = bank.outcomes.correct_am.copy()
    correct_am[:4, 0] = np.nan
    site, engine = reasoner([reply((0.8, 312))], bank=with_correct(bank, correct_am))
    query(site)

    prompt = engine.requests[0].prompt
    assert "of case 3?" not in prompt
    assert "of case 8?" in prompt


def test_samples_are_averaged(reasoner, reply):
    """
    They are samples of one prompt in one request.
    """
    replies = [reply((0.5, 100)), reply((0.5, 300))]
    site, engine = reasoner(replies, samples=2, temperature=1.0)

    prediction = query(site)

    assert (prediction.p_yes, prediction.tokens) == (pytest.approx(0.5), 200)
    assert engine.requests[0].sampling["n"] == 2


def test_a_prediction_is_cached(reasoner, reply):
    """
    By question and model.
    """
    site, _ = reasoner([reply((0.8, 312))])
    prediction = query(site)

    assert site.cached("What is 2+2?", 0) == {0: prediction}
    assert site.cached("What is 2+2?", 1) is None
    assert site.cached("What is 2+3?", 0) is None


def test_the_cache_has_a_limit(reasoner, reply):
    """
    The oldest prediction is dropped.
    """
    site, _ = reasoner([reply((0.8, 1))], [reply((0.8, 2))], max_cached=1)
    query(site, "first")
    query(site, "second")

    assert site.cached("first", 0) is None
    assert site.cached("second", 0)[0].tokens == 2


def test_a_failure_is_not_cached(reasoner):
    """
    The next request queries again.
    """
    site, _ = reasoner(RemoteCallError("engine", "late"))

    with pytest.raises(RemoteCallError, match="late"):
        query(site)
    assert site.cached("What is 2+2?", 0) is None


def test_a_reply_that_cannot_be_parsed_is_not_cached(reasoner):
    """
    The prediction is NaN, and the next request queries again.
    """
    site, _ = reasoner([Continuation(" 12", [0], [{0: 0.0}])])

    assert math.isnan(query(site).p_yes)
    assert site.cached("What is 2+2?", 0) is None


def test_a_context_that_is_too_short_is_refused_at_once(reasoner):
    """
    Not at the first question.
    """
    with pytest.raises(ConfigError, match="max_context_tokens"):
        reasoner(max_context_tokens=100)


def test_a_bank_fitted_for_the_reasoner_is_accepted(checkpoint):
    """
    If it has question texts.
    """
    args = ReasonerArgs(checkpoint=str(checkpoint))

    assert check_reasoner(args, taught(two_kinds(), args)) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"prompts": None}, "no question texts", id="no texts"),
        pytest.param({"reasoner": None}, "run `scope bank fit --predictor scope`", id="not fitted"),
    ],
)
def test_a_bank_that_lacks_something_is_refused(checkpoint, fields, message):
    """
    The message names the command that fixes it.
    """
    from dataclasses import replace

    args = ReasonerArgs(checkpoint=str(checkpoint))
    bank = replace(taught(two_kinds(models=(SMALL, LARGE)), args), **fields)

    with pytest.raises(ConfigError, match=message):
        check_reasoner(args, bank)


def test_a_bank_of_another_reasoner_is_refused(checkpoint):
    """
    The message names the fields that differ.
    """
    args = ReasonerArgs(checkpoint=str(checkpoint))
    other = ReasonerArgs(checkpoint=str(checkpoint), reasoning="short", n_examples=3)

    with pytest.raises(ConfigError, match=r"they differ in reasoning \(.*\), n_examples \(.*\);"):
        check_reasoner(args, taught(two_kinds(), other))


def test_a_bank_of_the_other_form_of_prompt_is_refused(checkpoint):
    """
    The answers to one prompt about a pool have a weight of their own.
    """
    args = ReasonerArgs(checkpoint=str(checkpoint), form="pool")
    other = ReasonerArgs(checkpoint=str(checkpoint))

    assert check_reasoner(args, taught(two_kinds(), args)) is None
    with pytest.raises(ConfigError, match=r"they differ in (template \(.*\), )?form \(.*\);"):
        check_reasoner(args, taught(two_kinds(), other))


def test_a_context_without_room_for_all_lines_is_refused(checkpoint):
    """
    A reply takes up to 32 tokens for each further model.
    """
    fields = {"checkpoint": str(checkpoint), "max_context_tokens": 80}
    alone, pool = ReasonerArgs(**fields), ReasonerArgs(**fields, form="pool")

    assert check_reasoner(alone, taught(two_kinds(), alone)) is None
    with pytest.raises(ConfigError, match=r"a reply about 2 models with .* may take 80"):
        check_reasoner(pool, taught(two_kinds(), pool))


def test_one_prompt_is_about_the_whole_pool(reasoner, reply):
    """
    It has the question and five anchors once, and every model in the order of the bank; each model
    has the probability of its line.
    """
    site, engine = reasoner([reply((0.8, 312), (0.1, 45))], form="pool")

    answers = query_all(site, m=1)

    assert list(site.answered_with(1)) == [0, 1]
    assert [answers[m].p_yes for m in (0, 1)] == [pytest.approx(0.8), pytest.approx(0.1)]
    assert [answers[m].tokens for m in (0, 1)] == [312, 45]
    ((prompt, sampling),) = engine.requests
    assert prompt.index("Model 1: small\n") < prompt.index("Model 2: large\n")
    assert prompt.count("## Example ") == 5
    assert prompt.count("What is 2+2?") == 1
    assert prompt.endswith("Predicted Performance:\n1: {len:")
    assert sampling["max_tokens"] == 48 + 32


def test_samples_about_a_pool_are_averaged_by_model(reasoner, reply):
    """
    Line by line.
    """
    replies = [reply((0.5, 100), (0.5, 10)), reply((0.5, 300), (0.5, 30))]
    site, _ = reasoner(replies, samples=2, temperature=1.0, form="pool")

    answers = query_all(site)

    assert [answers[m].tokens for m in (0, 1)] == [200, 20]


def test_answers_about_a_pool_are_cached_by_question(reasoner, reply):
    """
    Whichever model could change the decision; the limit counts predictions.
    """
    replies = [[reply((0.8, n), (0.1, n))] for n in range(3)]
    site, _ = reasoner(*replies, form="pool", max_cached=4)
    answers = [query_all(site, text) for text in ("first", "second", "third")]

    assert site.cached("first", 0) is None
    assert site.cached("second", 0) == site.cached("second", 1) == answers[1]
    assert site.cached("third", 1) == answers[2]


def test_the_cache_keeps_one_question_about_a_pool_at_least(reasoner, reply):
    """
    Also where it may hold fewer predictions than there are models.
    """
    site, _ = reasoner([reply((0.8, 1), (0.1, 1))], form="pool", max_cached=1)

    answers = query_all(site)

    assert site.cached("What is 2+2?", 0) == answers


def test_a_line_that_is_missing_is_unknown_and_the_others_count(reasoner, reply):
    """
    As offline; the answers are not cached, so that the next request queries again.
    """
    site, _ = reasoner([reply((0.8, 312))], form="pool")

    answers = query_all(site)

    assert answers[0].tokens == 312
    assert math.isnan(answers[1].p_yes)
    assert site.cached("What is 2+2?", 0) is None


def test_a_prompt_about_a_pool_costs_more_than_one_and_less_than_all(reasoner):
    """
    Question and anchors count once.
    """
    text = "Why? " * 400
    alone, _ = reasoner()
    pool, _ = reasoner(form="pool")

    one_query, all_models = (site.estimate_tokens(text, NEAR, 0) for site in (alone, pool))
    assert one_query < all_models < 2 * one_query
