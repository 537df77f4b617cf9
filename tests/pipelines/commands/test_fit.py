"""``scope bank fit``, as a user meets it."""

import json

import numpy as np
import pytest

from scope import load_bank, save_bank
from scope.bank.store import FORECASTER
from tests.factories.banks import bank_of, two_kinds, with_correct

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def bank(tmp_path):
    """A folder that holds a bank of sixty anchors."""
    save_bank(two_kinds(), tmp_path / "bank", created_at="2026-01-01", sources=("by hand",))
    return tmp_path / "bank"


def test_a_bank_is_learned_from_and_written_as_a_new_one(scope, bank, tmp_path):
    """
    The old one stays as it was; the new one is complete, and names its source.
    """
    before = {file.name: file.read_bytes() for file in bank.iterdir()}

    code, out, _ = scope("bank", "fit", "--bank", bank, "--output", tmp_path / "new")

    assert code == 0
    assert f"built {tmp_path / 'new'}: 2 models fitted to 60 anchors" in out
    assert {file.name: file.read_bytes() for file in bank.iterdir()} == before
    assert load_bank(tmp_path / "new").forecaster is not None
    assert scope("bank", "verify", "--bank", tmp_path / "new")[0] == 0
    assert "source: by hand" in scope("bank", "info", "--bank", tmp_path / "new")[1]


def test_json_is_the_manifest_beside_events(scope, bank, tmp_path):
    """
    For machines: the result alone on standard output, the stages on the other.
    """
    output = tmp_path / "new"

    code, out, err = scope("bank", "fit", "--bank", bank, "--output", output, "--json")

    manifest = json.loads(out)
    assert code == 0
    ended = [event for event in map(json.loads, err.splitlines()) if event["event"] == "stage"]
    assert [event["stage"] for event in ended] == ["reading", "fitting", "choosing", "writing"]
    assert manifest == json.loads((output / "manifest.json").read_text())
    assert FORECASTER in manifest["files"]


def test_the_choice_of_the_forecast_is_printed_stored_and_shown(scope, bank, tmp_path):
    """
    One row for each candidate, by the fit and by the bank's own page.
    """
    _, out, _ = scope("bank", "fit", "--bank", bank, "--output", tmp_path / "new")
    info = scope("bank", "info", "--bank", tmp_path / "new")[1]

    chosen = load_bank(tmp_path / "new").choice.chosen
    for text in (out, info):
        assert f"Forecast of correctness: {chosen}, by 10 folds" in text
        for name in ("means", "neighbours", "process", "blend"):
            assert name in text


def test_the_ratio_of_the_bills_is_stored_printed_and_shown(scope, bank, tmp_path):
    """
    Eleven ratios from sixty anchors, and a sentence by the fit and by the bank's own page.
    """
    _, out, _ = scope("bank", "fit", "--bank", bank, "--output", tmp_path / "new")
    info = scope("bank", "info", "--bank", tmp_path / "new")[1]

    ratio = load_bank(tmp_path / "new").reference.bill_ratio
    assert (len(ratio.ratios), ratio.n_anchors) == (11, 60)
    for text in (out, info):
        assert str(ratio) in text


def test_a_calibrated_bank_can_be_calibrated_again(scope, bank, tmp_path):
    """
    The same outcomes teach the same.
    """
    for source, target in ((bank, "one"), (tmp_path / "one", "two")):
        scope("bank", "fit", "--bank", source, "--output", tmp_path / target)

    one, two = (tmp_path / name / FORECASTER for name in ("one", "two"))
    with np.load(one) as first, np.load(two) as second:
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


def test_an_altered_forecaster_fails_verification(scope, bank, tmp_path):
    """
    Exit 1: the command did its job, and the answer is no.
    """
    scope("bank", "fit", "--bank", bank, "--output", tmp_path / "new")
    with (tmp_path / "new" / FORECASTER).open("ab") as file:
        file.write(b"x")

    code, _, err = scope("bank", "verify", "--bank", tmp_path / "new")

    assert code == 1
    assert "forecaster.npz was altered" in err


def refused(scope, bank, output):
    """Calibrate in vain; return the sentence that says why, last of what is printed."""
    code, _, err = scope("bank", "fit", "--bank", bank, "--output", output)

    assert code == 2
    assert "Traceback" not in err
    return err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("correct", "message"),
    [
        pytest.param(
            np.ones((19, 2)), "19 anchors in the bank; at least 20 are needed", id="few anchors"
        ),
        pytest.param(
            np.full((20, 2), np.nan), "no model of the bank has outcomes", id="no outcome"
        ),
    ],
)
def test_too_little_to_learn_from_writes_nothing(scope, tmp_path, correct, message):
    """
    Exit 2, one sentence, no folder.
    """
    save_bank(bank_of(correct), tmp_path / "bank", created_at="2026-01-01", sources=())

    err = refused(scope, tmp_path / "bank", tmp_path / "new")

    assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]


def test_an_output_that_exists_is_refused(scope, bank, tmp_path):
    """
    Before anything is fitted; the existing folder stays.
    """
    (tmp_path / "new").mkdir()

    assert "exists; choose another folder" in refused(scope, bank, tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())


def test_a_folder_that_is_no_bank_is_named(scope, tmp_path):
    """
    The commonest mistake: the wrong folder.
    """
    assert "nowhere is not a bank" in refused(scope, tmp_path / "nowhere", tmp_path / "new")


def test_a_model_never_measured_is_named(scope, tmp_path):
    """
    It stays in the bank, unknown, and a warning says so.
    """
    known = two_kinds()
    correct_am = known.outcomes.correct_am.copy()
    correct_am[:, 1] = np.nan
    save_bank(
        with_correct(known, correct_am), tmp_path / "bank", created_at="2026-01-01", sources=()
    )

    code, _, err = scope("bank", "fit", "--bank", tmp_path / "bank", "--output", tmp_path / "new")

    assert code == 0
    assert f"no outcome with token counts of {known.model_ids[1]}: they stay unknown" in err
