"""``scope measure --grader judge:MODEL`` against an upstream that answers and judges."""

import json
import re
import subprocess
import sys
from collections import Counter

import pyarrow.parquet as pq
import pytest

from tests.pipelines.measure.replies import Reply, completion, replying
from tests.pipelines.runs import wait_until

CALL_USD = (20 * 1.0 + 10 * 2.0) / 1e6
PAIR = re.compile(r"\[answer A \w+\]\n(.*?)\n\[end.*\[answer B \w+\]\n(.*?)\n\[end", re.DOTALL)
SINGLE = re.compile(r"\[answer \w+\]\n(.*?)\n\[end", re.DOTALL)


def score(answer):
    """The judge's score: the number in the answer."""
    return int(re.search(r"\d+", answer)[0])


def fair(prompt):
    """A judge that reads the numbers in the answers."""
    if pair := PAIR.search(prompt):
        first, second = map(score, pair.groups())
        better = "A" if first > second else "B" if first < second else "tie"
        return json.dumps({"reason": "the higher number", "better": better})
    value = score(SINGLE.search(prompt)[1])
    return json.dumps({"reason": f"it says {value}", "score": value})


def first_always(prompt):
    return '{"reason": "the first", "better": "A"}'


def longer(prompt):
    first, second = PAIR.search(prompt).groups()
    return json.dumps({"reason": "length", "better": "A" if len(first) > len(second) else "B"})


def babble(prompt):
    return "It depends on how one looks at it."


class JudgedBench:
    """Two models, which answer 8 and 3, and a judge."""

    def __init__(self, run, folder):
        self.run, self.folder, self.judge, self.asked = run, folder, fair, []
        self.same = False
        self.output = folder / "out"
        price = {"input": 1.0, "output": 2.0}
        prices = {name: price for name in ("good", "poor", "the-judge")}
        (folder / "prices.json").write_text(json.dumps(prices))
        self.questions(4)

    def questions(self, n, **fields):
        rows = [{"id": f"q{i}", "prompt": f"Write about {i}.", **fields} for i in range(n)]
        self.write("questions.jsonl", rows)

    def write(self, name, rows):
        (self.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def reply(self, body):
        model, prompt = body["model"], body["messages"][0]["content"]
        self.asked.append((model, prompt))
        poor = "8 points" if self.same else "3 points"
        answers = {"good": f"8 points {prompt}", "poor": f"{poor} {prompt}"}
        text = answers.get(model) or self.judge(prompt)
        return Reply(completion(text))

    def arguments(self, *flags, models="good,poor"):
        given = [] if models is None else ["--models", models]
        given += [] if models is None else ["--questions", self.folder / "questions.jsonl"]
        given += ["--output", self.output, "--grader", "judge:the-judge"]
        given += ["--prices", self.folder / "prices.json", "--base-url", self.base_url, *flags]
        return ["measure", *map(str, given)]

    def __call__(self, *flags, **kwargs):
        return self.run(*self.arguments(*flags, **kwargs))

    def check(self, *rows, flags=()):
        """Run ``--judge-check`` alone; return the exit code and the last JSON line."""
        self.write("labelled.jsonl", rows)
        flags = ("--judge-check", self.folder / "labelled.jsonl", "--json", *flags)
        code, out, err = self(*flags, models=None)
        return code, json.loads(out.splitlines()[-1]) if out else {}, err

    def n_judged(self):
        return sum(model == "the-judge" for model, _ in self.asked)

    def outcomes(self):
        rows = pq.read_table(self.output / "outcomes.parquet").to_pylist()
        return {(row["question_id"], row["model"]): row["correct"] for row in rows}

    def judgements(self):
        return [json.loads(line) for line in (self.output / "judgements.jsonl").open()]


@pytest.fixture
def bench(scope, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-very-secret-0123")
    bench = JudgedBench(scope, tmp_path)
    with replying(bench.reply) as served:
        bench.base_url = served.base_url
        yield bench


def pair(first, second, label):
    return {"prompt": "Write.", "answers": [first, second], "label": label}


def test_scores_of_a_rubric_are_the_outcomes(bench):
    code, out, _ = bench()

    assert code == 0
    scores = bench.outcomes()
    assert {round(scores[f"q{i}", "good"], 6) for i in range(4)} == {0.8}
    assert {round(scores[f"q{i}", "poor"], 6) for i in range(4)} == {0.3}
    assert {line["reason"] for line in bench.judgements()} == {"it says 8", "it says 3"}
    assert "billed $0.00032" in out  # eight replies of the judge


def test_a_reference_is_compared_in_both_positions(bench):
    bench.questions(2, reference="5 points")

    code, _, _ = bench()

    assert code == 0
    assert bench.outcomes() == {
        ("q0", "good"): 1.0,
        ("q0", "poor"): 0.0,
        ("q1", "good"): 1.0,
        ("q1", "poor"): 0.0,
    }
    assert bench.n_judged() == 2 * 2 * 2


def test_votes_are_calls_of_their_own(bench):
    bench("--judge-votes", 3, models="good")

    assert bench.n_judged() == 4 * 3
    assert {line["n_votes"] for line in bench.judgements()} == {3}


def test_a_second_run_asks_nothing(bench):
    bench()
    asked = list(bench.asked)

    code, _, _ = bench()

    assert code == 0
    assert bench.asked == asked


@pytest.mark.slow
def test_a_killed_run_continues_and_asks_nothing_twice(bench):
    """
    Killed while the judge is at work; of its calls in flight one may be made again.
    """
    bench.questions(30)
    command = [sys.executable, "-m", "pipelines.cli"]
    command += bench.arguments("--concurrency", 1)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        wait_until(lambda: bench.n_judged() >= 10)
        run.kill()

    code, _, _ = bench("--concurrency", 1)

    counts = Counter(bench.asked)
    assert code == 0
    assert len(counts) == 30 * 2 * 2
    assert sum(counts.values()) - len(counts) <= 1
    assert None not in bench.outcomes().values()


def test_a_run_on_fewer_questions_keeps_earlier_scores(bench):
    bench()
    scores = bench.outcomes()

    code, _, _ = bench("--limit", 1)

    assert code == 0
    assert bench.outcomes() == scores


def test_equal_answers_are_judged_once(bench):
    """
    The cache is by text and judge: an arm that says the same costs nothing.
    """
    bench.same = True

    bench(models="good,poor")

    assert bench.n_judged() == 4


def test_another_rubric_asks_again_for_the_judge_only(bench):
    bench()
    (bench.folder / "rubric.txt").write_text("Brevity is all.")

    code, _, _ = bench("--judge-rubric", bench.folder / "rubric.txt")

    assert code == 0
    assert bench.n_judged() == 16
    assert len(bench.asked) == 8 + 16
    assert "Brevity is all." in bench.asked[-1][1]


def test_the_budget_includes_the_judge(bench):
    """
    Eight answers cost $0.00032; a call of the judge can cost $0.0025 and does not fit.
    """
    code, _, _ = bench("--max-tokens", 10, "--budget-usd", 0.0023)

    assert code == 1
    assert len(bench.asked) == 8
    assert set(bench.outcomes().values()) == {None}


def test_a_judge_that_never_parses_has_failed(bench):
    """
    No answer is wrong for it, and the run ends after the first twenty replies.
    """
    bench.judge = babble
    bench.questions(15)

    code, _, err = bench("--concurrency", 4)

    assert code == 2
    assert "none of its 20 replies states a verdict" in err
    assert bench.n_judged() == 20
    assert set(bench.outcomes().values()) == {None}


def test_a_reply_that_does_not_parse_is_no_wrong_answer(bench):
    bench.judge = lambda prompt: babble(prompt) if "about 0" in prompt else fair(prompt)

    code, out, _ = bench(models="good")

    assert code == 1
    assert "1 answers without a score" in out
    assert bench.outcomes()["q0", "good"] is None
    assert bench.outcomes()["q1", "good"] == pytest.approx(0.8)


def test_a_judge_does_not_judge_itself_unless_told(bench):
    code, _, err = bench(models="good,the-judge")
    assert code == 2
    assert "would grade its own answers (the-judge)" in err
    assert not bench.asked


def test_the_pools_key_is_not_sent_to_another_endpoint(bench):
    code, _, err = bench("--judge-base-url", "http://127.0.0.1:9/v1")

    assert code == 2
    assert "--judge-key-variable" in err


def test_a_fair_judge_agrees_with_labels(bench):
    code, report, _ = bench.check(
        pair("9 points", "1 point", "first"),
        pair("2 points", "4 points", "second"),
        pair("5 points", "5 points.", "tie"),
        pair("1 point", "7 points", "second"),
    )

    assert code == 0
    assert (report["kappa"], report["agreement"], report["n_failed"]) == (1.0, 1.0, 0)
    assert (report["swap_changes"], report["first_preferred"]) == (0.0, 0.5)
    assert report["usd"] == pytest.approx(8 * CALL_USD)


def test_a_judge_with_a_bias_of_position_is_reported_and_refused(bench):
    bench.judge = first_always

    code, report, err = bench.check(
        pair("9 points", "1 point", "first"), pair("2 points", "4 points", "second")
    )

    assert code == 1
    assert (report["first_preferred"], report["swap_changes"]) == (1.0, 1.0)
    assert report["kappa"] == 0.0
    assert "kappa is 0.00, below the floor of 0.4" in err


def test_a_judge_with_a_bias_of_length_is_reported(bench):
    """
    It prefers the longer answer always, people in one of two decided pairs.
    """
    bench.judge = longer

    code, report, _ = bench.check(
        pair("9", "1 point", "first"),
        pair("2", "4 points", "second"),
        pair("5", "5 points and words", "tie"),
        flags=("--judge-floor", -1),
    )

    assert code == 0
    assert (report["longer_preferred"], report["longer_labelled"]) == (1.0, 0.5)
    assert report["longer_at_ties"] == 1.0


def test_single_answers_agree_by_class(bench):
    """
    Scores 0.8, 0.2 and 0.6 against good, bad and bad: by chance (2·1 + 1·2) / 9.
    """
    rows = [("8 points", 1), ("2 points", 0), ("6 points", 0)]
    rows = [{"prompt": "Write.", "answer": text, "label": label} for text, label in rows]

    _, report, _ = bench.check(*rows)

    assert report["agreement"] == pytest.approx(2 / 3)
    assert report["kappa"] == pytest.approx((2 / 3 - 4 / 9) / (5 / 9))


def test_a_judge_below_the_floor_measures_nothing(bench):
    bench.judge = first_always
    bench.write("l.jsonl", [pair("9", "1", "first"), pair("2", "4", "second")])

    code, _, _ = bench("--judge-check", bench.folder / "l.jsonl")

    assert code == 1
    assert {model for model, _ in bench.asked} == {"the-judge"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param({"answers": ["a", "b"], "label": "best"}, "first, second, tie", id="label"),
        pytest.param({"answer": "a", "label": 7}, "a number in 0..1", id="above one"),
        pytest.param({"label": 1}, "no answer", id="no answer"),
        pytest.param({"answer": "a", "label": 1}, "labels of one class", id="one class"),
    ],
)
def test_labels_are_checked_before_any_call(bench, row, message):
    code, _, err = bench.check({"prompt": "Write.", **row})

    assert code == 2
    assert message in err
    assert not bench.asked
