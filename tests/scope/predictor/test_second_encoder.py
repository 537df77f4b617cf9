"""Banks fitted with two encoders."""

from dataclasses import replace

import numpy as np
import pytest

from scope.bank.store import load_bank, read_manifest, save_bank
from scope.errors import BankError
from scope.predictor.add_model import add_model
from scope.predictor.measurement_plan import MeasurementLimits
from scope.predictor.predictor import AnchorPredictor
from scope.predictor.reference_population import fit_bank
from scope.predictor.second_encoder import LENGTHSCALES, fit_second_encoder, log_loss_gain
from tests.factories.banks import MIDDLE
from tests.factories.second_encoders import second_kinds

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def first(one_thread):
    return fit_bank(second_kinds(120))


@pytest.fixture(scope="module")
def both(first):
    return fit_second_encoder(first)[0]


@pytest.fixture(scope="module")
def new():
    return second_kinds(40, seed=1)


def probabilities(bank, questions, second_qy):
    estimates, _ = AnchorPredictor(bank).predict(
        questions.embedding_ad, questions.features_af, second_qy=second_qy
    )
    return estimates.p_correct_qm


def test_the_second_encoder_tells_which_model_is_right(both, new):
    """
    The first one alone knows nothing.
    """
    right = new.outcomes.correct_am == 1

    with_both = probabilities(both, new, new.second.vector_ay)
    alone = probabilities(both, new, None)

    assert with_both[right].min() > 0.5 > with_both[~right].max()
    assert abs(alone[right].mean() - alone[~right].mean()) < 0.1


def test_where_a_second_vector_is_unknown_the_first_encoder_predicts_alone(first, both, new):
    """
    That question only, and exactly as a bank that was fitted with the first.
    """
    vectors = new.second.vector_ay.copy()
    vectors[3] = np.nan

    got = probabilities(both, new, vectors)

    np.testing.assert_array_equal(got[3], probabilities(first, new, None)[3])
    others = np.arange(40) != 3
    np.testing.assert_array_equal(
        got[others], probabilities(both, new, new.second.vector_ay)[others]
    )


def test_a_question_has_the_same_forecast_alone_and_in_a_batch(both, new):
    """
    To the last bit.
    """
    batch = probabilities(both, new, new.second.vector_ay)
    alone = [
        probabilities(both, new.select_anchors(np.array([q])), new.second.vector_ay[[q]])
        for q in range(5)
    ]

    np.testing.assert_array_equal(batch[:5], np.concatenate(alone))


def test_a_saved_bank_predicts_the_same(both, new, tmp_path):
    """
    To the last bit; the manifest names the second encoder and the hashes of its files.
    """
    save_bank(both, tmp_path / "bank", created_at="2026-01-01", sources=())

    back = load_bank(tmp_path / "bank")

    vectors = new.second.vector_ay
    np.testing.assert_array_equal(
        probabilities(back, new, vectors), probabilities(both, new, vectors)
    )
    manifest = read_manifest(tmp_path / "bank")
    assert {"second_embeddings.npy", "joint_forecaster.npz"} < set(manifest.files)
    assert manifest.second_embedder == both.second.embedder


def test_a_bank_with_one_encoder_has_the_manifest_that_it_had(first, tmp_path):
    """
    Without a word about a second one, so that its version stays the same.
    """
    one = replace(first, second=None)

    save_bank(one, tmp_path / "bank", created_at="2026-01-01", sources=())

    assert "second" not in (tmp_path / "bank" / "manifest.json").read_text("utf-8")


def test_a_joint_forecaster_without_its_vectors_is_an_error(both, tmp_path):
    """
    As after a manifest was changed by hand.
    """
    save_bank(replace(both, second=None), tmp_path / "bank", created_at="2026-01-01", sources=())

    with pytest.raises(BankError, match=r"joint_forecaster.npz without second_embeddings.npy"):
        load_bank(tmp_path / "bank")


def test_the_gain_of_log_loss_is_that_of_knowing_the_kind(first):
    """
    Without knowledge the log loss is ln 2 = 0.69 or a little more.
    """
    both, lengthscale = fit_second_encoder(first)

    gain, error = log_loss_gain(first, both)

    assert 0.4 < gain < 0.75
    assert 0 < error < 0.05
    assert lengthscale in LENGTHSCALES


def test_a_bank_without_a_second_encoder_cannot_be_fitted_with_one(first):
    """
    The message says how to build one.
    """
    with pytest.raises(BankError, match="build it with two --embedder"):
        fit_second_encoder(replace(first, second=None))


def test_a_new_model_is_added_to_both_fits(both):
    """
    It is right where the first model is, which the second encoder sees.
    """
    like_first = both.outcomes.reindex((both.model_ids[0],), 120)
    outcomes = replace(like_first, models=(MIDDLE.id,))

    added = add_model(both, MIDDLE, outcomes, MeasurementLimits())

    estimates, _ = AnchorPredictor(added).predict(
        both.embedding_ad, both.features_af, second_qy=both.second.vector_ay
    )
    right = outcomes.correct_am[:, 0] == 1
    assert estimates.p_correct_qm[right, 2].min() > estimates.p_correct_qm[~right, 2].max()


def test_a_selection_of_models_and_anchors_keeps_the_vectors(both):
    """
    Of the models the fit stays, of the anchors it does not.
    """
    one = both.select_models(both.model_ids[:1])
    few = both.select_anchors(np.array([5, 2]))

    assert one.joint_forecaster.loo_p_nm.shape == (120, 1)
    np.testing.assert_array_equal(few.second.vector_ay, both.second.vector_ay[[5, 2]])
    assert few.joint_forecaster is None
