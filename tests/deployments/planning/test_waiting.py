import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.planning.waiting import mean_wait_s, slowdowns, wait_probability

below_one = st.floats(0.01, 0.99)
servers = st.integers(1, 50)


@given(below_one)
def test_one_server_makes_wait_as_often_as_it_works(utilisation):
    """
    Poisson arrivals see the server busy for its share of the time.
    """
    assert wait_probability(1, utilisation) == pytest.approx(utilisation)


@given(servers, below_one)
def test_more_servers_of_the_same_utilisation_make_wait_less_often(n, utilisation):
    """
    A call finds one of many free more easily.
    """
    chance = wait_probability(n, utilisation)

    assert 0 <= wait_probability(n + 1, utilisation) <= chance <= 1


def test_the_wait_of_one_server_is_the_textbook_one():
    """
    M/M/1 at 0.8: ``0.8 / 0.2 * S``; M/D/1 is half of it.
    """
    assert mean_wait_s(1, 0.8, 0.1, 1.0) == pytest.approx(0.4)
    assert mean_wait_s(1, 0.8, 0.1, 0.0) == pytest.approx(0.2)


def test_a_full_server_makes_wait_for_ever():
    """
    At a utilisation of 1 the queue grows without end.
    """
    assert mean_wait_s(3, 1.0, 0.1, 0.0) == math.inf


@given(servers, below_one, below_one)
def test_more_load_never_shortens_the_wait(n, one, other):
    """
    For each number of servers.
    """
    low, high = sorted((one, other))

    assert mean_wait_s(n, low, 1.0, 0.5) <= mean_wait_s(n, high, 1.0, 0.5) + 1e-12


def test_processes_with_cores_of_their_own_are_not_slowed_down():
    """
    Two of them on two cores.
    """
    assert slowdowns([(1, 1.0), (1, 1.0)], 2).tolist() == [1.0, 1.0]


def test_processes_that_always_compute_share_the_cores_evenly():
    """
    Six on two cores get a third of a core each.
    """
    assert slowdowns([(4, 1.0), (2, 1.0)], 2) == pytest.approx([3.0, 3.0])


def test_a_process_does_not_slow_itself_down():
    """
    Alone on one core it has all of it, however busy it is; of a pair each meets the other half of
    the time.
    """
    assert slowdowns([(1, 0.9)], 1).tolist() == [1.0]
    assert slowdowns([(2, 0.5)], 1).tolist() == [1.5]


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=5))
@example([(3, 5e-324)])  # scipy overflows at such a chance
def test_more_cores_never_slow_a_process_down(groups):
    """
    And there is no process that is faster than alone.
    """
    few, many = slowdowns(groups, 2), slowdowns(groups, 3)

    assert np.all(many <= few + 1e-9)
    assert np.all(many >= 1 - 1e-9)
