"""Values are written into a configuration that people keep."""

from pathlib import Path

import pytest
import yaml

from deployments.editing import edit_config, read_source, write_text
from scope.errors import ConfigError

ROOT = Path(__file__).parents[3]
HEAD = "applications:\n  - name: scope # ours\n    import_path: deployments.app:build_app\n"
BANK = {("args", "bank"): "/banks/new"}
TEXT = """# a heading
applications:
  - name: other
    import_path: other:app
    deployments: [{name: Embedder, max_ongoing_requests: 1}]
  - name: scope
    import_path: deployments.app:build_app
    deployments:
      - name: Router # answers HTTP
        user_config:
          access: {anonymous: true} # anyone
      - name: Embedder
        user_config: {max_batch_size: 32, wait_s: 0} # a batch
        max_ongoing_requests: 64 # of one replica
        autoscaling_config:
          min_replicas: 2 # one may die
          max_replicas: 3
      - {name: Predictor}
"""


def edited(**values):
    """Edit the Embedder."""
    changes = {("deployments", "Embedder", *name.split("__")): n for name, n in values.items()}
    return edit_config(TEXT, changes, "f.yaml")


def block(text, place):
    """A block of the application of ours."""
    return yaml.safe_load(text)["applications"][1]["deployments"][place]


def test_a_changed_value_loses_the_comment_behind_it():
    """
    In braces, alone on a line, and in a mapping of several lines: "# one batch" behind a number
    of two would mislead. Everything else stays.
    """
    text = edited(
        max_ongoing_requests=8, user_config__max_batch_size=4, autoscaling_config__min_replicas=1
    )

    assert text == (
        TEXT.replace("requests: 64 # of one replica", "requests: 8")
        .replace("32, wait_s: 0} # a batch", "4, wait_s: 0}")
        .replace("min_replicas: 2 # one may die", "min_replicas: 1")
    )


def test_a_value_that_is_the_same_keeps_its_comment():
    """
    It is still true.
    """
    assert edited(max_ongoing_requests=64, user_config__max_batch_size=32) == TEXT


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("'a # b' # old", "/banks/new"),
        ("/banks/a#b # old", "/banks/new"),
        ("/old # without a newline at the end", "/banks/new"),
        ("# none", "/banks/new"),
    ],
)
def test_a_number_sign_in_a_value_begins_no_comment(before, after):
    """
    In quotes, or without a space before it.
    """
    text = f"{HEAD}    args:\n      selector: majority # first\n      bank: "

    assert edit_config(text + before, BANK, "f.yaml") == text + after


def test_a_missing_key_is_added_where_it_belongs():
    """
    In braces at their end, else behind the first line; no comment goes.
    """
    text = edited(
        user_config__more=1.5, autoscaling_config__target=3, ray_actor_options__num_cpus=0.5
    )

    assert block(text, 1) == {
        "name": "Embedder",
        "ray_actor_options": {"num_cpus": 0.5},
        "user_config": {"max_batch_size": 32, "wait_s": 0, "more": 1.5},
        "max_ongoing_requests": 64,
        "autoscaling_config": {"min_replicas": 2, "target": 3, "max_replicas": 3},
    }
    assert text.count("#") == TEXT.count("#")


def test_a_block_in_braces_is_edited_too():
    """
    With a mapping in it.
    """
    path = ("deployments", "Predictor", "autoscaling_config", "min_replicas")

    text = edit_config(TEXT, {path: 2}, "f.yaml")

    assert "- {name: Predictor, autoscaling_config: {min_replicas: 2}}\n" in text


def test_a_mapping_that_begins_with_a_mapping_gets_a_key_before_it():
    """
    The user_config of the Router.
    """
    text = edit_config(TEXT, {("deployments", "Router", "user_config", "alpha"): 1}, "f.yaml")

    assert block(text, 0)["user_config"] == {"alpha": 1, "access": {"anonymous": True}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("    args: {}\n", "    args: {bank: /banks/new}\n", id="no arguments"),
        pytest.param(
            "    args:\n      bank: /banks/old # since May\n      selector: majority\n",
            "    args:\n      bank: /banks/new\n      selector: majority\n",
            id="another bank",
        ),
        pytest.param(
            "    args: {selector: majority}\n",
            "    args: {selector: majority, bank: /banks/new}\n",
            id="other arguments in braces",
        ),
        pytest.param(
            "    args:\n      # a folder\n      selector: majority\n",
            "    args:\n      # a folder\n      selector: majority\n      bank: /banks/new\n",
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
    Other comments, order and layout are the operator's.
    """
    assert edit_config(HEAD + before, BANK, "f.yaml") == HEAD + after


def test_an_application_without_arguments_gets_some():
    """
    They stand behind its name, in the same column.
    """
    changed = edit_config(HEAD, BANK, "f.yaml")

    assert yaml.safe_load(changed)["applications"][0]["args"] == {"bank": "/banks/new"}
    assert "# ours" in changed


@pytest.mark.parametrize("name", ["serve_config.yaml", "serve_config.gpu.yaml"])
def test_one_line_of_our_own_configurations_changes(name):
    """
    All others stay byte for byte.
    """
    text = (ROOT / name).read_text()

    changed = edit_config(text, BANK, name)

    lines = zip(text.splitlines(), changed.splitlines(), strict=True)
    assert [new.strip() for old, new in lines if old != new] == [
        next(line.strip() for line in changed.splitlines() if "/banks/new" in line)
    ]


@pytest.mark.parametrize("bank", ["/banks/a: b", "/banks/a, b", "/banks/ä}", "yes", "12"])
def test_a_folder_that_yaml_would_misread_is_quoted(bank):
    """
    A colon and a space begin a mapping, a comma ends a value in braces.
    """
    changed = edit_config(f"{HEAD}    args: {{}}\n", {("args", "bank"): bank}, "f.yaml")

    assert yaml.safe_load(changed)["applications"][0]["args"] == {"bank": bank}


def test_other_applications_are_left_alone():
    """
    One before ours has an Embedder, too, and one behind it a bank.
    """
    other = "  - name: third\n    import_path: module:app\n    args: {bank: /theirs}\n"

    changed = edit_config(TEXT + other, BANK, "f.yaml")

    assert yaml.safe_load(changed)["applications"][0] == yaml.safe_load(TEXT)["applications"][0]
    assert changed.endswith(other)


def test_shared_arguments_are_not_changed():
    """
    The alias would give the bank to the other application as well.
    """
    text = (
        "x: &shared {bank: /old}\n" + HEAD + "    args: *shared\n"
        "  - {name: other, import_path: 'module:app', args: *shared}\n"
    )

    with pytest.raises(ConfigError, match=r"args\.bank cannot .* set it to /banks/new by hand"):
        edit_config(text, BANK, "f.yaml")


def test_a_deployment_without_a_block_is_named():
    """
    With what to do.
    """
    path = ("deployments", "Selector", "max_ongoing_requests")

    for text in (TEXT, HEAD):
        with pytest.raises(ConfigError, match="add `- name: Selector`"):
            edit_config(text, {path: 1}, "f.yaml")


@pytest.mark.parametrize(
    "text",
    ["", "applications: []", "applications:\n- {name: other}\n", "[", "applications: [3]", "- a"],
)
def test_a_file_without_an_application_of_ours_is_refused(text):
    """
    In one sentence with its name.
    """
    with pytest.raises(ConfigError, match=r"^f\.yaml "):
        edit_config(text, BANK, "f.yaml")


def test_a_written_file_has_the_permissions_of_another(tmp_path):
    """
    It may hold digests of keys.
    """
    source, copy = tmp_path / "serve_config.yaml", tmp_path / "planned.yaml"
    source.write_text("old\n")
    source.chmod(0o640)

    write_text("new\n", copy, mode_of=source)
    write_text("new\n", source, mode_of=source)

    assert [path.stat().st_mode & 0o777 for path in (source, copy)] == [0o640, 0o640]
    assert [read_source(source), read_source(copy)] == ["new\n", "new\n"]
