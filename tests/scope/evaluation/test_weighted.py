import numpy as np

from scope.evaluation.weighted import WeightedPairs


def test_all_cells_of_a_question_have_its_weight():
    """
    Three cells of two questions: the second resample has only the first question with
    both its cells, the third only the second question.
    """
    forecast = np.array([[0.1, 0.2], [0.6, np.nan]])
    weights = np.array([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]])

    cells = WeightedPairs.from_forecasts(forecast, np.ones((2, 2)), weights)

    np.testing.assert_array_equal(cells.question_n, [0, 0, 1])
    np.testing.assert_allclose(cells.mean(cells.forecast_n), [0.3, 0.15, 0.6])


def test_a_resample_without_any_cell_has_no_mean():
    """
    It has only questions without a known cell.
    """
    cells = WeightedPairs.from_forecasts(
        np.array([[0.3], [np.nan]]), np.ones((2, 1)), np.array([[0.5, 0.5], [0, 1]])
    )

    np.testing.assert_allclose(cells.mean(cells.forecast_n), [0.3, np.nan])


def test_blocks_cover_all_resamples():
    """
    More resamples than fit into one block.
    """
    weights = np.random.default_rng(0).random((100_000, 2))
    cells = WeightedPairs.from_forecasts(
        np.array([[0.1, 0.2], [0.6, np.nan]]), np.ones((2, 2)), weights
    )

    got = list(cells.blocks(np.array([2, 0, 1])))

    assert len(got) > 1
    np.testing.assert_array_equal(np.concatenate(got), weights[:, [1, 0, 0]])
