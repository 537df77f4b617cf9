"""Which anchors a new model is asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope.forecast import anchor_selection as choice
from scope.forecast.transfer import TransferModel
from tests.factories.transfer import kinship_of

SEEDS = st.integers(0, 2**32 - 1)


def level_only(n=8):
    """Every anchor tells the level alone: prior variance 1, noise 1."""
    design_nx = np.column_stack([np.ones(n), np.zeros((n, 2))])
    covariance_xx = np.diag([1.0, 1e-9, 1e-9])
    return TransferModel(np.ones(1), np.ones((1, 1)), design_nx, np.zeros(3), covariance_xx, 1.0)


def expected_width(kinship, chosen):
    """The half-width after measuring `chosen`, by inverting the posterior precision."""
    design_jx = kinship.design_nx[chosen]
    precision_xx = np.linalg.inv(kinship.covariance_xx) + design_jx.T @ design_jx / kinship.noise
    new_nx = kinship.design_nx.copy()
    new_nx[:, 1 + kinship.direction_mz.shape[1] :] = 0  # the surprise of a new question is unknown
    variance_n = (new_nx * np.linalg.solve(precision_xx, new_nx.T).T).sum(axis=1)
    return 1.645 * np.sqrt(variance_n.mean())


def choose(kinship, *, price=1.0, fewest=0, most=1000, budget=np.inf, narrow=0.0):
    price_n = np.broadcast_to(np.asarray(price, dtype=float), len(kinship.design_nx))
    return choice.select_anchors(kinship, price_n, (fewest, most), budget, narrow)


def test_widths_are_those_of_a_mean():
    """
    Prior variance 1, noise 1: after s outcomes the variance is 1 / (1 + s).
    """
    got = choose(level_only())

    np.testing.assert_allclose(got.half_width_j, 1.645 / np.sqrt(np.arange(2, 10)), rtol=1e-6)


@pytest.mark.parametrize(
    ("rules", "n_chosen"),
    [
        pytest.param({}, 8, id="all there are"),
        pytest.param({"most": 3}, 3, id="the most"),
        pytest.param({"narrow": 0.75}, 4, id="stops at the first width within: 1.645 / √5"),
        pytest.param({"narrow": 0.75, "fewest": 6}, 6, id="not before the fewest"),
        pytest.param({"narrow": 0.75, "most": 2}, 2, id="the most comes first"),
        pytest.param({"narrow": 2.0}, 0, id="narrow enough at once"),
        pytest.param({"price": 0.5, "budget": 2.6}, 5, id="the budget"),
        pytest.param({"price": 0.5, "budget": 0.4, "fewest": 3}, 0, id="too small a budget"),
        pytest.param({"price": 0.0, "budget": 0.1}, 8, id="free"),
    ],
)
def test_choosing_stops(rules, n_chosen):
    """
    At whatever comes first; widths are 1.16, .95, .82, .74, .67, .62 …
    """
    assert len(choose(level_only(), **rules).anchor_j) == n_chosen


def test_the_cheaper_of_two_alike_comes_first():
    """
    Under a budget what counts is what an anchor tells per USD.
    """
    price = [5.0, 3, 1, 2, 7, 8, 6, 4]

    got = choose(level_only(), price=price, budget=10.0)

    assert got.anchor_j.tolist() == [2, 3, 1, 7]


def test_an_anchor_without_a_price_is_never_chosen():
    """
    Not even if all others are.
    """
    price = np.array([1.0, np.nan, 1, 1, np.nan, 1, 1, 1])

    for budget in (np.inf, 100.0):
        assert sorted(choose(level_only(), price=price, budget=budget).anchor_j) == [
            *(0, 2, 3),
            *(5, 6, 7),
        ]


@settings(max_examples=25)
@given(seed=SEEDS, budget=st.floats(0.5, 20.0))
def test_choices_keep_to_the_budget_and_only_narrow(seed, budget):
    """
    No anchor twice, the bill within the budget, nothing affordable left, every width below the
    last.
    """
    kinship, rng = kinship_of(seed), np.random.default_rng(seed)
    price_n = rng.uniform(0.1, 2.0, 60)

    got = choose(kinship, price=price_n, budget=budget)

    bill = price_n[got.anchor_j].sum()
    rest_n = np.delete(price_n, got.anchor_j)
    assert len(np.unique(got.anchor_j)) == len(got.anchor_j)
    assert bill <= budget + 1e-9
    assert not rest_n.size or rest_n.min() > budget - bill - 1e-9
    assert (np.diff(got.half_width_j) < 0).all()


@settings(max_examples=25)
@given(seed=SEEDS, n_chosen=st.integers(1, 30))
def test_chosen_anchors_tell_more_than_random_ones(seed, n_chosen):
    """
    The last width is that of the posterior of the chosen; random draws of as many are wider.
    """
    kinship, rng = kinship_of(seed), np.random.default_rng(seed)

    got = choose(kinship, most=n_chosen)

    draws = [rng.choice(60, n_chosen, replace=False) for _ in range(20)]
    random = np.mean([expected_width(kinship, draw) for draw in draws])
    assert got.half_width_j[-1] == pytest.approx(expected_width(kinship, got.anchor_j), rel=1e-6)
    assert got.half_width_j[-1] < random
