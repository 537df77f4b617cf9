"""``scope train``: routers and reward models from files."""

import json
from dataclasses import replace
from importlib.metadata import EntryPoint

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipelines.cli import GROUP, build_app
from pipelines.samples import split_samples
from pipelines.train.router_data import samples_of_outcomes
from scope.learned import LearnedRouter
from scope.questions import LongPromptWarning
from scope.samples import read_samples, write_samples
from tests.factories.encoders import tiny_encoder
from tests.factories.learned import easy_and_hard

MODELS = ("gpt-4o-mini", "gpt-4o", "tiny")
PRICES = {
    model: {"input": usd, "output": usd} for model, usd in zip(MODELS, (1, 9, 0.1), strict=True)
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Questions of which the mini model answers the easy ones, with outcomes and prices."""
    folder = tmp_path_factory.mktemp("train")
    tiny_encoder(folder / "encoder")
    prompts = [f"{prompt} {n}" for n, prompt in enumerate(easy_and_hard(200))]
    rows = [{"id": f"q{n}", "prompt": prompt} for n, prompt in enumerate(prompts)]
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "prices.json").write_text(json.dumps(PRICES))
    outcomes = [
        {
            "question_id": f"q{n}",
            "model": model,
            "correct": float(model == "gpt-4o" or (model == "gpt-4o-mini" and n % 2)),
            "prompt_tokens": 10,
            "completion_tokens": 100,
        }
        for n in range(200)
        for model in MODELS
    ]
    pq.write_table(pa.Table.from_pylist(outcomes), folder / "outcomes.parquet")
    return folder


def train(*arguments):
    """Run ``scope train ARGUMENTS``; errors are raised."""
    app = build_app({"train": EntryPoint("train", "pipelines.commands.train:app", GROUP)})
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def router(folder, output, *arguments):
    return train(
        "router",
        "--questions",
        folder / "questions.jsonl",
        "--outcomes",
        folder / "outcomes.parquet",
        "--prices",
        folder / "prices.json",
        "--reference",
        "gpt-4o",
        "--encoder",
        folder / "encoder",
        "--output",
        output,
        "--frozen",
        *arguments,
    )


def samples_router(folder, samples, output):
    """Train on files of samples; returns the facts."""
    done = train(
        "router",
        "--samples",
        samples,
        "--prices",
        folder / "prices.json",
        "--reference",
        "gpt-4o",
        "--arms",
        "gpt-4o-mini",
        "--encoder",
        folder / "encoder",
        "--output",
        output,
        "--frozen",
        "--json",
    )
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_hybridllm_is_trained_on_one_sample_of_each_model(folder, tmp_path):
    """
    The README of the published code asks for this, and its own command crashes.
    """
    done = router(folder, tmp_path / "r", "--arms", "gpt-4o-mini,", "--loss", "det_2cls", "--json")

    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert (facts["loss"], facts["n_train"]) == ("det_2cls", facts["n_train"])
    trained = LearnedRouter.load(tmp_path / "r")
    assert (trained.strategy, trained.arms) == ("hybridllm", ("gpt-4o-mini", "gpt-4o"))
    p_qm = trained.predict(["easy question two 7", "hard question two 8"]).p_correct_qm
    assert p_qm[0, 0] > p_qm[1, 0]


def test_the_tables_show_calibration_and_thresholds(folder, tmp_path):
    done = router(folder, tmp_path / "r", "--arms", "gpt-4o-mini")

    assert done.exit_code == 0, done.output
    assert "trained a bestroute router on" in done.stdout
    for title in ("Calibration on validation prompts", "Thresholds on validation prompts"):
        assert title in done.stdout


def test_the_split_of_the_samples_is_kept(folder, tmp_path):
    """
    Half of the prompts train. Outcomes of test prompts are not read: the router of their
    opposites is the same.
    """
    samples = samples_of_outcomes(
        folder / "questions.jsonl", folder / "outcomes.parquet", folder / "prices.json"
    ).samples
    counts = split_samples(samples, tmp_path / "parts", ".parquet", (0.5, 0.25, 0.25))
    first = samples_router(folder, tmp_path / "parts", tmp_path / "first")
    test = read_samples(tmp_path / "parts" / "test.parquet")
    wrong = replace(test, scores={"correct": 1 - test.scores["correct"]})
    write_samples(tmp_path / "parts" / "test.parquet", wrong)
    second = samples_router(folder, tmp_path / "parts", tmp_path / "second")

    assert (first["n_train"], first["n_validation"]) == (counts["train"], counts["validation"])
    assert sum(counts.values()) == 200
    assert first["thresholds"] == second["thresholds"]
    assert first["calibration"] == second["calibration"]


@pytest.mark.parametrize(("action", "n_left"), [("cut", 200), ("skip", 199)])
def test_long_questions_are_cut_or_left_out(folder, tmp_path, action, n_left):
    """
    With their outcomes; otherwise they are refused, with the flag that goes on.
    """
    first, *rest = (folder / "questions.jsonl").read_text().splitlines()
    questions = tmp_path / "questions.jsonl"
    long = json.loads(first) | {"prompt": "x" * 70_000}
    questions.write_text("\n".join([json.dumps(long), *rest]))
    files = (folder / "outcomes.parquet", folder / "prices.json")

    with pytest.warns(LongPromptWarning, match="1 prompt of more than 65,536 characters"):
        samples = samples_of_outcomes(questions, *files, action).samples
    done = router(folder, tmp_path / "r", "--questions", questions)

    assert len(samples.ids) == n_left
    assert "pass --on-too-long cut or skip to go on" in str(done.exception)


def test_an_arm_that_never_matches_has_nothing_to_learn(folder, tmp_path):
    done = router(folder, tmp_path / "r", "--arms", "tiny")

    assert "training labels of arm 'tiny' are 0: there is nothing to learn" in str(done.exception)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--loss", "prob"], "--loss is 'prob'; expected one of det_2cls, prob_2cls"),
        (["--margin", "wide"], "--margin is 'wide'; expected a number of at least 0, or best"),
        (["--margin", "-1"], "--margin is '-1'; expected a number of at least 0, or best"),
        (["--batch-size", "9", "--workers", "2"], "--batch-size 9 is no multiple of --workers 2"),
        (["--learning-rate", "0"], "--learning-rate is 0; expected more than 0"),
        (["--bank", "x"], "pass one of --samples, --bank, and --outcomes"),
        (["--loss", "prob_2cls"], "is for one arm and the reference, got 2 arms"),
        (["--arms", "gpt-4o-min"], "unknown model 'gpt-4o-min'"),
        (["--arms", "gpt-4o-mini@3"], "arm gpt-4o-mini@3 needs"),
        (["--reference", "gpt-5"], "unknown model 'gpt-5'"),
    ],
)
def test_a_wrong_flag_is_one_sentence(folder, tmp_path, arguments, message):
    done = router(folder, tmp_path / "r", *arguments)

    assert message in str(done.exception)
    assert "\n" not in str(done.exception)


def test_outcomes_need_questions_and_prices(folder, tmp_path):
    outcomes = ["--outcomes", folder / "outcomes.parquet", "--reference", "gpt-4o"]
    base = ["router", *outcomes, "--output", tmp_path / "r"]

    done = train(*base)
    assert str(done.exception) == "--prices is missing: samples and outcomes hold no prices"
    done = train(*base, "--prices", folder / "prices.json")
    assert str(done.exception) == "--questions is missing: --outcomes holds no prompts"


def test_scored_samples_need_both_files(tmp_path):
    done = train("reward", "--pairs", "x", "--output", tmp_path / "r", "--scored", "y")

    assert str(done.exception) == "--samples and --scored belong together; pass both or neither"
