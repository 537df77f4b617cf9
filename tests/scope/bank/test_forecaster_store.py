import json
import pickle

import numpy as np
import pytest

from scope import AnchorPredictor, load_bank, save_bank, verify_bank
from scope.bank.forecaster_store import SHAPES, load_forecaster
from scope.bank.store import FORECASTER, MANIFEST
from scope.errors import BankError, BankIntegrityError
from scope.predictions import COLUMNS
from scope.predictor.reference_population import fit_bank
from scope.storage.files import sha256
from tests.factories.banks import rows_of, two_kinds

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def bank(one_thread):
    return fit_bank(rows_of(two_kinds(100), slice(0, 60)))


@pytest.fixture
def saved(bank, tmp_path):
    save_bank(bank, tmp_path / "bank", created_at="2026-01-01", sources=())
    return tmp_path / "bank"


def test_a_saved_bank_predicts_the_same(bank, saved):
    """
    To the last bit, for anchors and new questions.
    """
    new = rows_of(two_kinds(100), slice(60, 100))
    own_a = np.arange(60)

    back = load_bank(saved)

    for questions in (
        (bank.embedding_ad, bank.features_af, own_a),
        (new.embedding_ad, new.features_af),
    ):
        expected, _ = AnchorPredictor(bank).predict(*questions)
        got, _ = AnchorPredictor(back).predict(*questions)
        for name in COLUMNS:
            np.testing.assert_array_equal(got.to_columns()[name], expected.to_columns()[name], name)


def test_a_model_never_measured_is_stored_as_unknown(tmp_path):
    """
    NaN is read as NaN.
    """
    unmeasured = two_kinds()
    unmeasured.outcomes.correct_am[:, 1] = np.nan
    save_bank(fit_bank(unmeasured), tmp_path / "b", created_at="2026-01-01", sources=())

    mean_m = load_bank(tmp_path / "b").forecaster.correct.mean_m

    assert np.isnan(mean_m).tolist() == [False, True]


def test_one_altered_byte_is_refused(saved):
    """
    The manifest has the hash of the forecaster.
    """
    file = saved / FORECASTER
    file.write_bytes(file.read_bytes()[:-1] + b"x")

    with pytest.raises(BankIntegrityError, match=r"forecaster\.npz was altered"):
        verify_bank(saved)


def update_hash(path):
    """Write the current hash of the forecaster into the manifest."""
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"][FORECASTER] = sha256(path / FORECASTER)
    (path / MANIFEST).write_text(json.dumps(manifest))
    return path


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not an archive", id="text"),
        pytest.param(b"PK\x03\x04 and then nothing", id="half an archive"),
        pytest.param(pickle.dumps({"anchor_index_n": [0]}), id="a pickle"),
    ],
)
def test_a_file_that_is_not_an_archive_is_refused(saved, content):
    """
    The message names the file, even if the hash matches.
    """
    (saved / FORECASTER).write_bytes(content)

    with pytest.raises(BankError, match=r"forecaster\.npz does not fit its bank"):
        load_bank(update_hash(saved))


def test_a_single_array_is_refused(saved):
    """
    Numpy stores it as .npy.
    """
    with (saved / FORECASTER).open("wb") as file:
        np.save(file, np.zeros(3))

    with pytest.raises(BankError, match=r"forecaster\.npz does not fit its bank"):
        load_bank(update_hash(saved))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        pytest.param(
            "in_distribution_threshold", None, "it lacks in_distribution_threshold", id="missing"
        ),
        pytest.param("smearing_um", lambda v: v[:2], r"smearing_um has shape \(2, 2\)", id="short"),
        pytest.param(
            "correct_weight_bm", lambda v: v[:, :1], r"expected numbers of \(60, 2\)", id="narrow"
        ),
        pytest.param("length_weight_bm", lambda v: v.T, r"has shape \(2, 60\)", id="transposed"),
        pytest.param("form_mean_f", lambda v: v[:8], r"has shape \(8,\)", id="other features"),
        pytest.param("category_slope_ic", lambda v: v[1:], r"\(38, 2\)", id="other embedding"),
        pytest.param("correct_mean_m", lambda v: v.astype(str), "of <U", id="text"),
        pytest.param(
            "correct_mean_m", lambda v: v.astype(object), "allow_pickle=False", id="pickled"
        ),
        pytest.param("inducing_b", lambda v: v + 1, "inducing_b must rise", id="no anchor"),
        pytest.param("anchor_index_n", lambda v: v - 1, "rise within the 60 anchors", id="before"),
        pytest.param("anchor_index_n", lambda v: v + 1, "rise within the 60 anchors", id="beyond"),
        pytest.param(
            "anchor_index_n", lambda v: v[::-1], "rise within the 60 anchors", id="falling"
        ),
        pytest.param(
            "anchor_index_n", lambda v: v / 1, "rise within the 60 anchors", id="fractions"
        ),
    ],
)
def test_inconsistent_arrays_are_refused(saved, name, change, message):
    """
    When the bank is loaded.
    """
    with np.load(saved / FORECASTER) as file:
        arrays = dict(file.items())
    values = arrays.pop(name)
    if change is not None:
        arrays[name] = change(values)
    np.savez(saved / FORECASTER, allow_pickle=True, **arrays)

    with pytest.raises(BankError, match=message) as caught:
        load_bank(update_hash(saved))

    assert "forecaster.npz does not fit its bank" in str(caught.value)


def test_a_forecaster_of_another_pool_is_refused(bank, saved):
    """
    It was fitted on two models; the bank has three.
    """
    with pytest.raises(BankError, match=r"correct_mean_m has shape \(2,\)"):
        load_forecaster(saved / FORECASTER, bank.embedding_ad, bank.features_af, 3)


def test_every_stored_array_is_checked(saved):
    """
    `SHAPES` lists every array of the file.
    """
    with np.load(saved / FORECASTER) as file:
        assert set(file) == set(SHAPES)


def test_a_bank_that_was_not_fitted_has_no_forecaster(tmp_path):
    """
    No file, and None after loading.
    """
    save_bank(two_kinds(), tmp_path / "b", created_at="2026-01-01", sources=())

    assert not (tmp_path / "b" / FORECASTER).exists()
    assert load_bank(tmp_path / "b").forecaster is None
