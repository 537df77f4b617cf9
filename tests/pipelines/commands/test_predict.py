"""The whole path through Ray Data, on the real embedder and the embedded bank."""

import json
from dataclasses import replace
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from pipelines.cluster.session import ray_session
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, AnchorPredictor, load_bank, save_bank
from scope.embedding.encoder import Encoder
from scope.embedding.spec import EmbedderSpec
from scope.embedding.text_features import text_features
from scope.errors import ConfigError
from scope.routing.prediction_store import load_predictions
from scope.storage.files import folder_digest
from tests.factories.banks import bank_of

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]

QUESTIONS = [
    {"id": "sum", "prompt": "What is 2 + 2?", "category": "math"},
    {"id": "war", "prompt": "When did the First World War begin?"},
    {"id": "long", "prompt": "Explain photosynthesis. " * 200},
]


@pytest.fixture
def query_file(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(question) for question in QUESTIONS))
    return path


def test_raw_questions_get_the_predictions_of_the_algorithm(scope, query_file, tmp_path):
    """
    What Ray Data writes is what the predictor says when called directly, and the
    reference's two files, which the same command writes later on request, tell the same story.
    """
    output = tmp_path / "out"

    run = ["predict", "--query-file", query_file, "--output", output]
    code, out, _ = scope(*run)
    assert [path.name for path in output.iterdir()] == ["predictions"]
    assert scope(*run, "--reference-files")[0] == 0

    predicted = load_predictions(output)
    bank = load_bank(EMBEDDED_BANK)
    prompts = [question["prompt"] for question in sorted(QUESTIONS, key=itemgetter("id"))]
    expected, near = AnchorPredictor(bank).predict(
        Encoder().encode(prompts), text_features(prompts)
    )
    assert code == 0
    assert "predicted 3 questions" in out
    assert predicted.predictions.question_ids == ("long", "sum", "war")
    got = predicted.predictions.estimates
    np.testing.assert_allclose(got.p_correct_qm, expected.p_correct_qm, atol=1e-5)
    np.testing.assert_allclose(got.cost_usd_qm, expected.cost_usd_qm, rtol=1e-4)
    selection = json.loads((output / "selection.json").read_text())["questions"]
    similarity = json.loads((output / "similarity.json").read_text())
    assert [question["question_id"] for question in selection] == ["long", "sum", "war"]
    assert selection[0]["all_models"][0]["predicted"]["p_correct"] == got.p_correct_qm[0, 0]
    assert similarity[1]["similar_anchors"][0]["anchor_id"] == bank.ids[near.anchor_qk[1, 0]]
    assert [anchor["rank"] for anchor in similarity[0]["similar_anchors"]] == list(range(1, 11))


def test_a_known_category_replaces_the_guess(scope, query_file, tmp_path):
    """
    Of the one question whose category is in the file; the others are guessed as before.
    """
    flags = ["--query-file", query_file]
    assert scope("predict", *flags, "--output", tmp_path / "guessed")[0] == 0

    code, out, _ = scope("predict", *flags, "--known-fact", "--output", tmp_path / "known")

    guessed_qm, known_qm = (
        load_predictions(tmp_path / name).predictions.estimates.p_correct_qm
        for name in ("guessed", "known")
    )
    assert code == 0
    assert "what is known of 1 of them was used" in " ".join(out.split())
    np.testing.assert_array_equal(known_qm[[0, 2]], guessed_qm[[0, 2]])
    assert np.abs(known_qm[1] - guessed_qm[1]).max() > 0.001


def test_labelled_questions_bring_their_outcomes(scope, tmp_path):
    """
    A bank as query file: no text is embedded, planned and realised can be compared.
    """
    output = tmp_path / "out"
    flags = ["--query-file", EMBEDDED_QUESTIONS, "--limit", 300, "--output", output]

    assert scope("predict", *flags)[0] == 0
    code, out, _ = scope(
        "route", "--predictions", output, "--alpha", 0.5, "--output", tmp_path / "r"
    )

    labelled = load_bank(EMBEDDED_QUESTIONS)
    predicted = load_predictions(output)
    assert code == 0
    assert "realised: accuracy" in out
    order = sorted(range(300), key=labelled.ids.__getitem__)
    assert predicted.predictions.question_ids == tuple(labelled.ids[q] for q in order)
    np.testing.assert_array_equal(
        predicted.outcomes.correct_am, labelled.outcomes.correct_am[order]
    )
    realised = json.loads((tmp_path / "r").read_text())["realised"]
    assert realised["n_questions"] == 300
    assert realised["accuracy"] > np.nanmean(predicted.outcomes.correct_am)


def test_anchors_of_the_bank_are_predicted_without_their_own_vote(scope, tmp_path):
    """
    The bank as its own query file: what it is calibrated on, not what it remembers.
    """
    output = tmp_path / "out"

    code, _, _ = scope("predict", "--query-file", EMBEDDED_BANK, "--limit", 50, "--output", output)

    bank = load_bank(EMBEDDED_BANK)
    own = np.array(sorted(range(50), key=bank.ids.__getitem__))
    expected, _ = AnchorPredictor(bank).predict(bank.embedding_ad[own], bank.features_af[own], own)
    got = load_predictions(output).predictions.estimates
    assert code == 0
    np.testing.assert_array_equal(got.p_correct_qm, expected.p_correct_qm)


def test_a_pool_with_its_own_prices(scope, query_file, tmp_path):
    """
    Only its models, in its order, at its prices: ten times the price, ten times the cost.
    """
    pool, prices = tmp_path / "pool.txt", tmp_path / "prices.json"
    pool.write_text("gpt-4o-2024-05-13\ngemini-1.5-flash-002\n")
    prices.write_text(
        json.dumps(
            {
                "gpt-4o-2024-05-13": {"input": 50, "output": 150},
                "gemini-1.5-flash-002": {"input": 0.075, "output": 0.3},
            }
        )
    )
    common = ["predict", "--query-file", query_file, "--pool", pool]

    assert scope(*common, "--output", tmp_path / "a")[0] == 0
    assert scope(*common, "--prices", prices, "--output", tmp_path / "b")[0] == 0

    here, there = (load_predictions(tmp_path / name).predictions for name in "ab")
    assert here.models == ("gpt-4o-2024-05-13", "gemini-1.5-flash-002")
    ratio = there.estimates.cost_usd_qm / here.estimates.cost_usd_qm
    np.testing.assert_allclose(ratio, [[10, 1]] * 3)


def test_several_samples_of_a_model_are_predicted(scope, query_file, tmp_path):
    """
    Three samples cost three times as much, and are the same as those that ``scope route`` derives
    from one; the source says that their worth is assumed.
    """
    bank, pool = tmp_path / "bank", tmp_path / "pool.txt"
    assert scope("bank", "fit-samples", "--assume", "--output", bank)[0] == 0
    common = ["predict", "--query-file", query_file, "--bank", bank, "--pool", pool]

    for name, arm in (("arms", "gemini-1.5-flash-002@3"), ("models", "gemini-1.5-flash-002")):
        pool.write_text(f"{arm}\ngpt-4o-2024-05-13\n")
        assert scope(*common, "--output", tmp_path / name)[0] == 0

    here = load_predictions(tmp_path / "arms")
    there = load_predictions(tmp_path / "models").select_models(here.model_ids)
    for name, value_qm in here.predictions.estimates.to_columns().items():
        np.testing.assert_allclose(
            value_qm, there.predictions.estimates.to_columns()[name], rtol=1e-12, err_msg=name
        )
    one = load_predictions(tmp_path / "models").select_models(("gemini-1.5-flash-002",))
    ratio = here.predictions.estimates.cost_usd_qm[:, :1] / one.predictions.estimates.cost_usd_qm
    np.testing.assert_allclose(ratio, 3)
    rows = pq.read_table(tmp_path / "arms" / "predictions" / "part-00000.parquet").to_pylist()
    assert {row["model"]: row["source"] for row in rows} == {
        "gemini-1.5-flash-002@3": "anchors, samples assumed",
        "gpt-4o-2024-05-13": "anchors",
    }


def test_predictions_are_replaced_only_when_asked(scope, query_file, tmp_path):
    """
    Other questions into the same folder are refused by name; --fresh replaces the first.
    """
    run = ["predict", "--query-file", query_file, "--output", tmp_path / "out"]
    assert scope(*run, "--limit", 1)[0] == 0

    code, _, err = scope(*run)
    assert code == 2
    assert "already exists, with different questions; choose another output or pass" in err
    assert len(load_predictions(tmp_path / "out").predictions.question_ids) == 1

    assert scope(*run, "--fresh")[0] == 0
    assert len(load_predictions(tmp_path / "out").predictions.question_ids) == 3


@pytest.fixture
def bank_inputs(tmp_path):
    """Forty questions, three models, one outcome missing and one ungraded."""
    prompts = [f"What is {i} + {i}?" if i % 2 else f"Who reigned in {1500 + i}?" for i in range(40)]
    ids = [f"q{i}" for i in range(40)]
    questions = {"question_id": ids, "prompt": prompts, "category": ["x"] * 40, "gt": ["?"] * 40}
    pq.write_table(pa.table(questions), tmp_path / "q.parquet")
    rows = [
        {
            "question_id": question_id,
            "model": model,
            "is_correct": None if (i, model) == (1, "small") else (i % 2 == 1 or model == "large"),
            "prompt_tokens": 10 + i % 3,
            "completion_tokens": 100 + i,
        }
        for i, question_id in enumerate(ids)
        for model in ("small", "middle", "large")
        if (i, model) != (0, "small")
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "o.parquet")
    prices = {
        model: {"input": p, "output": p}
        for model, p in zip(("small", "middle", "large"), (1, 2, 9), strict=True)
    }
    (tmp_path / "p.json").write_text(json.dumps(prices))
    return [
        *("--questions", tmp_path / "q.parquet", "--outcomes", tmp_path / "o.parquet"),
        *("--prices", tmp_path / "p.json"),
    ]


def test_a_bank_is_built_and_used(scope, bank_inputs, tmp_path):
    """
    From three files to a bank to a prediction: the bank knows that sums are easy for all
    and history only for the large model.
    """
    bank = tmp_path / "bank"
    code, out, _ = scope("bank", "build", *bank_inputs, "--output", bank, "--source", "made up")
    assert code == 0
    assert "40 anchors × 3 models, 119 outcomes" in out
    query = tmp_path / "query.jsonl"
    query.write_text(
        json.dumps({"id": "1-sum", "prompt": "What is 9 + 9?"})
        + "\n"
        + json.dumps({"id": "2-king", "prompt": "Who reigned in 1777?"})
    )

    run = ["predict", "--bank", bank, "--query-file", query, "--output", tmp_path / "out"]
    assert scope(*run)[0] == 0

    loaded = load_bank(bank)
    predictions = load_predictions(tmp_path / "out").predictions
    p = dict(zip(predictions.models, predictions.estimates.p_correct_qm.T, strict=True))
    assert loaded.prompts[3] == "What is 3 + 3?"
    assert np.isnan(loaded.outcomes.correct_am[0, predictions.models.index("small")])
    assert np.isnan(loaded.outcomes.correct_am[1, predictions.models.index("small")])
    assert p["middle"][0] > p["middle"][1]
    assert p["large"][1] > 0.8 > p["middle"][1]


def test_a_bank_without_prompts_holds_no_text(scope, bank_inputs, tmp_path):
    """
    Neither questions nor answers; a sample of them on request.
    """
    bank = tmp_path / "bank"
    flags = ["--drop-prompts", "--sample", 30, "--output", bank]

    code, _, _ = scope("bank", "build", *bank_inputs, *flags)

    loaded = load_bank(bank)
    assert code == 0
    assert len(loaded.ids) == 30
    assert loaded.prompts is None
    assert set(loaded.gold_answers) == {None}
    assert all(b"reigned" not in file.read_bytes() for file in Path(bank).iterdir())


def test_a_failure_inside_a_worker_arrives_in_its_own_words():
    """
    Ray's wrapper is a traceback; what the user needs is the sentence in it.
    """

    @ray.remote
    def fail():
        raise ConfigError("embedder 'x' cannot be loaded")

    with pytest.raises(ConfigError) as caught, ray_session():
        ray.get(fail.remote())

    assert type(caught.value) is ConfigError
    assert str(caught.value) == "embedder 'x' cannot be loaded"


def test_a_run_that_fails_in_a_worker_leaves_no_file(scope, query_file, tmp_path):
    """
    The bank names an embedder whose folder is empty: found out only when it is loaded.
    """
    empty = tmp_path / "empty"
    empty.mkdir()
    bank = bank_of([[1, 0], [0, 1]])
    spec = EmbedderSpec(name=str(empty), revision=folder_digest(empty), dimension=4)
    save_bank(replace(bank, embedder=spec), tmp_path / "bank", created_at="2026-01-01", sources=())

    run = ["predict", "--bank", tmp_path / "bank", "--query-file", query_file]
    code, _, err = scope(*run, "--output", tmp_path / "out")

    assert code == 2
    assert "cannot be loaded; expected" in err
    assert list((tmp_path / "out").iterdir()) == []


def test_the_demo_does_the_whole_job(scope, tmp_path):
    """
    Labelled questions and raw ones; better than one cheap model for all, and every file there.
    """
    code, out, _ = scope("demo", "--output", tmp_path / "demo")

    files = {file.name for file in (tmp_path / "demo").iterdir()}
    routing = json.loads((tmp_path / "demo" / "routing.json").read_text())
    assert code == 0
    assert files >= {"selection.json", "similarity.json", "routing.json", "predictions"}
    assert (tmp_path / "demo" / "frontier.png").stat().st_size > 50_000
    assert routing["realised"]["accuracy"] > 0.68
    assert routing["realised"]["cost_usd"] < 2
    assert all(word in out for word in ("cheapest", "best single", "random", "budget", "biology-1"))


def test_an_embedder_that_cannot_be_loaded_builds_no_bank(scope, bank_inputs, tmp_path):
    """
    One sentence from the worker, exit 2, nothing written.
    """
    (tmp_path / "empty").mkdir()
    flags = ["--embedder", tmp_path / "empty", "--output", tmp_path / "bank"]

    code, _, err = scope("bank", "build", *bank_inputs, *flags)

    assert code == 2
    assert "cannot be loaded; expected" in err
    assert "Traceback" not in err
    assert not (tmp_path / "bank").exists()
