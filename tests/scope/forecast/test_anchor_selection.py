"""Selection of the anchors to measure a new model on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope.forecast.anchor_selection import select_anchors
from scope.forecast.transfer import TransferModel
from tests.factories.transfer import transfer_model

SEEDS = st.integers(0, 2**32 - 1)


def level_only(n=8):
    """Every anchor informs about the level alone: prior variance 1, noise 1."""
    design_nx = np.column_stack([np.ones(n), np.zeros((n, 2))])
    covariance_xx = np.diag([1.0, 1e-9, 1e-9])
    return TransferModel(np.ones(1), np.ones((1, 1)), design_nx, np.zeros(3), covariance_xx, 1.0)


def expected_width(transfer, selected):
    """The half-width after measuring `selected`, by inverting the posterior precision."""
    design_jx = transfer.design_nx[selected]
    precision_xx = np.linalg.inv(transfer.covariance_xx) + design_jx.T @ design_jx / transfer.noise
    new_nx = transfer.design_nx.copy()
    new_nx[:, 1 + transfer.direction_mz.shape[1] :] = 0  # the residual of a new question is unknown
    variance_n = (new_nx * np.linalg.solve(precision_xx, new_nx.T).T).sum(axis=1)
    return 1.645 * np.sqrt(variance_n.mean())


def select(transfer, *, cost=1.0, n_min=0, n_max=1000, budget=np.inf, half_width=0.0):
    cost_usd_n = np.broadcast_to(np.asarray(cost, dtype=float), len(transfer.design_nx))
    return select_anchors(transfer, cost_usd_n, (n_min, n_max), budget, half_width)


def test_half_widths_are_those_of_a_mean():
    """
    Prior variance 1, noise 1: after n outcomes the variance is 1 / (1 + n).
    """
    got = select(level_only())

    np.testing.assert_allclose(got.half_width_j, 1.645 / np.sqrt(np.arange(2, 10)), rtol=1e-6)


@pytest.mark.parametrize(
    ("rules", "n_selected"),
    [
        pytest.param({}, 8, id="all anchors"),
        pytest.param({"n_max": 3}, 3, id="maximum"),
        pytest.param({"half_width": 0.75}, 4, id="stops at the first width within: 1.645 / √5"),
        pytest.param({"half_width": 0.75, "n_min": 6}, 6, id="not before the minimum"),
        pytest.param({"half_width": 0.75, "n_max": 2}, 2, id="maximum before half-width"),
        pytest.param({"half_width": 2.0}, 0, id="narrow enough without anchors"),
        pytest.param({"cost": 0.5, "budget": 2.6}, 5, id="the budget"),
        pytest.param({"cost": 0.5, "budget": 0.4, "n_min": 3}, 0, id="too small a budget"),
        pytest.param({"cost": 0.0, "budget": 0.1}, 8, id="free"),
    ],
)
def test_selection_stops_at_the_first_limit(rules, n_selected):
    """
    The half-widths are 1.16, .95, .82, .74, .67, .62 …
    """
    assert len(select(level_only(), **rules).anchor_j) == n_selected


def test_with_a_budget_cheaper_anchors_come_first():
    """
    With equal variance reductions, the reduction per USD decides.
    """
    cost = [5.0, 3, 1, 2, 7, 8, 6, 4]

    got = select(level_only(), cost=cost, budget=10.0)

    assert got.anchor_j.tolist() == [2, 3, 1, 7]


def test_an_anchor_without_a_cost_is_never_selected():
    """
    With and without a budget.
    """
    cost = np.array([1.0, np.nan, 1, 1, np.nan, 1, 1, 1])

    for budget in (np.inf, 100.0):
        assert sorted(select(level_only(), cost=cost, budget=budget).anchor_j) == [
            *(0, 2, 3),
            *(5, 6, 7),
        ]


@settings(max_examples=25)
@given(seed=SEEDS, budget=st.floats(0.5, 20.0))
def test_selections_stay_within_the_budget_and_widths_decrease(seed, budget):
    """
    No anchor twice, total cost within the budget, no affordable anchor left, each half-width
    below the one before.
    """
    transfer, rng = transfer_model(seed), np.random.default_rng(seed)
    cost_usd_n = rng.uniform(0.1, 2.0, 60)

    got = select(transfer, cost=cost_usd_n, budget=budget)

    total = cost_usd_n[got.anchor_j].sum()
    rest_n = np.delete(cost_usd_n, got.anchor_j)
    assert len(np.unique(got.anchor_j)) == len(got.anchor_j)
    assert total <= budget + 1e-9
    assert not rest_n.size or rest_n.min() > budget - total - 1e-9
    assert (np.diff(got.half_width_j) < 0).all()


@settings(max_examples=25)
@given(seed=SEEDS, n_selected=st.integers(1, 30))
def test_selected_anchors_reduce_the_width_more_than_random_ones(seed, n_selected):
    """
    The last half-width is that of the posterior; random selections of the same size are wider.
    """
    transfer, rng = transfer_model(seed), np.random.default_rng(seed)

    got = select(transfer, n_max=n_selected)

    draws = [rng.choice(60, n_selected, replace=False) for _ in range(20)]
    random = np.mean([expected_width(transfer, draw) for draw in draws])
    assert got.half_width_j[-1] == pytest.approx(expected_width(transfer, got.anchor_j), rel=1e-6)
    assert got.half_width_j[-1] < random
