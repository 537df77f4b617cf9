"""A bank as labelled questions."""

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


def test_outcomes_are_those_of_the_requested_models(saved):
    """
    In the requested order; a model that was never measured is unknown.
    """
    labelled = LabelledQuestions.open(saved[1])

    got = labelled.outcomes(("large", "unknown"))

    assert labelled.ids == ("a0", "a1", "a2")
    np.testing.assert_array_equal(got.correct_am, [[0, np.nan], [1, np.nan], [np.nan, np.nan]])


def test_unknown_models_give_no_outcomes(saved):
    """
    None, not an array of NaN.
    """
    assert LabelledQuestions.open(saved[1]).outcomes(("unknown",)) is None


def test_head_keeps_the_first_questions_with_their_outcomes(saved):
    """
    As --limit does.
    """
    labelled = LabelledQuestions.open(saved[1]).head(1)

    assert labelled.ids == ("a0",)
    np.testing.assert_array_equal(labelled.outcomes(("small",)).correct_am, [[1]])


def test_facts_are_the_categories_of_the_questions(saved):
    """
    In the order of the ids.
    """
    bank, path = saved

    assert LabelledQuestions.open(path).head(2).facts() == bank.categories[:2]


def test_features_are_read_for_the_requested_rows(saved):
    """
    In their order, in half precision.
    """
    bank, path = saved

    embedding_qd, features_qf = StoredFeatures(path).read([2, 0])

    np.testing.assert_allclose(embedding_qd, bank.embedding_ad[[2, 0]], atol=1e-3)
    np.testing.assert_array_equal(features_qf, bank.features_af[[2, 0]])


def test_an_altered_bank_is_refused(saved):
    """
    Its hashes are checked first.
    """
    (saved[1] / "embeddings.npy").write_bytes(b"rubbish")

    with pytest.raises(BankIntegrityError):
        LabelledQuestions.open(saved[1])
