import numpy as np
import pytest

from deployments.protocol.messages import PredictionRequest
from deployments.replicas.predictor import Predictor
from scope.bank.store import load_bank, save_bank
from scope.predictor.predictor import AnchorPredictor
from tests.factories.banks import two_kinds
from tests.factories.second_encoders import fitted_with_both


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("banks") / "bank"
    save_bank(two_kinds(), folder, created_at="2026-01-01T00:00:00+00:00", sources=())
    return folder


@pytest.fixture(scope="module")
def bank(folder):
    return load_bank(folder)


def request(bank, rows, version=None):
    """A request for some anchors."""
    vector_qd = bank.embedding_ad[rows].astype(np.float32)
    return PredictionRequest(version or bank.version, vector_qd, bank.features_af[rows])


def test_a_batch_gives_the_predictions_of_single_calls(folder, bank):
    """
    Bit for bit.
    """
    predictor = Predictor(str(folder))
    estimates, _ = AnchorPredictor(bank).predict(*request(bank, [0, 1, 2])[1:3])

    first, second = predictor.predict([request(bank, [0]), request(bank, [1, 2])])

    assert (len(first), len(second)) == (1, 2)
    for q, prediction in enumerate([*first, *second]):
        assert prediction.value_em[0].tolist() == estimates.p_correct_qm[q].tolist()


def test_a_call_for_another_bank_gets_none(folder, bank):
    """
    The other calls of the batch get their predictions.
    """
    other, own = Predictor(str(folder)).predict([request(bank, [0], "other"), request(bank, [1])])

    assert other is None
    assert len(own) == 1


def test_a_call_without_second_vectors_does_not_change_the_others(tmp_path):
    """
    In one batch, with both encoders or with the first alone: as `AnchorPredictor` predicts each.
    """
    save_bank(fitted_with_both(), tmp_path / "bank", created_at="2026-01-01", sources=())
    bank = load_bank(tmp_path / "bank")
    with_both = request(bank, [0])._replace(second_qy=bank.second.vector_ay[:1])
    alone = request(bank, [1])

    (both,), (first,) = Predictor(str(tmp_path / "bank")).predict([with_both, alone])

    predictor = AnchorPredictor(bank)
    expected, _ = predictor.predict(
        *request(bank, [0])[1:3], second_qy=bank.second.vector_ay[:1].astype(np.float32)
    )
    without, _ = predictor.predict(*request(bank, [1])[1:3])
    assert both.value_em[0].tolist() == expected.p_correct_qm[0].tolist()
    assert first.value_em[0].tolist() == without.p_correct_qm[0].tolist()


def test_a_predictor_that_predicts_is_healthy(folder):
    """
    Serve restarts a replica whose check raises.
    """
    assert Predictor(str(folder)).check_health() is None
