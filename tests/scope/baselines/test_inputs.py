import numpy as np

from scope.baselines.inputs import (
    DesignMatrix,
    TrainingSet,
    known_log_loss,
    validation_mask,
)
from tests.factories.banks import bank_of


def test_columns_are_standardised_over_the_anchors():
    """
    Mean 0 and standard deviation 1 on the anchors; a constant column is 0.
    """
    bank = bank_of(np.ones((50, 2)))

    design = DesignMatrix(bank).transform(bank.embedding_ad, bank.features_af)

    np.testing.assert_allclose(design.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(design.std(axis=0)[:5], 1)
    np.testing.assert_array_equal(design[:, 5:], 0)


def test_means_are_shrunk_off_0_and_1():
    """
    2 of 2 correct: 3 / 4. Never measured: 1 / 2.
    """
    training_set = TrainingSet(np.zeros((2, 1)), np.array([[1.0, np.nan], [1.0, np.nan]]))

    np.testing.assert_allclose(training_set.mean_m(), [0.75, 0.5])


def test_validation_anchors_are_a_fifth_drawn_by_id():
    """
    The same ids are drawn in any order of the anchors.
    """
    ids = tuple(f"a{i}" for i in range(50))

    validation = validation_mask(ids)

    assert validation.sum() == 10
    np.testing.assert_array_equal(validation_mask(ids[::-1]), validation[::-1])


def test_the_loss_is_over_known_cells():
    """
    One cell of p = .5: log 2.
    """
    got = known_log_loss(np.array([[0.5, 0.9]]), np.array([[1.0, np.nan]]))

    np.testing.assert_allclose(got, np.log(2))
