"""A bank is written into a configuration that people keep."""

from pathlib import Path

import pytest
import yaml

from deployments.operate.config_file import set_bank, write_bank
from scope.errors import ConfigError

ROOT = Path(__file__).parents[3]
HEAD = "applications:\n  - name: scope # ours\n    import_path: deployments.app:build_app\n"
BANK = "/banks/new"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("    args: {}\n", "    args: {bank: /banks/new}\n", id="no arguments"),
        pytest.param(
            "    args:\n      bank: /banks/old # since May\n      selector: majority\n",
            "    args:\n      bank: /banks/new # since May\n      selector: majority\n",
            id="another bank",
        ),
        pytest.param(
            "    args: {selector: majority}\n",
            "    args: {bank: /banks/new, selector: majority}\n",
            id="other arguments in braces",
        ),
        pytest.param(
            "    args:\n      # a folder\n      selector: majority\n",
            "    args:\n      # a folder\n      bank: /banks/new\n      selector: majority\n",
            id="other arguments in lines",
        ),
        pytest.param(
            '    args: {bank: "/banks/old"}\n', "    args: {bank: /banks/new}\n", id="in quotes"
        ),
        pytest.param("    args:\n", "    args: {bank: /banks/new}\n", id="null"),
    ],
)
def test_only_the_bank_changes(before, after):
    """
    Comments, order and layout are the operator's.
    """
    assert set_bank(HEAD + before, BANK, "f.yaml") == HEAD + after


def test_an_application_without_arguments_gets_some():
    """
    They stand before its name, in the same column.
    """
    changed = set_bank(HEAD, BANK, "f.yaml")

    assert yaml.safe_load(changed)["applications"][0]["args"] == {"bank": BANK}
    assert "# ours" in changed


@pytest.mark.parametrize("name", ["serve_config.yaml", "serve_config.gpu.yaml"])
def test_one_line_of_our_own_configurations_changes(name):
    """
    All others stay byte for byte.
    """
    text = (ROOT / name).read_text()

    changed = set_bank(text, BANK, name)

    lines = zip(text.splitlines(), changed.splitlines(), strict=True)
    assert [new.strip() for old, new in lines if old != new] == [
        next(line.strip() for line in changed.splitlines() if BANK in line)
    ]


def test_a_folder_that_yaml_would_misread_is_quoted():
    """
    A colon and a space begin a mapping.
    """
    changed = set_bank(HEAD + "    args: {}\n", "/banks/a: b", "f.yaml")

    assert yaml.safe_load(changed)["applications"][0]["args"] == {"bank": "/banks/a: b"}


def test_other_applications_are_left_alone():
    """
    Theirs may have a bank, too.
    """
    other = "  - name: other\n    import_path: module:app\n    args: {bank: /theirs}\n"

    changed = set_bank(HEAD + "    args: {}\n" + other, BANK, "f.yaml")

    assert changed.endswith(other)


def test_shared_arguments_are_not_changed():
    """
    The alias would give the bank to the other application as well.
    """
    text = (
        "x: &shared {bank: /old}\n" + HEAD + "    args: *shared\n"
        "  - {name: other, import_path: 'module:app', args: *shared}\n"
    )

    with pytest.raises(ConfigError, match="set it to /banks/new by hand"):
        set_bank(text, BANK, "f.yaml")


@pytest.mark.parametrize("text", ["", "applications: []", "applications:\n- {name: other}\n", "["])
def test_a_file_without_an_application_of_ours_is_refused(text):
    """
    In one sentence with its name.
    """
    with pytest.raises(ConfigError, match=r"^f\.yaml "):
        set_bank(text, BANK, "f.yaml")


def test_a_file_keeps_its_permissions(tmp_path):
    """
    It may hold digests of keys.
    """
    path = tmp_path / "serve_config.yaml"
    path.write_text(HEAD + "    args: {}\n")
    path.chmod(0o640)

    write_bank(path, BANK)

    assert path.stat().st_mode & 0o777 == 0o640
    assert BANK in path.read_text()
