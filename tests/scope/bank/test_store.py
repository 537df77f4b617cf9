import json
from dataclasses import replace

import numpy as np
import pytest

from scope import AnchorConfig, load_bank, save_bank, verify_bank
from scope.bank.store import EMBEDDINGS, MANIFEST, OUTCOMES
from scope.errors import BankError, BankIntegrityError, UnknownModelError
from scope.predictor.reference_population import predict_reference_population
from scope.storage.files import sha256
from tests.factories.banks import bank_of, bill_ratio_of, unit

CORRECT = [[1, 0], [np.nan, 1], [0, np.nan], [1, 1]]


def save(bank, path):
    return save_bank(bank, path, created_at="2026-01-01T00:00:00+00:00", sources=("by hand",))


@pytest.fixture
def saved(tmp_path):
    bank = bank_of(CORRECT, prompts=("a?", "b?", "c?", "d?"))
    bank = replace(bank, reference=predict_reference_population(bank, AnchorConfig()))
    save(bank, tmp_path / "bank")
    return bank, tmp_path / "bank"


def test_a_bank_survives_save_and_load(saved):
    """
    With its missing outcomes; embeddings in half precision.
    """
    bank, path = saved

    back = load_bank(path)

    assert back.ids == bank.ids
    assert back.prompts == bank.prompts
    assert back.models == bank.models
    assert back.embedder == bank.embedder
    assert len(back.version) == 12
    np.testing.assert_array_equal(back.outcomes.correct_am, bank.outcomes.correct_am)
    np.testing.assert_array_equal(
        back.outcomes.completion_tokens_am, bank.outcomes.completion_tokens_am
    )
    np.testing.assert_array_equal(back.features_af, bank.features_af)
    np.testing.assert_allclose(back.embedding_ad, bank.embedding_ad, atol=1e-3)
    np.testing.assert_allclose(back.reference.p_correct_qm, bank.reference.p_correct_qm, rtol=1e-6)


def test_the_ratio_of_the_bills_is_in_the_manifest(saved, tmp_path):
    """
    A few numbers that a person can read; the population of the loaded bank has them again.
    """
    bank, ratio = saved[0], bill_ratio_of(1.25)

    save(replace(bank, reference=replace(bank.reference, bill_ratio=ratio)), tmp_path / "fitted")

    manifest = json.loads((tmp_path / "fitted" / MANIFEST).read_text())
    assert manifest["bill_ratio"] == ratio.model_dump(mode="json")
    assert load_bank(tmp_path / "fitted").reference.bill_ratio == ratio


def test_a_manifest_without_a_ratio_has_none(saved):
    """
    That of a bank that was not fitted, or before bills were compared: plans are the forecasts.
    """
    _, path = saved

    assert "bill_ratio" not in json.loads((path / MANIFEST).read_text())
    assert load_bank(path).reference.bill_ratio is None


def test_the_manifest_counts_the_content(saved):
    """
    Missing outcomes are not counted.
    """
    manifest = verify_bank(saved[1])

    assert (manifest.n_questions, manifest.n_models, manifest.n_outcomes) == (4, 2, 6)
    assert manifest.has_prompts
    assert manifest.sources == ("by hand",)


def test_any_altered_file_is_refused(saved):
    """
    One changed byte in any file of the bank.
    """
    _, path = saved
    for file in sorted(path.iterdir()):
        if file.name == MANIFEST:
            continue
        original = file.read_bytes()
        file.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))

        with pytest.raises(BankIntegrityError, match=f"{file.name} was altered") as caught:
            load_bank(path)

        assert "rebuild the bank" in str(caught.value)
        file.write_bytes(original)
    load_bank(path)


def test_a_missing_file_is_named(saved):
    """
    A bank that was copied incompletely.
    """
    (saved[1] / OUTCOMES).unlink()

    with pytest.raises(BankError, match=r"lacks 'outcomes\.parquet'"):
        load_bank(saved[1])


def replace_embeddings(path, values):
    """Replace the embeddings of a bank and their hash."""
    np.save(path / EMBEDDINGS, values, allow_pickle=True)
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"][EMBEDDINGS] = sha256(path / EMBEDDINGS)
    (path / MANIFEST).write_text(json.dumps(manifest))


def test_nan_in_stored_embeddings_is_refused(saved):
    """
    Even if the hash matches: no similarity to that anchor would be valid.
    """
    values = np.load(saved[1] / EMBEDDINGS)
    values[2, 0] = np.nan
    replace_embeddings(saved[1], values)

    with pytest.raises(BankError, match="embedding of 'a2' has length nan; expected 1"):
        load_bank(saved[1])


def test_pickled_content_is_refused(saved):
    """
    A bank must not run code, even with a matching hash.
    """
    path = saved[1]
    replace_embeddings(path, np.array([{"x": 1}], dtype=object))

    with pytest.raises(BankError, match="does not fit its manifest"):
        load_bank(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"schema_version": 99}, "schema_version", id="another schema"),
        pytest.param({"unknown": 1}, "Extra inputs", id="unknown key"),
        pytest.param({"files": {"../x": "0"}}, r"lacks '\.\./x'", id="a path out of the bank"),
        pytest.param({"files": {}}, "is incomplete", id="no files"),
    ],
)
def test_an_invalid_manifest_is_refused(saved, change, message):
    """
    Every field is checked before any file is read.
    """
    path = saved[1]
    manifest = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps({**manifest, **change}))

    with pytest.raises(ValueError, match=message):
        load_bank(path)


def test_a_folder_that_is_not_a_bank_is_named(tmp_path):
    """
    The message says what is missing.
    """
    with pytest.raises(BankError, match=r"is not a bank: it has no manifest\.json"):
        load_bank(tmp_path)


def test_a_bank_is_never_overwritten(saved):
    """
    A bank is immutable: a new one needs a new folder.
    """
    bank, path = saved
    before = (path / MANIFEST).read_bytes()

    with pytest.raises(BankError, match="exists"):
        save(bank, path)

    assert (path / MANIFEST).read_bytes() == before


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param([np.nan, 0, 0, 0], "embedding of 'a1' has length nan", id="NaN"),
        pytest.param([2, 0, 0, 0], r"has length 2\.0; expected 1", id="not of length 1"),
        pytest.param([0, 0, 0, 0], r"has length 0\.0; expected 1", id="zero"),
    ],
)
def test_embeddings_that_are_not_unit_vectors_are_refused(row, message):
    """
    A NaN would make every similarity of that anchor NaN.
    """
    embedding = unit(np.eye(4))
    embedding[1] = row

    with pytest.raises(BankError, match=message):
        bank_of(CORRECT, embedding=embedding)


def test_a_pool_must_be_measured_in_the_bank():
    """
    The message names the model and the known ones.
    """
    bank = bank_of(CORRECT)

    assert bank.select_models(("large",)).outcomes.correct_am.shape == (4, 1)
    with pytest.raises(UnknownModelError, match="unknown model 'gpt-9'; the bank has small, large"):
        bank.select_models(("small", "gpt-9"))
