"""``scope route --policy two_stage``: the published router's flags, files and results."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, save_bank
from tests.factories.banks import LARGE, SMALL, labelled_pair

GOLDEN = Path(__file__).parents[2] / "golden"
EXPECTED = json.loads((GOLDEN / "routing.json").read_text())
POLICY = ["--policy", "two_stage"]
SELECTION = [*POLICY, "--selection", GOLDEN / "selection.json"]
SIMILARITY = [*SELECTION, "--similarity", GOLDEN / "similarity.json"]
FILES = [*SIMILARITY, "--anchor-performance", GOLDEN / "anchor_performance.json"]


@pytest.fixture
def routed(scope, tmp_path):
    """Run the command; returns the file it wrote."""

    def run(*flags, code=0):
        output = tmp_path / "r.json"
        assert scope("route", *flags, "--output", output)[0] == code
        return json.loads(output.read_text())

    return run


@pytest.mark.parametrize("expected", EXPECTED["routing"][::5], ids=lambda e: f"alpha {e['alpha']}")
def test_an_alpha_writes_the_published_result(routed, expected):
    """
    Choice by choice, with the published configuration.
    """
    got = routed(*FILES, "--alpha", expected["alpha"])

    assert list(got) == ["method", "dataset", "alpha", "config", "result"]
    assert (got["method"], got["dataset"], got["alpha"]) == ("golden", None, expected["alpha"])
    assert got["config"] == {
        "top_k": 6,
        "similarity_power": 2.0,
        "cost_sensitivity": 2.0,
        "stage1_weight": 0.3,
    }
    assert got["result"]["total_cost"] == expected["total_cost"]
    assert [d["selected_model"] for d in got["result"]["routing_decisions"]] == [
        d["selected_model"] for d in expected["routing_decisions"]
    ]


@pytest.mark.parametrize("budget", EXPECTED["budgets"])
def test_a_budget_writes_the_published_result(routed, budget):
    """
    Its alpha is found on the ground truth, as published.
    """
    got = routed(*FILES, "--budget", budget)

    expected = EXPECTED["budgets"][budget]
    assert got["optimal_alpha"] == expected["optimal_alpha"]
    assert got["result"]["accuracy"] == expected["accuracy"]
    assert got["result"]["total_cost"] == expected["total_cost"]
    assert len(got["pareto_curve"]) == 101


def test_a_budget_below_every_cost_exits_1(scope, tmp_path):
    """
    The cheapest routing is written, and one line says what it costs.
    """
    output = tmp_path / "r.json"

    code, _, err = scope("route", *FILES, "--budget", 1e-6, "--output", output)

    got = json.loads(output.read_text())
    assert code == 1
    assert "cannot be met: the cheapest routing costs $0.00481" in err
    assert got["result"]["total_cost"] == min(point["total_cost"] for point in got["pareto_curve"])


def test_without_a_target_the_curve_is_written(routed):
    """
    As many alphas as the flag says, 101 by default.
    """
    got = routed(*FILES, "--alpha-steps", 21)

    assert [point["total_cost"] for point in got["pareto_curve"]] == [
        expected["total_cost"] for expected in EXPECTED["routing"]
    ]
    assert got["best_accuracy"] == max(expected["accuracy"] for expected in EXPECTED["routing"])
    assert len(routed(*FILES)["pareto_curve"]) == 101


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("top_k", 1),
        ("similarity_power", 9.0),
        ("cost_sensitivity", 0.5),
        ("stage1_weight", 0.9),
    ],
)
def test_every_parameter_moves_the_result(routed, flag, value):
    """
    And stands in the configuration of the file; the published value is the default.
    """
    published = routed(*FILES, "--alpha", 0.5)
    got = routed(*FILES, "--alpha", 0.5, f"--{flag.replace('_', '-')}", value)
    same = routed(*FILES, "--alpha", 0.5, f"--{flag.replace('_', '-')}", published["config"][flag])

    assert got["config"] == {**published["config"], flag: value}
    assert got["result"]["routing_decisions"] != published["result"]["routing_decisions"]
    assert same == published


def dataset(folder, names):
    """The golden anchors as a data set of the published form; tokens give their costs back."""
    (folder / "data").mkdir(parents=True)
    anchors = json.loads((GOLDEN / "anchor_performance.json").read_text())
    rows = [
        {
            "id": anchor,
            "model_name": names.get(model, model),
            "is_correct": outcome["is_correct"],
            "usage_prompt_tokens": round(outcome["cost"] * 1e12),
            "usage_completion_tokens": 0,
        }
        for anchor, outcomes in anchors.items()
        for model, outcome in outcomes.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / "anchor-00000-of-00001.parquet")
    prices = {model: {"input": 1e-6, "output": 0.0} for row in anchors.values() for model in row}
    (folder / "prices.json").write_text(json.dumps(prices))
    return ["--dataset", folder, "--prices", folder / "prices.json"]


def test_anchors_come_from_a_published_data_set(routed, tmp_path):
    """
    Under the names that the selection has, whatever their form; the file names the data set.
    """
    renamed = {"deepseek-v2-chat": "deepseek/deepseek-v2-chat:free"}
    flags = dataset(tmp_path / "set", renamed)

    got = routed(*SIMILARITY, *flags, "--alpha", 0.5)

    expected = EXPECTED["routing"][10]
    assert got["dataset"] == str(tmp_path / "set")
    assert [d["selected_model"] for d in got["result"]["routing_decisions"]] == [
        d["selected_model"] for d in expected["routing_decisions"]
    ]


def test_a_data_set_with_an_unknown_price_is_refused(scope, tmp_path):
    """
    The published code takes such a model for free.
    """
    flag, folder, *_ = dataset(tmp_path / "set", {})

    code, _, err = scope(
        "route", *SIMILARITY, flag, folder, "--alpha", 1, "--output", tmp_path / "r.json"
    )

    assert code == 2
    assert "has no price in the price list" in err
    assert not (tmp_path / "r.json").exists()


@pytest.fixture
def hand_made(tmp_path):
    """A bank, labelled questions, and the published files that say the same about them."""
    bank, questions = labelled_pair(n_anchors=30, n_questions=12)
    save_bank(bank, tmp_path / "bank", created_at="2026-01-01", sources=())
    save_bank(questions, tmp_path / "questions", created_at="2026-01-01", sources=())

    def files(source):
        """Write selection, similarity and anchor performance for the questions of `source`."""
        cost = bank.outcomes.completion_tokens_am * [m.usd_per_mtok_out / 1e6 for m in bank.models]
        cost += bank.outcomes.prompt_tokens_am * [m.usd_per_mtok_in / 1e6 for m in bank.models]
        anchors = {
            anchor: {
                model.id: {
                    "is_correct": bool(bank.outcomes.correct_am[a, m]),
                    "cost": cost[a, m],
                }
                for m, model in enumerate(bank.models)
            }
            for a, anchor in enumerate(bank.ids)
        }
        near = []
        for question_id, vector in zip(source.ids, source.embedding_ad, strict=True):
            cosine = bank.embedding_ad @ vector
            order = [a for a in np.argsort(-cosine) if bank.ids[a] != question_id][:6]
            near.append(
                {
                    "router_id": question_id,
                    "similar_anchors": [
                        {"anchor_id": bank.ids[a], "similarity": round(float(cosine[a]), 6)}
                        for a in order
                    ],
                }
            )
        selection = {
            "questions": [
                {
                    "question_id": question_id,
                    "all_models": [
                        {"model": SMALL.id, "predicted": {"correctness": "no", "cost": 0.001}},
                        {"model": LARGE.id, "predicted": {"correctness": "unknown", "cost": 0.002}},
                    ],
                }
                for question_id in source.ids
            ]
        }
        names = {"selection": selection, "similarity": near, "anchor-performance": anchors}
        flags = []
        for name, content in names.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
            flags += [f"--{name}", tmp_path / f"{name}.json"]
        return flags

    return tmp_path, bank, questions, files


@pytest.mark.parametrize("of_bank", [False, True], ids=["labelled questions", "anchors"])
def test_similarity_and_anchors_are_computed_from_a_bank(routed, hand_made, of_bank):
    """
    As from files with the same content; an anchor is not its own neighbour.
    """
    folder, bank, questions, files = hand_made
    flags = files(bank if of_bank else questions)
    query = [] if of_bank else ["--query-file", folder / "questions"]

    expected = routed(*POLICY, *flags, "--alpha", 0.9)
    got = routed(*POLICY, *flags[:2], "--bank", folder / "bank", *query, "--alpha", 0.9)

    assert len({d["selected_model"] for d in got["result"]["routing_decisions"]}) == 2
    ours, theirs = (r["result"]["routing_decisions"] for r in (got, expected))
    assert [d["selected_model"] for d in ours] == [d["selected_model"] for d in theirs]
    assert [d["score"] for d in ours] == pytest.approx([d["score"] for d in theirs], abs=1e-4)
    assert {d["ground_truth_correct"] for d in ours} == {d["cost"] for d in ours} == {None}


def test_questions_that_are_nowhere_are_named(scope, hand_made):
    """
    Without the questions, or with others, their similarity is unknown.
    """
    folder, _, questions, files = hand_made
    flags = [*POLICY, *files(questions)[:2], "--alpha", 1, "--output", folder / "r.json"]

    for query in [], ["--query-file", folder / "bank"]:
        code, _, err = scope("route", *flags, "--bank", folder / "bank", *query)

        assert code == 2
        assert "12 questions of the selection are not in" in err
        assert "pass --query-file with all of them, or --similarity" in err
    assert not (folder / "r.json").exists()


@pytest.mark.ray
def test_texts_of_questions_are_embedded(routed, tmp_path):
    """
    With the bank's embedder, where the bank has no vectors of them.
    """
    rows = [{"id": "a", "prompt": "What is 2 + 2?"}, {"id": "b", "prompt": "Who wrote Faust?"}]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    models = [
        {"model": model, "predicted": {"correctness": "yes", "cost": cost}}
        for model, cost in (("gpt-4o-2024-05-13", 0.01), ("gemini-1.5-flash-002", 0.0001))
    ]
    selection = {"questions": [{"question_id": row["id"], "all_models": models} for row in rows]}
    (tmp_path / "selection.json").write_text(json.dumps(selection))

    flags = ["--selection", tmp_path / "selection.json", "--query-file", tmp_path / "q.jsonl"]
    got = routed(*POLICY, *flags, "--bank", EMBEDDED_BANK, "--alpha", 0)

    assert got["method"] == "SCOPE"
    assert got["result"]["model_distribution"] == {"gemini-1.5-flash-002": 2}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param(POLICY, "two_stage needs --selection", id="no selection"),
        pytest.param(SIMILARITY, "--dataset; got none", id="no anchors"),
        pytest.param(
            [*FILES, "--bank", EMBEDDED_BANK],
            "got --anchor-performance and --bank",
            id="two kinds of anchors",
        ),
        pytest.param(
            [*SELECTION, *FILES[-2:]], "needs --similarity, or --bank", id="no similarity"
        ),
        pytest.param(
            [*FILES, "--query-file", EMBEDDED_QUESTIONS],
            "--query-file and --similarity exclude each other",
            id="similarity twice",
        ),
        pytest.param([*FILES, "--prices", "p"], "--prices needs --dataset", id="prices"),
        pytest.param([*FILES, "--alpha", 2], "alpha is 2.0", id="alpha"),
        pytest.param([*FILES, "--alpha", 1, "--budget", 1], "exclude each other", id="two targets"),
        pytest.param(
            [*FILES, "--alpha", 1, "--alpha-steps", 3], "exclude each other", id="both alphas"
        ),
        pytest.param([*FILES, "--budget", -1], "budget is -1.0 USD", id="budget"),
        pytest.param([*FILES, "--budget", "nan"], "budget is nan USD", id="budget NaN"),
        pytest.param([*FILES, "--top-k", 0], "top_k is 0; expected", id="top-k"),
        pytest.param(
            [*FILES, "--similarity-power", -1], "similarity_power is -1.0; expected", id="power"
        ),
        pytest.param(
            [*FILES, "--cost-sensitivity", 0], "cost_sensitivity is 0.0; expected", id="sensitivity"
        ),
        pytest.param(
            [*FILES, "--stage1-weight", 1.5], "stage1_weight is 1.5; expected", id="weight"
        ),
        pytest.param(
            [*FILES, "--alpha", 1, "--predictions", "p", "--deny", "x"],
            "policy two_stage does not take --predictions and --deny",
            id="flags of the other policy",
        ),
        pytest.param(
            [*FILES, "--min-quality", 0.5], "does not take --min-quality", id="other objective"
        ),
        pytest.param(
            [*SIMILARITY, "--bank", GOLDEN, "--alpha", 1], "is not a bank", id="no bank there"
        ),
    ],
)
def test_wrong_flags_get_one_sentence(scope, tmp_path, flags, message):
    """
    Exit 2, the value, what is allowed, and nothing written.
    """
    output = tmp_path / "r.json"
    output.write_text("before")

    code, _, err = scope("route", "--output", output, *flags)

    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert output.read_text() == "before"
