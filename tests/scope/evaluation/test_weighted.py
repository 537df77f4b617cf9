import numpy as np

from scope.evaluation.weighted import WeightedPairs


def test_cells_of_one_question_come_and_go_together():
    """
    Three cells of two questions: the second resample holds the first question alone,
    with both its cells, the third the second.
    """
    forecast = np.array([[0.1, 0.2], [0.6, np.nan]])
    weights = np.array([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]])

    cells = WeightedPairs.from_forecasts(forecast, np.ones((2, 2)), weights)

    np.testing.assert_array_equal(cells.question_n, [0, 0, 1])
    np.testing.assert_allclose(cells.mean(cells.forecast_n), [0.3, 0.15, 0.6])


def test_a_resample_without_any_cell_has_no_mean():
    """
    It drew only questions about which nothing is known.
    """
    cells = WeightedPairs.from_forecasts(
        np.array([[0.3], [np.nan]]), np.ones((2, 1)), np.array([[0.5, 0.5], [0, 1]])
    )

    np.testing.assert_allclose(cells.mean(cells.forecast_n), [0.3, np.nan])


def test_blocks_add_up_to_all_resamples():
    """
    More than fit into one.
    """
    weights = np.random.default_rng(0).random((100_000, 2))
    cells = WeightedPairs.from_forecasts(
        np.array([[0.1, 0.2], [0.6, np.nan]]), np.ones((2, 2)), weights
    )

    got = list(cells.blocks(np.array([2, 0, 1])))

    assert len(got) > 1
    np.testing.assert_array_equal(np.concatenate(got), weights[:, [1, 0, 0]])
