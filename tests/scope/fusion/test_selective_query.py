"""Whom to ask about, one question at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope import ExpectedValue, MaxCost, MinQuality
from scope.errors import ConfigError
from scope.fusion.selective_query import QueryRule, SelectiveQuery
from scope.reasoner.answers import ReasonerPrediction, ReasonerPredictions
from tests.factories.blends import NAN, asked_questions, blend_of, estimates_of, pool

INF = float("inf")
MODELS = pool(1.0, 2.0, 4.0)
TOKENS = [[1_000.0] * 3]


def query_of(policy, p, *, rule=None, models=MODELS, **blend):
    """One question; answers move log odds by one at most."""
    settings = {"low": -1.0, "high": 1.0, **blend}
    before = estimates_of([p], [[1_000.0] * len(p)], models)
    return SelectiveQuery(policy, blend_of(len(p), **settings), before, models, rule)


def played(query, p_yes, tokens=None):
    """Ask one after another until it is done; returns whom."""
    order = []
    while not query.done:
        (model,) = query.start_next(1)
        order.append(model)
        query.record(
            model, ReasonerPrediction(p_yes[model], NAN if tokens is None else tokens[model])
        )
    return order


def test_only_who_could_win_is_asked():
    """
    At .9 and .85 both could; .2 becomes .4 at best.
    """
    query = query_of(ExpectedValue(0.0), [0.9, 0.85, 0.2])

    assert played(query, [0.5, 0.5, 0.5]) == [0, 1]
    assert (query.n_started, query.n_avoided) == (2, 1)


def test_a_good_answer_spares_the_others():
    """
    The first is asked, and is better than the second can become.
    """
    query = query_of(ExpectedValue(0.0), [0.9, 0.75, 0.2])

    assert played(query, [0.9, 0.5, 0.5]) == [0]
    np.testing.assert_allclose(query.estimates().p_correct_qm[0, 1:], [0.75, 0.2])


def test_nobody_is_asked_where_only_money_counts():
    """
    The cheapest is the cheapest whatever the answers are.
    """
    query = query_of(ExpectedValue(INF), [0.5, 0.5, 0.5])

    assert query.done
    assert query.start_next(5) == []
    assert (query.n_started, query.n_avoided) == (0, 3)


def test_who_has_no_say_is_not_asked():
    """
    Without weight no answer could change anything, so that none is counted as saved.
    """
    query = query_of(ExpectedValue(0.0), [0.5, 0.5, 0.5], weight=0.0)

    assert query.done
    assert (query.n_started, query.n_avoided) == (0, 0)


def test_the_cheapest_that_may_be_good_enough_comes_first():
    """
    Target .6, all at .5: the cheapest is asked, and its answer of .73 settles the matter.
    """
    query = query_of(MinQuality(0.6), [0.5, 0.5, 0.5])

    assert played(query, [0.9, 0.9, 0.9]) == [0]


def test_who_is_surely_good_enough_is_not_asked():
    """
    .9 stays above .6; the model is dearer, though, than one that may be good enough.
    """
    query = query_of(MinQuality(0.6), [0.5, 0.9, 0.9])

    assert played(query, [0.1, 0.5, 0.5]) == [0]


def test_nobody_too_dear_is_asked():
    """
    2,000 tokens at 4 USD a million are .008 USD.
    """
    query = query_of(MaxCost(0.005), [0.5, 0.5, 0.9])

    assert sorted(played(query, [0.5, 0.5, 0.5])) == [0, 1]


def test_lengths_alone_can_decide():
    """
    .004 and .006 USD, a limit of .005: only answers on lengths tell who is within it.
    """
    models = pool(2.0, 3.0)
    query = query_of(
        MaxCost(0.005),
        [0.5, 0.9],
        models=models,
        weight=0.0,
        length_weight=1.0,
        baseline_log_ratio_m=np.zeros(2),
    )

    assert played(query, [NAN, NAN], [1_000.0, 400.0]) == [1]
    assert MaxCost(0.005).choose(
        query.estimates().p_correct_qm, query.estimates().cost_usd_qm
    ).model_q == [1]


def test_no_more_run_at_once_than_asked_for():
    """
    Three are wanted, two at once: the third starts when there is room.
    """
    query = query_of(ExpectedValue(0.0), [0.5, 0.5, 0.5])

    assert query.start_next(2) == [0, 1]
    assert query.start_next(0) == []
    query.record(0, ReasonerPrediction(0.5, NAN))
    assert query.start_next(1) == [2]
    assert not query.done


def test_who_became_superfluous_is_named_and_counts_as_asked():
    """
    Both are asked at once; after a good answer of one the other cannot win.
    """
    query = query_of(ExpectedValue(0.0), [0.8, 0.6, 0.2])
    assert query.start_next(2) == [0, 1]

    query.record(0, ReasonerPrediction(0.99, NAN))

    assert query.cancellable == (1,)
    assert query.done
    query.cancel(1)
    assert query.cancellable == ()
    assert (query.n_started, query.n_avoided) == (2, 1)


def test_an_answer_that_comes_after_all_still_counts():
    """
    A cancelled model may have answered before it heard of it.
    """
    query = query_of(ExpectedValue(0.0), [0.8, 0.6, 0.2])
    query.start_next(2)
    query.record(0, ReasonerPrediction(0.99, NAN))
    query.cancel(1)

    query.record(1, ReasonerPrediction(0.99, NAN))

    np.testing.assert_allclose(query.estimates().p_correct_qm[0, 1], 1.5 * np.e / (1 + 1.5 * np.e))


def test_who_failed_stays_as_the_anchors_say():
    """
    And is not asked again.
    """
    query = query_of(ExpectedValue(0.0), [0.5, 0.5, 0.1])
    assert query.start_next(1) == [0]

    query.record(0, None)

    assert played(query, [NAN, 0.4, NAN]) == [1]
    np.testing.assert_array_equal(query.estimates().p_correct_qm[0, [0, 2]], [0.5, 0.1])


@pytest.mark.parametrize("query_cost_usd", [-1.0, NAN, INF])
def test_a_price_of_rule_is_an_amount(query_cost_usd):
    """
    With the value and what is allowed.
    """
    with pytest.raises(ConfigError, match=r"query_cost_usd is .*; expected a finite number of USD"):
        QueryRule("expected", query_cost_usd)


def test_what_is_expected_to_be_worth_nothing_is_not_asked():
    """
    At a USD an answer nobody is, at a thousandth of a cent those who might win are.
    """
    p = [0.5, 0.5, 0.5]
    for query_cost_usd, asked in ((1.0, 0), (1e-5, 3)):
        query = query_of(ExpectedValue(10.0), p, rule=QueryRule("expected", query_cost_usd))
        assert len(query.start_next(3)) == asked
        assert query.done == (asked == 0)


def test_who_is_hardly_worth_rule_is_left_out():
    """
    .4 becomes .64 at best, and the others are at .6: exact asks about all three, expected
    leaves out one whose answer will move the choice by next to nothing.
    """
    p, policy = [0.4, 0.6, 0.55], ExpectedValue(1.0)

    assert query_of(policy, p).start_next(3) == [1, 2, 0]
    expected = query_of(policy, p, rule=QueryRule("expected", 0.005), shift_std=0.5)
    assert expected.start_next(3) == [1, 2]


policies = st.one_of(
    st.builds(ExpectedValue, st.one_of(st.sampled_from([0.0, 1.0, INF]), st.floats(0, 1e4))),
    st.builds(MinQuality, st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))),
    st.builds(MaxCost, st.one_of(st.sampled_from([0.0, 0.1]), st.floats(0, 0.2))),
)


def run(query, answers, random, failing=frozenset(), running=()):
    """Ask up to three at once, which answer in any order; cancel who is not needed any more."""
    running = list(running)
    while not query.done:
        running += query.start_next(random.randint(1, 3) - len(running))
        model = running.pop(random.randrange(len(running)))
        answer = ReasonerPrediction(answers.p_yes_qm[0, model], answers.tokens_qm[0, model])
        query.record(model, None if model in failing else answer)
        for other in query.cancellable:
            if random.random() < 0.8:
                query.cancel(other)
                running.remove(other)
    return running


def decided(policy, estimates):
    choices = policy.choose(estimates.p_correct_qm, estimates.cost_usd_qm)
    return int(choices.model_q[0]), bool(choices.satisfied_q[0])


@settings(max_examples=300)
@given(asked_questions(), policies, st.randoms(use_true_random=False))
def test_exact_decides_as_if_everybody_had_been_asked(case, policy, random):
    """
    Whatever the answers, the order they come in, ties, gaps and failures.
    """
    blend, models, before, answers = case
    query = SelectiveQuery(policy, blend, before, models)
    failing = {m for m in range(len(models)) if random.random() < 0.1}

    run(query, answers, random, failing)

    heard = [NAN if m in failing else 1.0 for m in range(len(models))]
    everybody = ReasonerPredictions(answers.p_yes_qm * heard, answers.tokens_qm * heard)
    after = blend.apply(before, everybody, models)
    assert decided(policy, query.estimates()) == decided(policy, after)


@given(asked_questions(), policies, st.floats(0, 1e-2), st.randoms(use_true_random=False))
def test_expected_asks_nobody_whom_exact_would_not(case, policy, query_cost_usd, random):
    """
    And comes to an end, with a choice wherever there was one.
    """
    blend, models, before, answers = case
    query = SelectiveQuery(policy, blend, before, models, QueryRule("expected", query_cost_usd))
    able = set(SelectiveQuery(policy, blend, before, models).start_next(len(models)))

    worth = query.start_next(len(models))
    assert set(worth) <= able
    run(query, answers, random, running=worth)

    assert (decided(policy, query.estimates())[0] < 0) == (decided(policy, before)[0] < 0)


@given(asked_questions(), policies, st.randoms(use_true_random=False))
def test_nobody_is_needed_again(case, policy, random):
    """
    Who was superfluous stays so while answers come, unless rounding decides.
    """
    blend, models, before, answers = case
    query = SelectiveQuery(policy, blend, before, models)

    running = run(query, answers, random)

    assert query.n_started + query.n_avoided >= query.n_started
    assert set(running) == set(query.cancellable)
