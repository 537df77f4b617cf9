"""``scope eval`` as a user meets it: files, exit codes, one sentence for a wrong input."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from scope import AnchorConfig, save_bank
from scope.pool import Resampling
from scope.predictor.reference_population import predict_reference_population
from tests.factories.banks import labelled_pair, with_correct

FILES = {"report.html", "metrics.json", "scores.parquet", "curves.parquet", "predictions.json"}


def saved(bank, path):
    """Save a bank, calibrated; returns its folder."""
    bank = replace(bank, reference=predict_reference_population(bank, AnchorConfig()))
    save_bank(bank, path, created_at="2026-01-01", sources=())
    return path


@pytest.fixture
def banks(tmp_path):
    """Flags that name a small bank and its labelled questions."""
    bank, questions = labelled_pair()
    return [
        *("--bank", saved(bank, tmp_path / "bank")),
        *("--questions", saved(questions, tmp_path / "questions")),
    ]


def questions_of(tmp_path, questions, bank=None):
    """Flags for other questions or another bank."""
    bank = bank or labelled_pair()[0]
    return [
        *("--bank", saved(bank, tmp_path / "bank")),
        *("--questions", saved(questions, tmp_path / "questions")),
    ]


def without(bank, rows, column):
    """The bank without the outcomes of one model on some rows."""
    correct = bank.outcomes.correct_am.copy()
    correct[rows, column] = np.nan
    return with_correct(bank, correct)


def test_one_command_writes_everything(scope, banks, tmp_path):
    """
    Tables on the terminal, five files, a floor that is kept.
    """
    output = tmp_path / "eval"

    code, out, err = scope(
        "eval", *banks, "--output", output, "--ci", "--floor", "oracle_gap_closed=0", "--alpha", 1
    )

    metrics = json.loads((output / "metrics.json").read_text())
    entries = json.loads((output / "predictions.json").read_text())
    rows = pq.read_table(output / "scores.parquet").to_pylist()
    assert code == 0
    assert {file.name for file in output.iterdir()} == FILES
    assert "40 labelled questions × 2 models, 40 anchors" in out
    assert "random mixture" in out
    assert "all limits are kept: 1" in err
    assert metrics["n_questions"] == len(entries) == 40
    assert metrics["limits"] == [
        {"metric": "oracle_gap_closed", "floor": 0.0, "kept": True, "why": None}
    ]
    assert {row["table"] for row in rows} == {
        "leaderboard",
        "single_models",
        "planned_costs",
        "quality",
    }
    assert {one["prediction"] for one in entries} <= {"small", "large"}


def test_experiments_are_shown_and_written_where_asked_for(scope, tmp_path):
    """
    A curve from an eighth of 160 anchors, and a second call by the length of the first reply.
    """
    banks = questions_of(tmp_path, labelled_pair(160, 40)[1], labelled_pair(160, 40)[0])
    flags = ["--learning-curve", "--escalate"]

    code, out, _ = scope("eval", *banks, "--output", tmp_path / "eval", *flags)

    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert code == 0
    assert "320, by the line" in out
    assert "questions with a second call" in out
    assert "two wrong answers cannot be told apart" in out
    assert [point["n_anchors"] for point in metrics["learning_curve"]["points"]] == [
        20,
        40,
        80,
        160,
    ]
    assert {reply["model"] for reply in metrics["escalation"]["replies"]} == {"small", "large"}


def test_a_reference_adds_its_section(scope, banks, tmp_path):
    """
    On the terminal, in the JSON and in the table of numbers; without it the JSON has null.
    """
    flags = ["--reference", "large", "--output", tmp_path / "eval"]

    code, out, _ = scope("eval", *banks, *flags)

    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    rows = pq.read_table(tmp_path / "eval" / "scores.parquet").to_pylist()
    assert code == 0
    assert "Quality drop in % against always large" in out
    assert "hull of static arms" in out
    assert metrics["against_reference"]["reference"] == "large"
    assert "against_reference" in {row["table"] for row in rows}


def test_json_is_alone_on_stdout_and_a_broken_limit_exits_1(scope, tmp_path):
    """
    The evaluation is written all the same; standard error says what was not kept. Three
    questions lack the large model: counted and left out, never wrong.
    """
    bank, questions = labelled_pair()
    banks = questions_of(tmp_path, without(questions, slice(0, 3), 1), bank)
    flags = ["--floor", "auc=0.999", "--floor", "ece=0.0001", "--ci", "--json"]

    code, out, err = scope("eval", *banks, "--output", tmp_path / "eval", *flags)

    facts = json.loads(out)
    assert code == 1
    assert facts["output"] == str(tmp_path / "eval")
    assert [limit["kept"] for limit in facts["limits"]] == [False, False]
    assert facts["learning_curve"] is facts["escalation"] is None
    assert "below its floor of 0.999" in err
    assert "above its ceiling of 0.0001" in err
    assert (tmp_path / "eval" / "report.html").is_file()
    assert (facts["n_questions"], facts["n_left_out"], facts["n_unknown_cells"]) == (37, 3, 3)
    assert facts["quality"][0]["pooled"]["n"] == 77


def test_an_earlier_evaluation_is_replaced_only_when_asked(scope, banks, tmp_path):
    """
    And a folder that is none never: it may be someone's home.
    """
    output, home = tmp_path / "eval", tmp_path / "home"
    for folder, name in ((output, "metrics.json"), (home, "letter.txt")):
        folder.mkdir()
        (folder / name).write_text("{}")

    refused = scope("eval", *banks, "--output", output)
    never = scope("eval", *banks, "--output", home, "--fresh")
    replaced = scope("eval", *banks, "--output", output, "--fresh")

    assert refused[0] == never[0] == 2
    assert "pass --fresh to replace it" in refused[2]
    assert "exists and is no evaluation" in never[2]
    assert replaced[0] == 0
    assert {file.name for file in output.iterdir()} == FILES
    assert (home / "letter.txt").is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param(
            ["--known-fact", "--escalate"], "drop --known-fact", id="an experiment by facts"
        ),
        pytest.param(
            ["--known-fact"], "has learned from 20 anchors or more (none)", id="no fact is learned"
        ),
        pytest.param(["--floor", "aera=1"], "'aera=1' names no known metric", id="metric"),
        pytest.param(["--floor", "auc=much"], "'auc=much' has no number", id="number"),
        pytest.param(["--ci"], "--ci has nothing to check", id="ci without a floor"),
        pytest.param(["--alpha", 2], "alpha is 2.0; expected a number within 0..1", id="alpha"),
        pytest.param(["--pool", "default"], "unknown model 'tngtech/", id="pool"),
        pytest.param(["--learning-curve"], "begins with an eighth of the anchors, 5", id="curve"),
        pytest.param(["--reference", "huge"], "unknown model 'huge'", id="reference"),
        pytest.param(["--questions", "nowhere"], "nowhere is not a bank", id="questions"),
        pytest.param(["--prices", "nowhere"], "price file nowhere cannot be read", id="prices"),
    ],
)
def test_a_wrong_call_gets_one_sentence(scope, banks, tmp_path, flags, message):
    """
    Exit 2 before any work, nothing written.
    """
    code, _, err = scope("eval", *banks, "--output", tmp_path / "eval", *flags)

    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "eval").exists()


EVERY = slice(None)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        pytest.param(
            lambda b, q: (without(b, EVERY, 1), q), "'large' has no outcome in the bank", id="bank"
        ),
        pytest.param(
            lambda b, q: (b, without(q, EVERY, 0)),
            "'small' has no outcome in the labelled questions",
            id="questions",
        ),
        pytest.param(
            lambda b, q: (b, without(q, slice(0, 15), 1)), "only 25 of 40 labelled", id="gaps"
        ),
        pytest.param(lambda b, q: (b, b), "is itself an anchor", id="anchors as questions"),
        pytest.param(
            lambda b, q: (labelled_pair(12, 40)[0], q), "12 anchors in the bank", id="few anchors"
        ),
        pytest.param(
            lambda b, q: (b, labelled_pair(40, 8)[1]), "8 labelled questions", id="few questions"
        ),
    ],
)
def test_unusable_data_gets_one_sentence(scope, tmp_path, pair, message):
    """
    No number is computed from nothing.
    """
    bank, questions = pair(*labelled_pair())

    flags = questions_of(tmp_path, questions, bank)
    code, _, err = scope("eval", *flags, "--output", tmp_path / "eval")

    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "eval").exists()


def test_derived_arms_have_no_outcomes_to_compare_with(scope, tmp_path):
    """
    One sentence, which says what to do; nothing is written.
    """
    known = Resampling(concentration=2.0, odds=3.0, selector="majority", source="fitted")
    bank, questions = labelled_pair()
    small, large = bank.models
    bank = replace(bank, models=(small.model_copy(update={"resampling": known}), large))
    (tmp_path / "pool.txt").write_text("small\nsmall@3\nlarge\n")
    flags = questions_of(tmp_path, questions, bank)

    code, _, err = scope(
        "eval", *flags, "--pool", tmp_path / "pool.txt", "--output", tmp_path / "e"
    )

    assert code == 2
    assert "small@3: derived from one sample" in err
    assert not (tmp_path / "e").exists()
