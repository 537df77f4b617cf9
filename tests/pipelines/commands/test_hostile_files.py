"""Files that a command reads, with what no program writes: exit code 2 and one sentence."""

import hashlib
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scope.routing.prediction_store import FOLDER, MANIFEST
from tests.scope.test_columns import WRONG

DEEP = "[" * 100_000
SAMPLE = {"id": "a", "prompt": "1?", "m": {"responses": ["1", "2"], "correct_scores": [1, 0]}}
SELECTED = {
    "question_id": "a",
    "all_models": [{"model": "m", "predicted": {"correctness": "yes", "cost": 1.0}}],
}


def kind(column):
    """The name of a type without what it is made of, which Parquet names otherwise."""
    return re.split(r"[<\\[]", str(column.type))[0]


@pytest.fixture
def refused(scope):
    """Run a command; it must end with exit code 2 and one sentence, which is returned."""

    def run(*arguments):
        code, _, err = scope(*arguments)
        sentences = [line for line in err.splitlines() if line.startswith("scope: ")]
        assert (code, len(sentences)) == (2, 1), err
        assert "Traceback" not in err
        return sentences[0]

    return run


@pytest.mark.parametrize("text", [DEEP, '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 500 + "]" * 500])
@pytest.mark.parametrize("name", ["plan", "routing", "selection", "samples"])
def test_hostile_json_is_one_sentence(refused, predicted, tmp_path, name, text):
    """
    In every file of JSON: nested too deeply, NaN, or a key twice.
    """
    path = tmp_path / f"{name}.json{'l' if name == 'samples' else ''}"
    path.write_text(text)
    output = tmp_path / "out.jsonl"
    commands = {
        "plan": ("measure", "--questions", path, "--plan", path, "--output", tmp_path / "o"),
        "routing": ("replay", "--routing", path, "--predictions", predicted),
        "selection": (
            *("route", "--policy", "two_stage", "--selection", path, "--similarity", path),
            *("--anchor-performance", path, "--alpha", 1, "--output", output),
        ),
        "samples": ("samples", "pairs", "--samples", path, "--scorer", "x", "--output", output),
    }

    assert str(path) in refused(*commands[name])


@pytest.mark.parametrize("column", WRONG, ids=lambda column: str(column.type))
@pytest.mark.parametrize("name", ["question_id", "p_correct"])
def test_a_column_of_predictions_of_another_type(refused, predicted, tmp_path, name, column):
    """
    As another program may have written it, with a hash that fits.
    """
    folder = predicted / FOLDER
    (shard,) = folder.glob("part-*.parquet")
    table = pq.read_table(shard)
    place = table.column_names.index(name)
    other = pa.array(column.to_pylist() * table.num_rows, column.type)
    pq.write_table(table.set_column(place, name, other), shard)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][shard.name] = hashlib.sha256(shard.read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))

    said = refused("route", "--predictions", predicted, "--alpha", 1, "--output", tmp_path / "r")

    assert f"{shard}: column '{name}' is of type {kind(column)}" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"sample": pa.array([2**40])}, "row 1: sample is", id="sample"),
        pytest.param(
            {"sample": pa.array([0.5])},
            "row 1: sample is 0.5; expected a whole",
            id="half a sample",
        ),
        pytest.param(
            {"score:correct": pa.array(["x"])}, "column 'score:correct' is of", id="score"
        ),
        pytest.param({"score:correct": pa.array([float("inf")])}, "score:correct is inf", id="inf"),
        pytest.param({"response": pa.array([[1]])}, "column 'response' is of type", id="response"),
        pytest.param({"model": pa.array([b"m"])}, "column 'model' is of type binary", id="model"),
    ],
)
def test_a_column_of_samples_of_another_type(refused, tmp_path, changes, message):
    """
    With file, column or row, and what is expected.
    """
    columns = {
        "question_id": ["a"],
        "prompt": ["1?"],
        "model": ["m"],
        "sample": [0],
        "prompt_tokens": [1],
        "completion_tokens": [1],
        **changes,
    }
    path = tmp_path / "s.parquet"
    pq.write_table(pa.table(columns), path)

    said = refused("samples", "split", "--samples", path, "--output", tmp_path / "out")

    assert message in said
    assert str(path) in said


def test_a_lone_surrogate_in_samples(refused, tmp_path):
    """
    JSON can encode it, and no file can hold it.
    """
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps({**SAMPLE, "prompt": "\ud800"}) + "\n")

    said = refused("samples", "split", "--samples", path, "--output", tmp_path / "out")

    assert r"line 1 has '\ud800'; expected text that UTF-8 can encode" in said


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"model": ["m"]}, id="model is a list"),
        pytest.param({"predicted": {"correctness": "yes", "cost": 1e308}}, id="cost"),
        pytest.param({"predicted": {"correctness": {}, "cost": 1}}, id="word"),
    ],
)
def test_a_published_selection_of_another_form(refused, tmp_path, change):
    """
    One sentence with the file.
    """
    row = {**SELECTED, "all_models": [{**SELECTED["all_models"][0], **change}]}
    path = tmp_path / "selection.json"
    path.write_text(json.dumps({"questions": [row]}))
    given = ("--selection", path, "--similarity", path, "--anchor-performance", path)

    said = refused("route", "--policy", "two_stage", *given, "--output", tmp_path / "r.json")

    assert f"{path} is not a selection file of the published form" in said


@pytest.mark.parametrize(
    "decision",
    [{"question_id": [], "selected_model": 7}, {"question_id": "q0", "selected_model": 7}],
)
def test_a_routing_file_of_another_form(refused, predicted, tmp_path, decision):
    """
    It is not a file of ``scope route``.
    """
    path = tmp_path / "routing.json"
    log = {
        "settings": {"alpha": 0.5},
        "models": ["small"],
        "result": {"routing_decisions": [decision]},
    }
    path.write_text(json.dumps(log))

    said = refused("replay", "--routing", path, "--predictions", predicted)

    assert str(path) in said


@pytest.mark.parametrize("text", ["[" * 3_000, "&a {b: *a}", "a: [", "encoder: .nan"])
def test_hostile_yaml_is_one_sentence(refused, tmp_path, text):
    """
    Nested too deeply, holding itself, or no YAML.
    """
    path = tmp_path / "job.yaml"
    path.write_text(text)
    given = ("--outcomes", "o.parquet", "--prices", "p.json", "--questions", "q.jsonl")

    said = refused("bank", "build", *given, "--config", path, "--output", tmp_path / "bank")

    assert str(path) in said


@pytest.mark.parametrize("settings", [[], "x", None, 3])
def test_settings_of_a_measurement_of_another_form(refused, tmp_path, settings):
    """
    The folder is not continued.
    """
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "settings.json").write_text(json.dumps(settings))
    questions = tmp_path / "q.json"
    questions.write_text(json.dumps([{"id": "a", "prompt": "1?", "gt": "1"}]))
    prices = tmp_path / "p.json"
    prices.write_text(json.dumps({"m": {"input": 1, "output": 1}}))
    given = ("--questions", questions, "--prices", prices, "--models", "m", "--dry-run")

    assert "expected an object of settings" in refused(
        "measure", *given, "--output", tmp_path / "out"
    )


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([0.5]), "prompt_tokens must be whole numbers, found 0.5"),
        (pa.array([2**40]), "prompt_tokens must be at most 2,147,483,647"),
        (pa.array([float("inf")]), "row 1: prompt_tokens is inf; expected a number or null"),
        *((column, f"column 'prompt_tokens' is of type {kind(column)}") for column in WRONG),
    ],
    ids=str,
)
def test_a_column_of_outcomes_of_another_type(refused, tmp_path, column, message):
    """
    What a bank cannot store is refused before a text is embedded.
    """
    columns = {"question_id": ["a"], "model": ["m"], "correct": [1.0], "completion_tokens": [1]}
    pq.write_table(pa.table({**columns, "prompt_tokens": column}), tmp_path / "o.parquet")
    (tmp_path / "q.jsonl").write_text('{"id": "a", "prompt": "1?"}\n')
    (tmp_path / "p.json").write_text(json.dumps({"m": {"input": 1, "output": 1}}))
    given = ("--questions", tmp_path / "q.jsonl", "--outcomes", tmp_path / "o.parquet")

    said = refused(
        *("bank", "build", *given, "--prices", tmp_path / "p.json", "--output", tmp_path / "bank")
    )

    assert message in said


def test_samples_without_a_sample_are_not_labelled(scope, tmp_path):
    """
    Prompts alone are a file of samples, of which no label can be made.
    """
    path = tmp_path / "s.parquet"
    numbers = {name: pa.nulls(1) for name in ("sample", "prompt_tokens", "completion_tokens")}
    pq.write_table(
        pa.table({"question_id": ["a"], "prompt": ["1?"], "model": ["m"], **numbers}), path
    )
    given = ("--samples", path, "--reference", "m", "--output", tmp_path / "out.parquet")

    code, _, err = scope("samples", "labels", *given)

    assert code == 2
    assert "scope: the samples hold no response or score of any model to label" in err
