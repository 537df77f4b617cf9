"""A bank whose questions are asked."""

import numpy as np
import pytest

from scope import save_bank
from scope.bank.labelled import LabelledQuestions, StoredFeatures
from scope.errors import BankIntegrityError
from tests.factories.banks import bank_of

CORRECT = np.array([[1, 0], [0, 1], [1, np.nan]])


@pytest.fixture
def saved(tmp_path):
    """A bank of three questions, and its folder."""
    bank = bank_of(CORRECT)
    save_bank(bank, tmp_path / "bank", created_at="2026-01-01", sources=())
    return bank, tmp_path / "bank"


def test_labels_are_those_of_the_bank_for_the_models_asked(saved):
    """
    In the order asked; a model it never measured is unknown.
    """
    labelled = LabelledQuestions.open(saved[1])

    got = labelled.outcomes(("large", "nobody"))

    assert labelled.ids == ("a0", "a1", "a2")
    np.testing.assert_array_equal(got.correct_am, [[0, np.nan], [1, np.nan], [np.nan, np.nan]])


def test_models_of_which_nothing_is_known_leave_no_labels(saved):
    """
    Not a table of unknowns.
    """
    assert LabelledQuestions.open(saved[1]).outcomes(("nobody",)) is None


def test_the_first_questions_have_their_own_labels(saved):
    """
    As --limit takes them.
    """
    labelled = LabelledQuestions.open(saved[1]).head(1)

    assert labelled.ids == ("a0",)
    np.testing.assert_array_equal(labelled.outcomes(("small",)).correct_am, [[1]])


def test_vectors_are_read_for_the_rows_asked(saved):
    """
    In their order, as half precision keeps them.
    """
    bank, path = saved

    embedding_qd, features_qf = StoredFeatures(path).read([2, 0])

    np.testing.assert_allclose(embedding_qd, bank.embedding_ad[[2, 0]], atol=1e-3)
    np.testing.assert_array_equal(features_qf, bank.features_af[[2, 0]])


def test_an_altered_bank_is_refused(saved):
    """
    Its hashes are checked before anything is read.
    """
    (saved[1] / "embeddings.npy").write_bytes(b"rubbish")

    with pytest.raises(BankIntegrityError):
        LabelledQuestions.open(saved[1])
