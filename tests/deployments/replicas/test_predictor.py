import numpy as np
import pytest

from deployments.protocol.messages import PredictionRequest
from deployments.replicas.predictor import Predictor
from scope.bank.store import load_bank, save_bank
from scope.predictor.predictor import AnchorPredictor
from tests.factories.banks import two_kinds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("banks") / "bank"
    save_bank(two_kinds(), folder, created_at="2026-01-01T00:00:00+00:00", sources=())
    return folder


@pytest.fixture(scope="module")
def bank(folder):
    return load_bank(folder)


def call(bank, rows, version=None):
    """The call of some anchors."""
    vector_qd = bank.embedding_ad[rows].astype(np.float32)
    return PredictionRequest(version or bank.version, vector_qd, bank.features_af[rows])


def test_calls_that_are_predicted_together_get_what_each_would_alone(folder, bank):
    """
    To the last bit.
    """
    predictor = Predictor(str(folder))
    estimates, _ = AnchorPredictor(bank).predict(*call(bank, [0, 1, 2])[1:])

    one, two = predictor.predict([call(bank, [0]), call(bank, [1, 2])])

    assert (len(one), len(two)) == (1, 2)
    for q, prediction in enumerate([*one, *two]):
        assert prediction.value_em[0].tolist() == estimates.p_correct_qm[q].tolist()


def test_a_call_for_another_bank_gets_none(folder, bank):
    """
    Others in the batch get theirs.
    """
    theirs, ours = Predictor(str(folder)).predict([call(bank, [0], "other"), call(bank, [1])])

    assert theirs is None
    assert len(ours) == 1


def test_a_predictor_that_foretells_is_well(folder):
    """
    Serve restarts one that raises.
    """
    Predictor(str(folder)).check_health()
