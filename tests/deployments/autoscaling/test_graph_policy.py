"""How many replicas the policy asks for, on loads that a person can check."""

import subprocess
import sys

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.autoscaling import graph_policy, scale_graph
from tests.deployments.autoscaling.contexts import BOUNDS, contexts


def replicas(**given):
    """The numbers the policy asks for, of a first call."""
    return scale_graph(contexts(**given))[0]


def test_at_its_target_nothing_changes():
    """
    Three Embedders with 30 requests have 10 each, as they should; so have two Predictors with 20.
    """
    steady = replicas(Router=(60, 1), Embedder=(30, 3), Predictor=(20, 2))

    assert steady == {"Router": 1, "Embedder": 3, "Predictor": 2}


def test_a_predictor_is_started_before_the_requests_leave_the_embedder():
    """
    80 requests need 8 Embedders, and 2 run: four times as much will reach the Predictor as now,
    7 * 4 = 28 requests, which is 3 of 10 each. By its own 7 requests one would do.
    """
    wanted = replicas(Router=(100, 1), Embedder=(80, 2), Predictor=(7, 1))

    assert wanted == {"Router": 1, "Embedder": 8, "Predictor": 3}


def test_no_more_is_passed_on_than_the_largest_number_answers():
    """
    300 requests would need 30 Embedders, but 8 is the most: the Predictor gets 8 / 2 = 4 times
    as much as now, 2 * 4 = 8 requests, and one is enough.
    """
    assert replicas(Router=(300, 1), Embedder=(300, 2), Predictor=(2, 1))["Predictor"] == 1


def test_a_predictor_with_room_stays_alone():
    """
    Twice as much of one request is two: the queue in front of the Embedder starts no Predictor.
    """
    assert replicas(Router=(60, 1), Embedder=(40, 2), Predictor=(1, 1))["Predictor"] == 1


def test_growth_of_the_router_counts_downstream_at_once():
    """
    The Router's load was 20 on average and is 36, of which 6 = sqrt(36) may be noise: half as much
    again is expected everywhere. 28 requests of the Embedder count as 42, which is 5 of 10 each;
    by themselves they need 3.
    """
    state = {"Router": {"average_load": 20.0, "updated_at_s": 0.0}}
    wanted, _ = scale_graph(
        contexts(state=state, at_s=1.0, Router=(36, 1), Embedder=(28, 3), Predictor=(9, 1))
    )

    assert wanted == {"Router": 1, "Embedder": 5, "Predictor": 2}


def test_a_few_requests_more_are_no_growth():
    """
    From 2 on average to 4 now, of which 2 = sqrt(4) may be noise.
    """
    state = {"Router": {"average_load": 2.0, "updated_at_s": 0.0}}
    wanted, _ = scale_graph(contexts(state=state, at_s=1.0, Router=(4, 1), Embedder=(30, 3)))

    assert wanted["Embedder"] == 3


def test_growth_is_expected_to_double_the_load_at_most():
    """
    From 1 to 100 requests: the Embedder's 28 count as 56, not as 2,800.
    """
    state = {"Router": {"average_load": 1.0, "updated_at_s": 0.0}}
    wanted, _ = scale_graph(contexts(state=state, at_s=0.1, Router=(100, 1), Embedder=(28, 3)))

    assert wanted["Embedder"] == 6


def test_the_average_follows_the_load_in_ten_seconds():
    """
    After 10 s it has gone 63 % of the way, 1 - 1/e: from 20 to 100 that is 70.6.
    """
    state = {"Router": {"average_load": 20.0, "updated_at_s": 5.0}}
    _, new = scale_graph(contexts(state=state, at_s=15.0, Router=(100, 1)))

    assert new["Router"]["average_load"] == pytest.approx(20 + 80 * 0.632, abs=0.1)
    assert new["Router"]["updated_at_s"] == 15.0


def test_a_load_that_falls_expects_no_less_than_now():
    """
    A deployment keeps what its own requests need while the Router's load falls.
    """
    state = {"Router": {"average_load": 100.0, "updated_at_s": 0.0}}
    wanted, _ = scale_graph(contexts(state=state, at_s=1.0, Router=(10, 1), Embedder=(30, 3)))

    assert wanted["Embedder"] == 3


@pytest.mark.parametrize(("load", "wanted"), [(30, 4), (25, 4), (24, 3), (0, 3)])
def test_a_replica_is_removed_only_if_the_others_have_room(load, wanted):
    """
    Four Embedders with 25 requests: three would have 8.3 each, more than 80 % of 10. With 24
    they have exactly 8. One goes at a time, however little there is to do.
    """
    assert replicas(Embedder=(load, 4))["Embedder"] == wanted


def test_a_quarter_goes_at_a_time():
    """
    Eight Embedders without requests: six are left after the first delay of Serve, then five.
    """
    assert replicas(Embedder=(0, 8))["Embedder"] == 6
    assert replicas(Embedder=(0, 6))["Embedder"] == 5


def test_an_idle_application_shrinks_to_its_minimum():
    """
    No requests anywhere: from the largest numbers down, call after call.
    """
    now = {name: largest for name, (_, largest) in BOUNDS.items()}
    for _ in range(8):
        now = replicas(**{name: (0.0, n) for name, n in now.items()})

    assert now == {name: smallest for name, (smallest, _) in BOUNDS.items()}


def test_the_engine_follows_its_own_load():
    """
    It takes a GPU and minutes to start: 40 requests fit one, whatever waits before it.
    """
    wanted = replicas(Router=(900, 1), Embedder=(80, 2), Predictor=(70, 1), ScopeEngine=(40, 1))

    assert wanted["ScopeEngine"] == 1


def test_replicas_that_are_starting_are_not_asked_for_again():
    """
    Eight Embedders are wanted and two run yet: their 80 requests still need eight.
    """
    assert replicas(Router=(90, 1), Embedder=(80, 2, 8))["Embedder"] == 8


def test_a_deployment_without_replicas_is_no_division_by_zero():
    """
    As while the only Embedder is being replaced.
    """
    assert replicas(Router=(10, 1), Embedder=(10, 0), Predictor=(10, 1)) == {
        "Router": 1,
        "Embedder": 2,
        "Predictor": 1,
    }


loads = st.floats(0, 2000) | st.floats(1, 100)
counts = st.integers(0, 10)


def after(before, load, running):
    """The numbers for loads of Router, Embedder and Predictor; the average was another."""
    state = {"Router": {"average_load": before, "updated_at_s": 0.0}}
    pairs = zip(load, running, strict=True)
    deployments = dict(zip(("Router", "Embedder", "Predictor"), pairs, strict=True))
    return scale_graph(contexts(state=state, at_s=1.0, **deployments))[0]


@given(st.tuples(loads, loads, loads), st.tuples(counts, counts, counts), loads)
def test_never_beyond_the_bounds(load, running, before):
    """
    Whatever the load and the number that runs.
    """
    for name, n in after(before, load, running).items():
        smallest, largest = BOUNDS[name]
        assert smallest <= n <= largest


@given(
    st.tuples(loads, loads, loads),
    st.tuples(loads, loads, loads),
    st.tuples(counts, counts, counts),
    loads,
)
def test_more_load_never_means_fewer_replicas(load, more, running, before):
    """
    More requests anywhere: no deployment gets a smaller number.
    """
    less = after(before, load, running)
    greater = after(before, [a + b for a, b in zip(load, more, strict=True)], running)

    assert all(less[name] <= greater[name] for name in less)


def test_the_controller_needs_nothing_of_ours():
    """
    Serve sends the module by value to the controller, which may have no `deployments`: the
    pickled policy runs in a process that cannot import it.
    """
    cloudpickle.register_pickle_by_value(graph_policy)
    try:
        policy = cloudpickle.dumps(scale_graph)
    finally:
        cloudpickle.unregister_pickle_by_value(graph_policy)
    code = (
        "import cloudpickle, sys; sys.path = [p for p in sys.path if p];"
        "policy = cloudpickle.loads(sys.stdin.buffer.read());"
        "assert 'deployments' not in sys.modules; print(policy({}))"
    )

    done = subprocess.run([sys.executable, "-I", "-c", code], input=policy, capture_output=True)

    assert done.stdout.decode().strip() == "({}, {})", done.stderr.decode()
