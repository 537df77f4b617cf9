"""The calibrated reasoner in the folder of a bank."""

import json
from dataclasses import replace

import numpy as np
import pytest

from scope import load_bank, save_bank
from scope.bank.store import MANIFEST, REASONER
from scope.errors import BankError, BankIntegrityError
from scope.fusion.calibrated_reasoner import CalibratedReasoner
from scope.storage.files import sha256
from tests.factories.banks import bank_of
from tests.factories.blends import NAN, SPEC, blend_of

CORRECT = [[1, 0], [np.nan, 1], [0, np.nan], [1, 1]]
BLEND = blend_of(
    weight=0.3,
    slope=0.9,
    baseline_log_odds_m=np.array([0.1, NAN]),
    low=-1.25,
    length_weight=0.2,
    baseline_log_ratio_m=np.array([NAN, -0.7]),
    ratio_std=0.1,
)


@pytest.fixture
def saved(tmp_path):
    """A bank with a reasoner, and its folder."""
    bank = replace(bank_of(CORRECT), reasoner=CalibratedReasoner(SPEC, BLEND))
    save_bank(bank, tmp_path / "bank", created_at="2026-01-01", sources=())
    return bank, tmp_path / "bank"


def assert_same(one, other):
    """Both blends hold the same numbers, unknown ones included."""
    for name in BLEND.__slots__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_saved_reasoner_loads_bit_identical(saved):
    """
    A missing baseline stays missing.
    """
    back = load_bank(saved[1])

    assert back.reasoner.spec == SPEC
    assert_same(back.reasoner.blend, BLEND)


def test_a_bank_without_a_reasoner_has_no_file(tmp_path):
    """
    It loads as None.
    """
    save_bank(bank_of(CORRECT), tmp_path / "bank", created_at="2026-01-01", sources=())

    assert not (tmp_path / "bank" / REASONER).exists()
    assert load_bank(tmp_path / "bank").reasoner is None


def test_an_altered_file_is_detected(saved):
    """
    Like any other file of a bank.
    """
    path = saved[1] / REASONER
    path.write_text(path.read_text().replace("0.3", "0.4"))

    with pytest.raises(BankIntegrityError, match=r"reasoner\.json was altered"):
        load_bank(saved[1])


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        pytest.param("blend", {"weight": -1.0}, r"blend\.weight", id="negative weight"),
        pytest.param("blend", {"length_weight": 1.5}, r"blend\.length_weight", id="above one"),
        pytest.param("blend", {"low": 0.5}, r"blend\.low", id="low above 0"),
        pytest.param("blend", {"surprise": 1}, "Extra inputs", id="unknown key"),
        pytest.param(
            "blend", {"baseline_log_odds": [0.1]}, "1 and 2 models; the bank has 2", id="short"
        ),
        pytest.param("reasoner", {"reasoning": "long"}, r"reasoner\.reasoning", id="no such mode"),
    ],
)
def test_an_invalid_file_is_refused(saved, part, change, message):
    """
    Even if the manifest has its hash.
    """
    path, manifest = saved[1] / REASONER, saved[1] / MANIFEST
    stored = json.loads(path.read_text())
    stored[part] |= change
    path.write_text(json.dumps(stored))
    facts = json.loads(manifest.read_text())
    facts["files"][REASONER] = sha256(path)
    manifest.write_text(json.dumps(facts))

    with pytest.raises(BankError, match=message):
        load_bank(saved[1])


def test_a_pool_selects_the_columns_of_its_models(saved):
    """
    In its order.
    """
    pool = saved[0].select_models(("large", "small"))

    np.testing.assert_array_equal(pool.reasoner.blend.baseline_log_odds_m, [NAN, 0.1])
    np.testing.assert_array_equal(pool.reasoner.blend.baseline_log_ratio_m, [-0.7, NAN])


@pytest.mark.parametrize("asked", [True, False], ids=["reasoner", "none"])
def test_bank_info_names_the_reasoner(saved, scope, tmp_path, asked):
    """
    Checkpoint, reasoning and weights; null and no line without one.
    """
    path = saved[1]
    if not asked:
        path = tmp_path / "bare"
        save_bank(bank_of(CORRECT), path, created_at="2026-01-01", sources=())

    code, shown, _ = scope("bank", "info", "--bank", path)
    _, printed, _ = scope("bank", "info", "--bank", path, "--json")

    line = "reasoner acme/reasoner@1234 (reasoning none, 1 samples, temperature 0, 5 examples)"
    assert code == 0
    assert (f"{line}: weight 0.30, of lengths 0.20" in shown) == asked
    facts = json.loads(printed)["reasoner"]
    if asked:
        assert (facts["checkpoint"], facts["weight"], facts["length_weight"]) == (
            "acme/reasoner",
            0.3,
            0.2,
        )
    else:
        assert facts is None
