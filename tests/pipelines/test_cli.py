"""Commands that need no cluster, and every kind of bad input, as a user meets them."""

import json
import shutil
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


def test_a_budget_is_routed_and_reported(scope, predicted, tmp_path):
    """
    $4 buys one step up; planned and realised stand beside each other.
    """
    code, out, _ = scope(
        "route", "--predictions", predicted, "--budget", 4, "--output", tmp_path / "r.json"
    )

    result = json.loads((tmp_path / "r.json").read_text())
    assert code == 0
    assert result["planned"]["cost_usd"] == 4.0
    assert result["routing"][0]["model_distribution"] == {"small": 2, "large": 1}
    assert "planned:" in out
    assert "realised: accuracy 33.3 %" in out


def test_a_budget_nobody_can_meet_exits_1(scope, predicted, tmp_path):
    """
    Routed at the cheapest all the same; one line says by how much it overshoots.
    """
    code, _, err = scope(
        "route", "--predictions", predicted, "--budget", 2.5, "--output", tmp_path / "r.json"
    )

    result = json.loads((tmp_path / "r.json").read_text())
    assert code == 1
    assert "budget $2.5 cannot be met: the cheapest models cost $3, $0.5 too much" in err
    assert result["overshoot_usd"] == 0.5
    assert result["routing"][0]["model_distribution"] == {"small": 3}


@pytest.mark.parametrize(
    ("flags", "models"),
    [
        pytest.param(["--alpha", 0], {"small": 3}, id="alpha 0: the cheapest"),
        pytest.param(["--alpha", 1], {"large": 3}, id="alpha 1: the likeliest"),
        pytest.param(["--min-quality", 0.7], {"large": 3}, id="none but the large is good enough"),
        pytest.param(["--max-cost", 1.5], {"small": 3}, id="the large is too dear"),
        pytest.param(["--alpha", 1, "--deny", "large"], {"small": 3}, id="denied"),
        pytest.param(["--alpha", 0, "--allow", "large"], {"large": 3}, id="alone allowed"),
    ],
)
def test_every_rule_can_be_asked_for(scope, predicted, tmp_path, flags, models):
    """
    One flag each.
    """
    code, out, _ = scope(
        "route", "--predictions", predicted, *flags, "--output", tmp_path / "r.json", "--json"
    )

    routed = json.loads((tmp_path / "r.json").read_text())["routing"][0]
    assert code == 0
    assert routed["model_distribution"] == models
    assert json.loads(out)["output"].endswith("r.json")


def test_a_pool_file_narrows_the_choice(scope, predicted, tmp_path):
    """
    Only its models are routed to.
    """
    pool = write(tmp_path / "pool.txt", "large  # nothing else\n")

    flags = ["--pool", pool, "--alpha", 0, "--output", tmp_path / "r.json"]
    code, _, _ = scope("route", "--predictions", predicted, *flags)

    assert code == 0
    assert json.loads((tmp_path / "r.json").read_text())["models"] == ["large"]


REFERENCE = [
    "--policy",
    "two_stage",
    "--selection",
    GOLDEN / "selection.json",
    "--similarity",
    GOLDEN / "similarity.json",
    "--anchor-performance",
    GOLDEN / "anchor_performance.json",
]


def test_the_published_results_come_out_of_one_command(scope, tmp_path):
    """
    21 alphas and eight oracle budgets, choice by choice.
    """
    expected = json.loads((GOLDEN / "routing.json").read_text())
    budgets = [flag for budget in expected["budgets"] for flag in ("--budget-oracle", budget)]

    code, _, _ = scope(
        "route", *REFERENCE, "--alpha-steps", 21, *budgets, "--output", tmp_path / "r.json"
    )

    got = json.loads((tmp_path / "r.json").read_text())
    assert code == 0
    assert got["budgets"] == expected["budgets"]
    for ours, theirs in zip(got["routing"], expected["routing"], strict=True):
        assert ours["total_cost"] == theirs["total_cost"]
        assert [d["selected_model"] for d in ours["routing_decisions"]] == [
            d["selected_model"] for d in theirs["routing_decisions"]
        ]


def test_the_frontier_is_a_table_and_a_picture(scope, predicted, tmp_path):
    """
    Eleven settings of the dial by default.
    """
    code, out, _ = scope(
        "frontier", "--predictions", predicted, "--output", tmp_path / "frontier.png"
    )

    assert code == 0
    assert len([line for line in out.splitlines() if line[:2] in ("0.", "1.")]) == 11
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")


def test_the_frontier_as_numbers(scope, predicted, tmp_path):
    """
    JSON for machines; an infinite trade-off is null.
    """
    output = tmp_path / "frontier.json"

    code, out, _ = scope(
        "frontier", "--predictions", predicted, "--alpha-steps", 3, "--json", "--output", output
    )

    points = json.loads(out)
    assert code == 0
    assert [point["alpha"] for point in points] == [0, 0.5, 1]
    assert (points[0]["trade_off"], points[2]["trade_off"]) == (None, 0)
    assert json.loads(output.read_text()) == points


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


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param([], "exactly one of alpha, budget_usd", id="no target"),
        pytest.param(["--alpha", 1, "--budget", 2], "got alpha and budget_usd", id="two targets"),
        pytest.param(["--alpha", 1.5], "alpha is 1.5; expected a number within 0..1", id="alpha"),
        pytest.param(["--alpha", "nan"], "alpha is nan; expected", id="alpha is NaN"),
        pytest.param(["--budget", -1], "budget is -1.0 USD; expected at least 0", id="budget"),
        pytest.param(["--min-quality", 2], "min_quality is 2.0; expected a prob", id="quality"),
        pytest.param(["--max-cost", -1], "max_cost_usd is -1.0; expected", id="ceiling"),
        pytest.param(["--alpha", 1, "--pool", "default"], "unknown model 'tngtech", id="pool"),
        pytest.param(["--alpha", 1, "--pool", "nope"], "'nope' is neither one of", id="no pool"),
        pytest.param(["--alpha", 1, "--deny", "gpt-9"], "denied models gpt-9 are not", id="deny"),
        pytest.param(["--alpha", 1, "--policy", "best"], "policy is 'best'; expected", id="policy"),
    ],
)
def test_a_wrong_target_gets_one_sentence(scope, predicted, tmp_path, flags, message):
    """
    Exit 2, the value, what is allowed, and nothing written.
    """
    output = tmp_path / "r.json"

    code, _, err = scope("route", "--predictions", predicted, "--output", output, *flags)

    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not output.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param(["--policy", "two_stage"], "needs --selection, --similarity", id="no files"),
        pytest.param(REFERENCE, "--alpha is missing", id="no alpha"),
        pytest.param([*REFERENCE, "--alpha", 2], "alpha is 2.0", id="alpha"),
        pytest.param(
            [*REFERENCE, "--alpha", 1, "--alpha-steps", 3], "exclude each other", id="both alphas"
        ),
        pytest.param([*REFERENCE, "--budget-oracle", -1], "budget is -1.0 USD", id="budget"),
        pytest.param(["--alpha", 1], "--predictions is missing", id="no predictions"),
    ],
)
def test_a_wrong_call_of_route_gets_one_sentence(scope, tmp_path, flags, message):
    """
    Also in parity mode.
    """
    code, _, err = scope("route", "--output", tmp_path / "r.json", *flags)

    assert code == 2
    assert message in err
    assert not (tmp_path / "r.json").exists()


def test_a_picture_of_another_kind_is_refused(scope, predicted, tmp_path):
    """
    Before any work is done.
    """
    code, _, err = scope("frontier", "--predictions", predicted, "--output", tmp_path / "f.gif")

    assert code == 2
    assert "f.gif ends in neither .png, .svg, .pdf nor .json" in err


QUESTION = {"id": "a", "prompt": "What is 2 + 2?"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "has no question", id="empty file"),
        pytest.param('{"id": 1', "line 1 is not JSON", id="unreadable JSON"),
        pytest.param({"id": "a"}, "line 1 has no 'prompt'", id="no prompt"),
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
    A newcomer types the name and reads.
    """
    code, out, err = scope("--help")

    assert code == 0
    assert all(
        name in out + err for name in ("bank", "predict", "route", "frontier", "eval", "demo")
    )
