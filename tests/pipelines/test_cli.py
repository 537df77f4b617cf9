"""Commands that need no cluster, and every kind of bad input, as a user meets them."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scope import EMBEDDED_BANK, AnchorConfig, save_bank
from scope.embedding.spec import MINILM, EmbedderSpec
from scope.predictor.reference_population import predict_reference_population
from tests.factories.banks import bank_of, unit

GOLDEN = Path(__file__).parents[1] / "golden"


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_embedded_bank_is_whole_and_large_enough(scope):
    """
    What comes with the package: thousands of anchors, 17 models, no text.
    """
    assert scope("bank", "verify")[0] == 0

    code, out, _ = scope("bank", "info", "--json")

    info = json.loads(out)
    assert code == 0
    assert info["n_questions"] >= 4000
    assert info["n_models"] == 17
    assert not info["has_prompts"]
    size = sum(file.stat().st_size for file in EMBEDDED_BANK.parent.rglob("*") if file.is_file())
    assert size <= 8_000_000


def test_bank_info_shows_every_model(scope):
    """
    Best first, with prices.
    """
    code, out, _ = scope("bank", "info")

    assert code == 0
    assert out.index("gpt-4o-2024-05-13") < out.index("Mistral-7B-Instruct-v0.1")
    assert "$5 / $15" in out
    assert "TIGER-AI-Lab/MMLU-Pro" in out


def test_an_altered_bank_fails_verification(scope, tmp_path):
    """
    Exit 1: the command did its job, and the answer is no.
    """
    shutil.copytree(EMBEDDED_BANK, tmp_path / "bank")
    models = tmp_path / "bank" / "models.json"
    models.write_text(
        models.read_text().replace('"usd_per_mtok_in": 5.0', '"usd_per_mtok_in": 0.5')
    )

    code, _, err = scope("bank", "verify", "--bank", tmp_path / "bank")

    assert code == 1
    assert "models.json was altered" in err


QUESTION = {"id": "a", "prompt": "What is 2 + 2?"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "has no question", id="empty file"),
        pytest.param('{"id": 1', "line 1 is not JSON", id="unreadable JSON"),
        pytest.param({"id": "a"}, "line 1 (a) has none of prompt", id="no prompt"),
        pytest.param({"id": "a", "prompt": ["x"]}, "prompt is a list", id="no text"),
        pytest.param({"id": "a", "prompt": "x" * 102_400}, "102,400 characters", id="100 KB"),
        pytest.param(
            f"{json.dumps(QUESTION)}\n{json.dumps(QUESTION)}", "repeats id 'a'", id="twice"
        ),
    ],
)
def test_bad_questions_write_nothing(scope, tmp_path, content, message):
    """
    Exit 2, one sentence, and no folder.
    """
    query_file = write(tmp_path / "q.jsonl", content)

    code, _, err = scope("predict", "--query-file", query_file, "--output", tmp_path / "out")

    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param({"--bank": "nowhere"}, "nowhere is not a bank", id="no bank"),
        pytest.param({"--pool": "default"}, "unknown model 'tngtech/deepseek", id="pool"),
        pytest.param({"--prices": {"x": {"input": 1, "output": 1}}}, "has no price in", id="price"),
        pytest.param({"--config": "anchors: {n: 1}"}, "anchors.n: Extra inputs", id="config"),
    ],
)
def test_bad_settings_write_nothing(scope, tmp_path, flags, message):
    """
    A pool model that the bank lacks, an unknown price, a typo in the configuration.
    """
    query_file = write(tmp_path / "q.jsonl", QUESTION)
    values = []
    for flag, value in flags.items():
        as_file = flag in ("--prices", "--config")
        values += [flag, write(tmp_path / f"file{flag}.x", value) if as_file else value]

    code, _, err = scope(
        "predict", "--query-file", query_file, "--output", tmp_path / "out", *values
    )

    assert code == 2
    assert message in err
    assert not (tmp_path / "out").exists()


def test_an_altered_bank_predicts_nothing(scope, tmp_path):
    """
    Exit 2: the input was wrong.
    """
    shutil.copytree(EMBEDDED_BANK, tmp_path / "bank")
    with (tmp_path / "bank" / "outcomes.parquet").open("ab") as file:
        file.write(b"x")
    query_file = write(tmp_path / "q.jsonl", QUESTION)

    code, _, err = scope(
        "predict",
        "--bank",
        tmp_path / "bank",
        "--query-file",
        query_file,
        "--output",
        tmp_path / "o",
    )

    assert code == 2
    assert "outcomes.parquet was altered" in err


def made_with(embedder, path):
    """Save a bank whose vectors claim to be made by `embedder`."""
    bank = bank_of([[1, 0], [0, 1]], embedding=unit(np.eye(2, 384)))
    bank = replace(bank, embedder=embedder)
    bank = replace(bank, reference=predict_reference_population(bank, AnchorConfig()))
    save_bank(bank, path, created_at="2026-01-01", sources=())
    return path


def test_a_bank_made_with_another_embedder_is_refused(scope, tmp_path):
    """
    Another revision of the installed embedder is another space; so is another model.
    """
    old = made_with(EmbedderSpec(name=MINILM, revision="0.0.9", dimension=384), tmp_path / "old")
    query_file = write(tmp_path / "q.jsonl", QUESTION)

    flags = ["--query-file", query_file, "--output", tmp_path / "out"]
    code, _, err = scope("predict", "--bank", old, *flags)

    assert code == 2
    assert f"the bank was embedded by {MINILM}@0.0.9" in err
    assert f"the questions by {MINILM}@0.1.0" in err

    other = made_with(EmbedderSpec(name="other", revision="1", dimension=384), tmp_path / "other")
    code, _, err = scope("predict", "--query-file", other, "--output", tmp_path / "out")

    assert code == 2
    assert "the questions by other@1" in err
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_written_gets_one_sentence(scope, predicted, tmp_path):
    """
    A file where a folder is needed: no traceback.
    """
    (tmp_path / "file").write_text("x")

    flags = ["--alpha", 1, "--output", tmp_path / "file" / "r.json"]
    code, _, err = scope("route", "--predictions", predicted, *flags)

    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "file" in err


def test_help_and_no_command_explain(scope):
    """
    The name alone, or with --help, lists every command in alphabetical order.
    """
    names = ["bank", "demo", "eval", "frontier", "measure", "predict", "replay", "route"]

    for arguments, expected in ((["--help"], 0), ([], 2)):
        code, out, err = scope(*arguments)

        listed = [line.strip("│ ").split(" ")[0] for line in (out + err).splitlines()]
        assert code == expected
        assert [name for name in listed if name in names] == names


PLUGIN = '''
import typer

app = typer.Typer()


@app.command()
def inner(times: int = 1) -> None:
    """Print inner."""
    typer.echo("inner " * times)


@app.command()
def other() -> None:
    """Print other."""


def greet(name: str = "you") -> None:
    """Print a greeting."""
    typer.echo(f"hello {name}")


no_command = 3
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install a package whose commands are the given entry points."""

    def install(**points):
        (tmp_path / "scope_test_plugin.py").write_text(PLUGIN)
        info = tmp_path / "scope_test_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: scope-test-plugin\nVersion: 1.0\n"
        )
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[scope.commands]", *lines]))
        monkeypatch.syspath_prepend(tmp_path)

    yield install
    sys.modules.pop("scope_test_plugin", None)


def test_an_installed_package_adds_commands(scope, plugin):
    """
    A function is a command, a typer app is a command with sub-commands; both are in the help.
    """
    plugin(greet="scope_test_plugin:greet", extra="scope_test_plugin:app")

    code, out, err = scope("--help")

    assert (code, err) == (0, "")
    assert "Print a greeting." in out
    assert "extra" in out
    assert scope("greet", "--name", "Ada") == (0, "hello Ada\n", "")
    assert scope("extra", "inner", "--times", 2) == (0, "inner inner \n", "")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("scope_test_nowhere:run", "ModuleNotFoundError: No module named 'scope_test_nowhere'"),
        ("scope_test_plugin:absent", "AttributeError"),
        ("scope_test_plugin:no_command", "loaded from scope_test_plugin:no_command"),
    ],
    ids=["no module", "no function", "no command"],
)
def test_a_broken_command_is_one_sentence(scope, plugin, value, message):
    """
    It names the package, and the other commands work.
    """
    plugin(broken=value, greet="scope_test_plugin:greet")

    for arguments, expected in ((["broken"], 2), (["--help"], 0)):
        code, out, err = scope(*arguments)
        assert code == expected
        assert "command 'broken' of package scope-test-plugin cannot be loaded" in err
        assert message in err
        assert len(err.strip().splitlines()) == 1
    assert "Print a greeting." in out
    assert scope("greet") == (0, "hello you\n", "")


def test_a_command_imports_neither_ray_nor_the_other_commands():
    """
    So that it starts at once.
    """
    code = (
        "import sys; sys.argv = ['scope', 'route', '--help']\n"
        "from pipelines.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print({'ray', 'torch', 'matplotlib', 'pipelines.commands.measure'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.rstrip().endswith("set()")
