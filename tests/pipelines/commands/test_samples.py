"""``scope samples`` against a real upstream in a process of its own."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from scope.questions import MAX_PROMPT_CHARS
from scope.samples import read_samples, write_samples
from tests.pipelines.runs import ROOT, wait_until
from tests.upstream import running

RIGHT, WRONG = "The answer is 4.", "The answer is 5."


@pytest.fixture(scope="module")
def upstream():
    with running() as served:
        yield served


@pytest.fixture
def bench(scope, upstream, tmp_path, monkeypatch, request):
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-very-secret-0123")
    return Bench(scope, upstream, tmp_path, request.node.name)


class Bench:
    """A folder with prompts whose answer is 4, two models, and their prices."""

    def __init__(self, run, upstream, folder, name):
        self.run, self.upstream, self.folder = run, upstream, folder
        self.small, self.large = f"{name}-small", f"{name}-large"
        self.output = folder / "drawn"
        rows = [{"prompt": f"2 + 2? ({n})", "gt": "4"} for n in range(40)]
        (folder / "sums.json").write_text(json.dumps(rows))
        price = {"input": 1.0, "output": 2.0}
        (folder / "prices.json").write_text(json.dumps({self.small: price, self.large: price}))
        self("mix", "--source", f"sums={folder}/sums.json:30", "--output", folder / "mixed.jsonl")

    def __call__(self, command, *flags):
        return self.run("samples", command, *flags)

    def draw_arguments(self, *flags):
        given = {
            "--prompts": self.folder / "mixed.jsonl",
            "--models": f"{self.small},{self.large}",
            "--prices": self.folder / "prices.json",
            "--base-url": self.upstream.base_url,
            "--output": self.output,
            "--n": 3,
            **dict(zip(flags[::2], flags[1::2], strict=True)),
        }
        return ["draw", *(str(part) for pair in given.items() for part in pair)]

    def draw(self, *flags, **behaviour):
        self.upstream.behave(
            {
                self.small: {"answers": [RIGHT, WRONG, "Who knows?"], **behaviour},
                self.large: {"answers": [RIGHT], **behaviour},
            }
        )
        return self(*self.draw_arguments(*flags))

    def samples(self):
        return read_samples(self.output / "samples.parquet")

    def log(self):
        return [call for call in self.upstream.log() if call["model"] in (self.small, self.large)]


def test_all_steps_from_prompts_to_labels(bench):
    """
    Every file that a step writes is read by the next one.
    """
    folder = bench.folder
    steps = [
        (bench.draw, ()),
        (bench, ("score", "--samples", folder / "drawn/samples.parquet", "--grader", "numeric")),
        (bench, ("count", "--samples", folder / "graded.jsonl")),
        (bench, ("split", "--samples", folder / "counted.parquet")),
        (bench, ("pairs", "--samples", folder / "graded.jsonl", "--scorer", "correct")),
        (bench, ("labels", "--samples", folder / "counted.parquet", "--reference", bench.large)),
    ]
    outputs = (None, "graded.jsonl", "counted.parquet", "parts", "pairs.jsonl", "labels.parquet")
    more = {
        "graded.jsonl": ("--questions", folder / "mixed.jsonl"),
        "labels.parquet": ("--ns", "1,2", "--selector", "oracle"),
    }
    for (step, arguments), output in zip(steps, outputs, strict=True):
        if output == "labels.parquet":
            add_oracle(folder / "counted.parquet")
        flags = () if output is None else ("--output", folder / output, *more.get(output, ()))
        code, _, err = step(*arguments, *flags)
        assert code == 0, err

    table = pq.read_table(folder / "labels.parquet").to_pydict()
    assert set(table[f"label:{bench.small}"]) == {0.5}
    assert set(table[f"label:{bench.small}@2"]) == {1.0}  # the selector knows the grades
    assert sum(len(read_samples(folder / f"parts/{n}.jsonl").ids) for n in SPLITS) == 30


def add_oracle(path):
    """Add the grades as the scores of a selector."""
    samples = read_samples(path)
    scores = {**samples.scores, "oracle": samples.scores["correct"]}
    write_samples(path, replace(samples, scores=scores))


SPLITS = ("train", "validation", "test")


def test_the_published_files_are_written_one_a_model(bench):
    """
    Id, prompt, and an object named after the model.
    """
    bench.draw("--limit", 1)

    line = json.loads((bench.output / "responses" / f"{bench.large}.jsonl").read_text())
    assert line == {
        "id": line["id"],
        "prompt": line["prompt"],
        bench.large: {
            "responses": [RIGHT] * 3,
            "token_num_prompt": 20,
            "token_num_responses": [10, 10, 10],
        },
    }


def test_the_sampling_is_sent(bench):
    """
    Each sample has its own seed.
    """
    bench.draw("--limit", 1, "--temperature", 0.7, "--top-p", 0.9, "--max-tokens", 50, "--seed", 5)

    bodies = [call["body"] for call in bench.log() if call["model"] == bench.small]
    assert sorted(body["seed"] for body in bodies) == [5, 6, 7]
    assert {(b["temperature"], b["top_p"], b["max_tokens"]) for b in bodies} == {(0.7, 0.9, 50)}


def test_an_effort_is_sent(bench):
    """
    The samples are a column of their own, at the price of the model.
    """
    arm = f"{bench.large}#low"

    code, _, _ = bench.draw("--limit", 1, "--models", f"{bench.large},{arm}", "--n", 1)

    efforts = [call["body"].get("reasoning_effort") for call in bench.log()]
    assert code == 0
    assert sorted(efforts, key=str) == [None, "low"]
    assert bench.samples().models == (bench.large, arm)


def test_failed_calls_are_counted_and_drawn_again(bench):
    """
    A refused request is no wrong answer; the next run makes these calls only.
    """
    code, out, _ = bench.draw("--limit", 2, way="status", status=400)

    assert code == 1
    assert "failed, retried by the next run" in out
    assert bench.samples().failed_qm.tolist() == [[3, 3], [3, 3]]
    assert np.isnan(bench.samples().completion_tokens_qmo).all()
    assert bench.draw("--limit", 2)[0] == 0
    assert bench.samples().n_failed_qm is None
    assert len(bench.log()) == 24


def test_a_run_continues_with_the_samples_it_lacks(bench):
    """
    More samples of the same prompts: only the new ones are paid for.
    """
    bench.draw("--limit", 2, "--n", 2)
    code, out, _ = bench.draw("--limit", 2, "--n", 3)

    assert code == 0
    assert "4 calls to make (8 answered before)" in out
    assert len(bench.log()) == 12


def test_a_budget_ends_the_run_with_what_was_drawn(bench):
    """
    A call costs 0.00004 USD, and could cost 0.001: after 100 calls no other fits.
    """
    code, _, err = bench.draw("--budget-usd", 0.005)

    assert code == 1
    assert "calls were not made: each could exceed the budget of" in err
    assert 0 < bench.samples().known_qmo().sum() < 180


@pytest.mark.filterwarnings("default::scope.questions.prompts.LongPromptWarning")
@pytest.mark.parametrize(("action", "lengths"), [("cut", [MAX_PROMPT_CHARS, 5]), ("skip", [5])])
def test_long_prompts_are_cut_or_left_out_when_drawn_and_scored(bench, action, lengths):
    """
    Alike: the samples hold the prompts that were sent.
    """
    prompts = bench.folder / "long.jsonl"
    rows = [{"id": "long", "prompt": "2 " * 40_000, "gt": "4"}]
    rows += [{"id": "short", "prompt": "2 + 2", "gt": "4"}]
    prompts.write_text("\n".join(map(json.dumps, rows)))
    flag = ("--on-too-long", action)
    drawn, graded = bench.output / "samples.parquet", bench.folder / "graded.parquet"
    score = ("score", "--samples", drawn, "--output", graded, "--grader", "numeric")

    refused = bench.draw("--prompts", prompts)
    code, _, err = bench.draw("--prompts", prompts, *flag)
    scored = bench(*score, "--questions", prompts, *flag)

    assert refused[0] == 2
    assert "pass --on-too-long cut or skip to go on" in refused[2]
    assert (code, scored[0]) == (0, 0), err + scored[2]
    assert "1 prompt of more than 65,536 characters" in " ".join(err.split())
    assert [len(prompt) for prompt in read_samples(graded).prompts] == lengths
    assert bench(*score, "--questions", prompts)[0] == 2


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--key-variable", "sk-proj-0123456789abcdef", "no name of an environment variable"),
        ("--base-url", "https://me:0123456789abcdef@h/v1", "holds more than an address"),
        ("--base-url", "https://h/v1/chat/completions", "ends in /chat/completions"),
    ],
)
def test_a_wrong_address_or_variable_is_refused_and_not_shown(bench, flag, value, message):
    """
    Before the first call: it may hold a key.
    """
    code, out, err = bench.draw(flag, value)

    assert code == 2
    assert message in err
    assert "0123456789abcdef" not in out + err
    assert bench.log() == []


def test_a_refused_key_ends_in_a_sentence(bench):
    """
    What was drawn is written all the same.
    """
    code, out, err = bench.draw("--limit", 1, way="status", status=401)

    assert code == 2
    assert "refuses every call" in err
    assert "Samples by model" in out


@pytest.mark.slow
def test_a_killed_run_loses_no_response(bench):
    """
    Every response that the journal has is in the samples of the next run.
    """
    bench.upstream.behave({"*": {"delay_s": 0.05}})
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "samples", *bench.draw_arguments()], cwd=ROOT
    )
    journal = bench.output / "journal.jsonl"
    wait_until(lambda: journal.exists() and journal.read_text().count("\n") > 20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = journal.read_text().count("\n")
    time.sleep(0.2)
    n_calls = len(bench.log())

    assert bench.draw()[0] == 0
    assert len(bench.log()) - n_calls <= 180 - before
    assert bench.samples().known_qmo().sum() == 180


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("draw", "--models", "a,a"), "--models names a model twice: a"),
        (
            ("draw", "--models", "mistralai/ministral-3b@3"),
            "3b' and --n 3",
        ),
        (("draw", "--models", ","), "no model to draw from"),
        (("draw", "--models", "a,b", "--checkpoint", "x"), "--checkpoint is one model"),
        (("draw", "--models", "a#low", "--checkpoint", "x"), "expected 'a', and --n"),
        (("draw", "--models", "not-published"), "pass --prices"),
        (("score", "--reward", "a", "--grader", "b"), "pass one of --reward"),
        (("score", "--grader", "numeric"), "--grader and --questions belong together"),
        (("count", "--tokenizer", "a"), "--tokenizer is 'a'; expected MODEL=NAME"),
        (("split", "--shares", "1,2"), "--shares is '1,2'; expected three numbers"),
        (("pairs", "--scorer", "x"), "no scores 'x'"),
        (("labels", "--reference", "m", "--margin", "-1"), "--margin is '-1'"),
        (("labels", "--reference", "m", "--ns", "1,x"), "--ns is '1,x'"),
        (("labels", "--reference", "m", "--form", "x"), "--form is 'x'; expected one of det_2cls"),
        (("labels", "--reference", "m"), "no arm besides the reference"),
    ],
)
def test_wrong_flags_end_in_a_sentence(scope, tmp_path, monkeypatch, arguments, message):
    """
    Exit code 2, and nothing is written.
    """
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-x")
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "prompt": "x", "m": {"responses": ["y"]}}\n')
    source = "--prompts" if arguments[0] == "draw" else "--samples"
    output = "out" if arguments[0] in ("draw", "split") else "out.parquet"
    if arguments[0] == "pairs":
        output = "out.jsonl"

    code, _, err = scope("samples", *arguments, source, path, "--output", tmp_path / output)

    assert code == 2
    assert message in " ".join(err.split())
    assert not (tmp_path / output).exists()
