"""Which models to query the reasoner about, one question at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope import ExpectedValue, MaxCost, MinQuality
from scope.errors import ConfigError
from scope.fusion.selective_query import QueryRule, SelectiveQuery
from scope.reasoner.answers import ReasonerPrediction, ReasonerPredictions
from tests.factories.blends import NAN, blend_of, estimates_of, pool, random_cases

INF = float("inf")
MODELS = pool(1.0, 2.0, 4.0)
TOKENS = [[1_000.0] * 3]


def query_of(policy, p, *, rule=None, models=MODELS, one_query=False, **blend):
    """One question; an answer changes log odds by at most one."""
    settings = {"low": -1.0, "high": 1.0, **blend}
    before = estimates_of([p], [[1_000.0] * len(p)], models)
    blended = blend_of(len(p), **settings)
    return SelectiveQuery(policy, blended, before, models, rule, one_query=one_query)


def query_in_turn(query, p_yes, tokens=None):
    """Query one model after another until done; return the models in this order."""
    order = []
    while not query.done:
        (model,) = query.start_next(1)
        order.append(model)
        answer = ReasonerPrediction(p_yes[model], NAN if tokens is None else tokens[model])
        query.record({model: answer})
    return order


def test_only_models_that_can_be_chosen_are_queried():
    """
    At .9 and .85 both can; .2 becomes .4 at best.
    """
    query = query_of(ExpectedValue(0.0), [0.9, 0.85, 0.2])

    assert query_in_turn(query, [0.5, 0.5, 0.5]) == [0, 1]
    assert (query.n_started, query.n_avoided) == (2, 1)


def test_a_good_answer_makes_other_queries_unnecessary():
    """
    The first model becomes better than the second can.
    """
    query = query_of(ExpectedValue(0.0), [0.9, 0.75, 0.2])

    assert query_in_turn(query, [0.9, 0.5, 0.5]) == [0]
    np.testing.assert_allclose(query.estimates().p_correct_qm[0, 1:], [0.75, 0.2])


def test_no_model_is_queried_where_only_cost_counts():
    """
    No answer changes which model is the cheapest.
    """
    query = query_of(ExpectedValue(INF), [0.5, 0.5, 0.5])

    assert query.done
    assert query.start_next(5) == []
    assert (query.n_started, query.n_avoided) == (0, 3)


def test_without_weight_no_model_is_queried():
    """
    No answer can change an estimate, so none counts as avoided.
    """
    query = query_of(ExpectedValue(0.0), [0.5, 0.5, 0.5], weight=0.0)

    assert query.done
    assert (query.n_started, query.n_avoided) == (0, 0)


def test_the_cheapest_model_that_can_reach_the_target_comes_first():
    """
    Target .6, all at .5: the cheapest is queried, becomes .73 and is chosen.
    """
    query = query_of(MinQuality(0.6), [0.5, 0.5, 0.5])

    assert query_in_turn(query, [0.9, 0.9, 0.9]) == [0]


def test_a_model_certain_to_reach_the_target_is_not_queried():
    """
    .9 stays above .6, and a cheaper model can still reach the target.
    """
    query = query_of(MinQuality(0.6), [0.5, 0.9, 0.9])

    assert query_in_turn(query, [0.1, 0.5, 0.5]) == [0]


def test_no_model_over_the_limit_is_queried():
    """
    2,000 tokens at 4 USD a million are .008 USD.
    """
    query = query_of(MaxCost(0.005), [0.5, 0.5, 0.9])

    assert sorted(query_in_turn(query, [0.5, 0.5, 0.5])) == [0, 1]


def test_lengths_alone_can_decide():
    """
    .004 and .006 USD, a limit of .005: only predicted lengths tell which model is within it.
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

    assert query_in_turn(query, [NAN, NAN], [1_000.0, 400.0]) == [1]
    assert MaxCost(0.005).choose(
        query.estimates().p_correct_qm, query.estimates().cost_usd_qm
    ).model_q == [1]


def test_at_most_n_queries_start():
    """
    Three are worthwhile, two start: the third starts when a query has ended.
    """
    query = query_of(ExpectedValue(0.0), [0.5, 0.5, 0.5])

    assert query.start_next(2) == [0, 1]
    assert query.start_next(0) == []
    query.record({0: ReasonerPrediction(0.5, NAN)})
    assert query.start_next(1) == [2]
    assert not query.done


def test_an_unnecessary_query_is_cancellable_and_counts_as_started():
    """
    Two queries run; after a good answer to one the other model cannot be chosen.
    """
    query = query_of(ExpectedValue(0.0), [0.8, 0.6, 0.2])
    assert query.start_next(2) == [0, 1]

    query.record({0: ReasonerPrediction(0.99, NAN)})

    assert query.cancellable == (1,)
    assert query.done
    query.cancel(1)
    assert query.cancellable == ()
    assert (query.n_started, query.n_avoided) == (2, 1)


def test_an_answer_after_the_cancellation_still_counts():
    """
    A query can end before the cancellation reaches it.
    """
    query = query_of(ExpectedValue(0.0), [0.8, 0.6, 0.2])
    query.start_next(2)
    query.record({0: ReasonerPrediction(0.99, NAN)})
    query.cancel(1)

    query.record({1: ReasonerPrediction(0.99, NAN)})

    np.testing.assert_allclose(query.estimates().p_correct_qm[0, 1], 1.5 * np.e / (1 + 1.5 * np.e))


def test_after_a_failed_query_the_estimates_of_the_anchors_stay():
    """
    The model is not queried again.
    """
    query = query_of(ExpectedValue(0.0), [0.5, 0.5, 0.1])
    assert query.start_next(1) == [0]

    query.record({0: None})

    assert query_in_turn(query, [NAN, 0.4, NAN]) == [1]
    np.testing.assert_array_equal(query.estimates().p_correct_qm[0, [0, 2]], [0.5, 0.1])


def test_one_query_can_be_about_all_models():
    """
    It is the only one; its answers are recorded together, also where no query was needed.
    """
    query = query_of(ExpectedValue(0.0), [0.6, 0.6, 0.1], one_query=True)

    assert query.start_next(3) == [0]
    assert query.start_next(3) == []
    assert not query.done
    query.record({m: ReasonerPrediction(p, NAN) for m, p in enumerate([0.3, 0.5, 0.4])})

    assert query.done
    assert (query.n_started, query.n_avoided) == (1, 0)
    odds = np.array([1.5, 1.5, 1 / 9]) * np.array([3 / 7, 1.0, 2 / 3])
    np.testing.assert_allclose(query.estimates().p_correct_qm[0], odds / (1 + odds))


@pytest.mark.parametrize(
    ("policy", "blend", "n_avoided"),
    [
        pytest.param(ExpectedValue(INF), {}, 1, id="no answer could change the decision"),
        pytest.param(ExpectedValue(0.0), {"weight": 0.0}, 0, id="no answer changes anything"),
    ],
)
def test_one_query_about_all_models_is_avoided(policy, blend, n_avoided):
    """
    It counts as one, however many models there are.
    """
    query = query_of(policy, [0.5, 0.5, 0.5], one_query=True, **blend)

    assert query.done
    assert (query.n_started, query.n_avoided) == (0, n_avoided)


def test_one_query_that_fails_ends_it():
    """
    About all models the estimates of the anchors stay.
    """
    query = query_of(ExpectedValue(0.0), [0.5, 0.5, 0.5], one_query=True)
    query.start_next(1)

    query.record(dict.fromkeys(range(3)))

    assert query.done
    assert query.start_next(3) == []
    np.testing.assert_array_equal(query.estimates().p_correct_qm[0], [0.5] * 3)


def test_one_query_must_be_worth_its_cost():
    """
    Of the answer about a single model, which is worth no more than all of them.
    """
    p = [0.5, 0.5, 0.5]
    for query_cost_usd, started in ((1.0, []), (1e-5, [0])):
        rule = QueryRule("expected", query_cost_usd)
        query = query_of(ExpectedValue(10.0), p, rule=rule, one_query=True)
        assert query.start_next(1) == started


@pytest.mark.parametrize("query_cost_usd", [-1.0, NAN, INF])
def test_a_query_cost_is_a_finite_amount(query_cost_usd):
    """
    The error names the value and the range.
    """
    with pytest.raises(ConfigError, match=r"query_cost_usd is .*; expected a finite number of USD"):
        QueryRule("expected", query_cost_usd)


def test_a_query_that_costs_more_than_its_gain_is_not_started():
    """
    At a USD a query none is, at a thousandth of a cent all three are.
    """
    p = [0.5, 0.5, 0.5]
    for query_cost_usd, n_queries in ((1.0, 0), (1e-5, 3)):
        query = query_of(ExpectedValue(10.0), p, rule=QueryRule("expected", query_cost_usd))
        assert len(query.start_next(3)) == n_queries
        assert query.done == (n_queries == 0)


def test_expected_leaves_out_a_query_with_little_gain():
    """
    .4 becomes .64 at best, and the others are near .6: exact queries all three models,
    expected leaves out the one that hardly ever changes the choice.
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
    """Run up to three queries at once, ending in any order; cancel most unnecessary ones."""
    running = list(running)
    while not query.done:
        running += query.start_next(random.randint(1, 3) - len(running))
        model = running.pop(random.randrange(len(running)))
        answer = ReasonerPrediction(answers.p_yes_qm[0, model], answers.tokens_qm[0, model])
        query.record({model: None if model in failing else answer})
        for other in query.cancellable:
            if random.random() < 0.8:
                query.cancel(other)
                running.remove(other)
    return running


def decided(policy, estimates):
    choices = policy.choose(estimates.p_correct_qm, estimates.cost_usd_qm)
    return int(choices.model_q[0]), bool(choices.satisfied_q[0])


@settings(max_examples=300)
@given(random_cases(), policies, st.randoms(use_true_random=False))
def test_exact_decides_as_after_querying_all_models(case, policy, random):
    """
    For any answers and order of answers, with ties, gaps and failures.
    """
    blend, models, before, answers = case
    query = SelectiveQuery(policy, blend, before, models)
    failing = {m for m in range(len(models)) if random.random() < 0.1}

    run(query, answers, random, failing)

    succeeded = [NAN if m in failing else 1.0 for m in range(len(models))]
    all_answers = ReasonerPredictions(answers.p_yes_qm * succeeded, answers.tokens_qm * succeeded)
    after = blend.apply(before, all_answers, models)
    assert decided(policy, query.estimates()) == decided(policy, after)


@given(random_cases(), policies, st.floats(0, 1e-2), st.randoms(use_true_random=False))
def test_expected_queries_only_models_that_exact_queries(case, policy, query_cost_usd, random):
    """
    It ends, with a choice wherever there was one before.
    """
    blend, models, before, answers = case
    query = SelectiveQuery(policy, blend, before, models, QueryRule("expected", query_cost_usd))
    undecided = set(SelectiveQuery(policy, blend, before, models).start_next(len(models)))

    worthwhile = query.start_next(len(models))
    assert set(worthwhile) <= undecided
    run(query, answers, random, running=worthwhile)

    assert (decided(policy, query.estimates())[0] < 0) == (decided(policy, before)[0] < 0)


@given(random_cases(), policies, st.randoms(use_true_random=False))
def test_an_unnecessary_query_stays_unnecessary(case, policy, random):
    """
    While answers arrive, unless rounding decides.
    """
    blend, models, before, answers = case
    query = SelectiveQuery(policy, blend, before, models)

    running = run(query, answers, random)

    assert query.n_started + query.n_avoided >= query.n_started
    assert set(running) == set(query.cancellable)
