"""A bank tells what it was made from."""

import pytest

from pipelines.bank import save_bank_now
from scope.bank import bank_version, read_manifest
from tests.factories.banks import bank_of


@pytest.fixture
def parent(tmp_path):
    """A bank written by a script."""
    save_bank_now(
        bank_of([[1, 0], [0, 1], [1, 1]]), tmp_path / "parent", ("by hand",), command="by hand"
    )
    return tmp_path / "parent"


def test_a_command_adds_its_step_after_those_of_the_parent(scope, parent, tmp_path):
    scope("bank", "fit-samples", "--assume", "--bank", parent, "--output", tmp_path / "child")

    first, second = read_manifest(tmp_path / "child").lineage

    assert (first.command, first.parent) == ("by hand", None)
    assert (second.command, second.parent) == ("scope bank fit-samples", bank_version(parent))


def test_only_the_name_of_an_input_is_kept_not_its_folder(tmp_path):
    outcomes = tmp_path / "outcomes.parquet"
    outcomes.write_bytes(b"")

    made = save_bank_now(
        bank_of([[1]]), tmp_path / "bank", (), command="by hand", inputs=[("outcomes", outcomes)]
    )

    (used,) = made.lineage[0].inputs
    assert (used.kind, used.name, used.digest[:8]) == ("outcomes", "outcomes.parquet", "e3b0c442")
    assert str(tmp_path) not in made.model_dump_json()


def test_info_shows_the_steps_oldest_first(scope, parent, tmp_path):
    scope("bank", "fit-samples", "--assume", "--bank", parent, "--output", tmp_path / "child")

    shown = scope("bank", "info", "--bank", tmp_path / "child")[1]

    assert shown.index("made by: by hand") < shown.index("made by: scope bank fit-samples")
