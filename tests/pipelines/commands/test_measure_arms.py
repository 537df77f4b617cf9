"""``scope measure`` with arms, against a real upstream in a process of its own."""

import json
import signal
import subprocess
import sys
from collections import Counter

import pytest

from scope.outcomes import Outcomes, read_outcomes_table
from tests.pipelines.commands.measuring import CALL_USD, KEY, Bench
from tests.pipelines.runs import wait_until
from tests.upstream import running

A, B = "The answer is (A).", "The answer is (B)."


@pytest.fixture(scope="module")
def upstream():
    with running() as served:
        yield served


@pytest.fixture
def bench(scope, upstream, tmp_path, monkeypatch, request):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    return Bench(scope, upstream, tmp_path, request.node.name)


def sampled(bench, n):
    """Flags that draw `n` samples of the model, one call at a time."""
    return ("--models", f"{bench.model}@{n}", "--temperature", 1, "--concurrency", 1)


def test_an_effort_is_sent_to_the_model(bench):
    """
    Only for the arm that names it; the outcome is a column of its own, at the model's price.
    """
    arm = f"{bench.model}#high"

    code, out, _ = bench("--models", f"{bench.model},{arm}", "--limit", 2)

    efforts = Counter(call["body"].get("reasoning_effort") for call in bench.log())
    assert code == 0
    assert {call["model"] for call in bench.log()} == {bench.model}
    assert efforts == {None: 2, "high": 2}
    assert Counter(row["model"] for row in bench.outcomes()) == {bench.model: 2, arm: 2}
    assert f"spent ${4 * CALL_USD:.3g}" in out


@pytest.mark.parametrize(
    ("status", "behaviour"),
    [
        pytest.param(400, {"message": "Unsupported value: 'reasoning_effort'"}, id="OpenAI"),
        pytest.param(422, {"message": "body.reasoning_effort", "shaped": False}, id="pydantic"),
    ],
)
def test_a_refused_effort_is_a_failure(bench, status, behaviour):
    """
    Not a wrong answer: no outcome, one sentence with the upstream's words, exit 1.
    """
    arm = f"{bench.model}#high"

    code, out, _ = bench("--models", arm, way="status", status=status, **behaviour)

    sentence = f"{bench.model} refuses reasoning_effort 'high'"
    assert code == 1
    assert f"{arm}: {sentence}: " in out
    assert out.count(sentence) == 1
    assert bench.outcomes() == []
    assert {row["error"] for row in bench.journal()} == {"refused effort"}
    assert len(bench.log()) == 8  # it is not tried again


def test_another_error_of_an_effort_keeps_its_kind(bench):
    """
    Status 400 without the field in its message.
    """
    bench("--models", f"{bench.model}#high", way="status", status=400, message="too long")

    assert {row["error"] for row in bench.journal()} == {"http 400"}


def test_the_majority_of_samples_is_the_answer(bench):
    """
    A, B, A on every question: A. One outcome a question, its tokens are those of all three.
    """
    code, out, _ = bench(*sampled(bench, 3), answers=[A, B, A])

    table = read_outcomes_table(bench.output / "outcomes.parquet")
    ids = [f"q{i:03d}" for i in range(8)]
    outcomes = Outcomes.from_table(table, ids, (f"{bench.model}@3",), "here")
    assert code == 0
    assert len(bench.log()) == 24
    assert outcomes.correct_am.ravel().tolist() == [1, 0] * 4
    assert set(outcomes.prompt_tokens_am.ravel()) == {60}
    assert set(outcomes.completion_tokens_am.ravel()) == {30}
    assert "24 calls to make" in out
    assert f"spent ${24 * CALL_USD:.3g}" in out


def test_a_repeated_prompt_has_its_own_price(bench):
    """
    Three prompts of 20 tokens at 1 + 0 + 0 and 30 tokens of answers at 2: 80 millionths.
    """
    price = {"input": 1.0, "output": 2.0, "repeated_input": 0.0}
    (bench.folder / "prices.json").write_text(json.dumps({bench.model: price}))

    bench(*sampled(bench, 3), "--limit", 1)

    assert sum(row["usd"] for row in bench.journal()) == pytest.approx(80e-6)


def test_several_arms_of_a_model_are_measured_in_one_run(bench):
    """
    All on one question, then the next.
    """
    names = [bench.model, f"{bench.model}#low", f"{bench.model}#low@2"]

    code, out, _ = bench("--models", ",".join(names), "--temperature", 1, "--limit", 2)

    assert code == 0
    assert "8 calls to make" in out
    assert Counter(row["model"] for row in bench.outcomes()) == dict.fromkeys(names, 2)
    assert len(list((bench.output / "anchor_results").iterdir())) == 3


def test_a_pool_file_names_arms(bench):
    """
    A comment follows a space.
    """
    pool = bench.folder / "pool.txt"
    pool.write_text(f"{bench.model}#low  # for sums\n{bench.model}@2 # two\n")

    bench("--pool", pool, "--temperature", 1, "--limit", 1)

    assert {row["model"] for row in bench.outcomes()} == {f"{bench.model}#low", f"{bench.model}@2"}


def test_only_the_failed_samples_are_drawn_again(bench):
    """
    The first attempt at each prompt fails; until it is repeated, two samples decide.
    """
    failing = {"way": "status", "status": 422, "times": 1}

    code, out, _ = bench(*sampled(bench, 3), "--limit", 2, **failing)
    before = bench.outcomes()
    again, _, _ = bench(*sampled(bench, 3), "--limit", 2)

    assert (code, again) == (1, 0)
    assert "http 422 × 2" in out
    assert {row["prompt_tokens"] for row in before} == {40}
    assert {row["prompt_tokens"] for row in bench.outcomes()} == {60}
    assert len(bench.log()) == 6 + 2


def test_the_budget_counts_every_sample(bench):
    """
    A call may cost 78 millionths and costs 40: after five of them 60 are left of 260. A question
    with two samples of three is no outcome, and the next run draws only what is missing.
    """
    flags = (*sampled(bench, 3), "--max-tokens", 20)

    code, _, err = bench(*flags, "--budget-usd", 260e-6)
    outcomes = bench.outcomes()
    again, _, _ = bench(*flags)

    assert (code, again) == (1, 0)
    assert "19 calls were not made" in err
    assert [row["question_id"] for row in outcomes] == ["q000"]
    assert len(bench.log()) == 24
    assert len(bench.outcomes()) == 8


def test_texts_of_samples_are_not_kept(bench):
    """
    The journal compares extracted answers by their digests.
    """
    bench(*sampled(bench, 2), "--limit", 1, answers=[A, B])

    votes = [row["vote"] for row in bench.journal()]
    assert len(set(votes)) == 2
    assert all(len(vote) == 12 for vote in votes)
    assert "answer" not in (bench.output / "journal.jsonl").read_text()


def test_a_killed_run_of_samples_pays_none_twice(bench):
    """
    After SIGKILL and a second run only calls in flight were repeated, and the outcomes are,
    byte for byte, those of an uninterrupted run.
    """
    bench.write(30)
    flags = ("--models", f"{bench.model}@3", "--temperature", 1, "--concurrency", 2)
    bench.upstream.behave({bench.model: {"delay_s": 0.02}})
    command = [sys.executable, "-m", "pipelines.cli", *bench.arguments(*flags)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = bench.output / "journal.jsonl"
    wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    n_before = journal.read_bytes().count(b"\n")

    code, _, _ = bench(*flags)

    n_calls = len(bench.log())
    interrupted = (bench.output / "outcomes.parquet").read_bytes()
    bench.output = bench.folder / "uninterrupted"
    bench(*flags)
    assert code == 0
    assert 20 <= n_before < 90
    assert 90 <= n_calls <= 92
    assert (bench.output / "outcomes.parquet").read_bytes() == interrupted


@pytest.mark.parametrize(
    ("suffix", "flags", "message"),
    [
        pytest.param("@1", (), "one sample is", id="one sample"),
        pytest.param("#ultra", (), "reasoning effort 'ultra' is unknown", id="unknown effort"),
        pytest.param("-x@3", (), "has no price in", id="model without a price"),
        pytest.param("@3", (), "equal at --temperature 0; pass a temperature above 0", id="cold"),
        pytest.param(
            "@3",
            ("--temperature", 1, "--grader", "python:operator:countOf"),
            "does not extract answers; expected choice, numeric, exact, text or literal",
            id="grader without answers",
        ),
    ],
)
def test_an_arm_that_cannot_be_measured_is_refused(bench, suffix, flags, message):
    """
    In one sentence, with exit 2, no call and no folder.
    """
    code, _, err = bench("--models", f"{bench.model}{suffix}", *flags)

    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert (bench.log(), bench.output.exists()) == ([], False)
