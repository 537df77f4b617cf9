"""``scope measure`` against a real upstream in a process of its own, as a user meets it."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from scope import save_bank
from scope.bank.store import load_bank
from scope.outcomes import Outcomes, read_outcomes_table
from tests.factories.banks import bank_of
from tests.upstream import running

KEY = "sk-very-secret-0123"
CALL_USD = (20 * 1.0 + 10 * 2.0) / 1e6
"""What one answer of the upstream costs at the prices below."""


@pytest.fixture(scope="module")
def upstream():
    with running() as served:
        yield served


class Bench:
    """A folder with questions and prices, and the command on them for one model."""

    def __init__(self, run, upstream, folder, model):
        self.run, self.upstream, self.folder, self.model = run, upstream, folder, model
        self.output = folder / "out"
        self.write(8)
        price = {"input": 1.0, "output": 2.0}
        (folder / "prices.json").write_text(json.dumps({model: price, f"{model}/b": price}))

    def write(self, n, **fields):
        """Write `n` questions; the right answer is A for those of even number."""
        rows = [
            {"id": f"q{i:03d}", "prompt": f"{i}?\nA. x\nB. y", "gt": "AB"[i % 2], **fields}
            for i in range(n)
        ]
        self.questions = self.folder / "questions.json"
        self.questions.write_text(json.dumps(rows))

    def arguments(self, *flags):
        given = {
            "--questions": self.questions,
            "--output": self.output,
            "--prices": self.folder / "prices.json",
            "--base-url": self.upstream.base_url,
            "--timeout": 20,
            **dict(zip(flags[::2], flags[1::2], strict=True)),
        }
        if not {"--models", "--plan", "--pool"} & set(given):
            given["--models"] = self.model
        pairs = [(flag, value) for flag, value in given.items() if value is not None]
        return ["measure", *(str(part) for pair in pairs for part in pair if part is not True)]

    def __call__(self, *flags, **told):
        """Run with these flags; the upstream behaves as told."""
        self.upstream.behave({self.model: told, f"{self.model}/b": told})
        return self.run(*self.arguments(*flags))

    def log(self):
        return [call for call in self.upstream.log() if call["model"].startswith(self.model)]

    def journal(self):
        return [json.loads(line) for line in (self.output / "journal.jsonl").open()]

    def outcomes(self):
        return pq.read_table(self.output / "outcomes.parquet").to_pylist()


@pytest.fixture
def bench(scope, upstream, tmp_path, monkeypatch, request):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    return Bench(scope, upstream, tmp_path, request.node.name)


def test_outcomes_are_what_a_bank_is_built_from(bench):
    """
    One row a question and model: right or wrong, and both token counts.
    """
    code, _, _ = bench()

    ids = [f"q{i:03d}" for i in range(8)]
    table = read_outcomes_table(bench.output / "outcomes.parquet")
    outcomes = Outcomes.from_table(table, ids, (bench.model,), "here")
    assert code == 0
    assert outcomes.correct_am.ravel().tolist() == [1, 0] * 4
    assert set(outcomes.prompt_tokens_am.ravel()) == {20}
    assert set(outcomes.completion_tokens_am.ravel()) == {10}


def test_the_published_code_finds_its_files(bench):
    """
    A folder a model, slashes made underscores, and the entries its loader reads.
    """
    bench("--models", f"{bench.model}/b", "--limit", 2)

    place = bench.output / "anchor_results" / f"{bench.model}_b" / "anchor_results.json"
    usage = {"prompt_tokens": 20, "completion_tokens": 10}
    assert json.loads(place.read_text()) == [
        {"id": "q000", "model": f"{bench.model}/b", "is_correct": True, "usage": usage},
        {"id": "q001", "model": f"{bench.model}/b", "is_correct": False, "usage": usage},
    ]


def test_an_answer_nobody_can_grade_is_not_wrong(bench):
    """
    Null in the outcomes, absent where the published code would take it for wrong.
    """
    code, out, _ = bench(answer="A or B, who knows?")

    assert code == 0
    assert {row["correct"] for row in bench.outcomes()} == {None}
    assert not list((bench.output / "anchor_results").iterdir())
    assert "ungradable" in out


def test_an_answer_cut_short_is_not_graded(bench):
    """
    What it would have settled on is unknown; the summary says how many there were.
    """
    code, out, _ = bench(finish_reason="length")

    assert code == 0
    assert {row["correct"] for row in bench.outcomes()} == {None}
    assert "8 answers were cut at --max-tokens" in out


@pytest.mark.slow
def test_a_fifth_of_calls_failing_loses_and_doubles_nothing(bench):
    """
    Every call ends with an answer or a recorded error, every request is accounted for, and an
    answer is bought twice only where a lost one was counted as perhaps billed.
    """
    bench.write(60)

    bench(*("--attempts", 2, "--concurrency", 32, "--timeout", 1), way="any", share=0.2)

    rows, log = bench.journal(), bench.log()
    bought = Counter(call["prompt"] for call in log if call["way"] == "ok")
    prompts = {row["question_id"]: f"{int(row['question_id'][1:])}?\nA. x\nB. y" for row in rows}
    answered = {prompts[row["question_id"]] for row in rows if "error" not in row}
    doubtful = {prompts[row["question_id"]] for row in rows if row["possibly_billed_usd"]}
    assert sorted(prompts) == [f"q{i:03d}" for i in range(60)]
    assert sum(row["attempts"] for row in rows) == len(log) > 60
    assert answered <= set(bought) <= answered | doubtful
    assert {prompt for prompt, times in bought.items() if times > 1} <= doubtful


@pytest.mark.slow
def test_a_kill_loses_only_calls_in_flight(bench):
    """
    SIGKILL in the middle, then a second run: nothing answered before is asked again, and the
    outcomes are, byte for byte, those of an undisturbed run.
    """
    bench.write(120)
    flags = ("--concurrency", 4)
    bench.upstream.behave({bench.model: {"delay_s": 0.02}})
    command = [sys.executable, "-m", "pipelines.cli", *bench.arguments(*flags)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = bench.output / "journal.jsonl"
    wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    n_before = journal.read_bytes().count(b"\n")

    code, _, _ = bench(*flags)

    asked = Counter(call["prompt"] for call in bench.log())
    assert code == 0
    assert n_before < 120
    assert len(asked) == 120
    assert sum(asked.values()) - 120 <= 4
    disturbed = (bench.output / "outcomes.parquet").read_bytes()
    bench.output = bench.folder / "undisturbed"
    bench(*flags)
    assert (bench.output / "outcomes.parquet").read_bytes() == disturbed


def wait_until(condition, patience_s=60.0):
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_torn_last_line_is_asked_again(bench):
    """
    What a kill left half written counts as never made.
    """
    bench()
    journal = bench.output / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])

    code, _, _ = bench()

    assert code == 0
    assert len(bench.log()) == 9
    assert len(bench.outcomes()) == 8


def test_a_spoilt_journal_is_refused(bench):
    """
    A broken line in the middle is no torn end; nothing is guessed.
    """
    bench()
    journal = bench.output / "journal.jsonl"
    journal.write_bytes(b"what\n" + journal.read_bytes())

    code, _, err = bench()

    assert code == 2
    assert "line 1 is not a result" in err


def test_failed_calls_are_made_again_by_the_next_run(bench):
    """
    Recorded with the upstream's words, exit 1, no outcome; then only they are asked.
    """
    code, out, _ = bench(way="status", status=422, message="too hot", times=1, share=0.5)
    failed = [row for row in bench.journal() if "error" in row]

    again, _, _ = bench()

    assert (code, again) == (1, 0)
    assert 0 < len(failed) < 8
    assert {(row["error"], row["message"]) for row in failed} == {("http 422", "too hot")}
    assert f"http 422 × {len(failed)}" in out
    assert len(bench.log()) == 8 + len(failed)
    assert len(bench.outcomes()) == 8


def test_a_second_run_asks_nothing(bench):
    """
    Nothing is paid for twice.
    """
    bench()

    code, out, _ = bench()

    assert code == 0
    assert "no calls left to make" in out
    assert len(bench.log()) == 8


def test_another_model_joins_the_same_folder(bench):
    """
    Only the new one is asked; the outcomes hold both.
    """
    bench()

    bench("--models", f"{bench.model},{bench.model}/b")

    assert Counter(call["model"] for call in bench.log()) == {bench.model: 8, f"{bench.model}/b": 8}
    assert len(bench.outcomes()) == 16


def test_models_that_would_share_a_folder_are_refused_unasked(bench):
    """
    A slash becomes an underscore there; nothing is bought, nothing written.
    """
    price = {"input": 1.0, "output": 2.0}
    names = [f"{bench.model}/b", f"{bench.model}_b"]
    (bench.folder / "prices.json").write_text(json.dumps(dict.fromkeys(names, price)))

    code, _, err = bench("--models", ",".join(names))

    assert code == 2
    assert f"would share the folder anchor_results/{names[1]}" in err
    assert not bench.log()
    assert not bench.output.exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        pytest.param(("--max-tokens", 7), "max_tokens was 4096, is 7", id="length"),
        pytest.param(("--temperature", 1), "temperature was 0.0, is 1.0", id="temperature"),
        pytest.param(("--grader", "choice"), "grader was 'auto', is 'choice'", id="grader"),
    ],
)
def test_changed_settings_are_refused(bench, flags, told):
    """
    With the differing key named; --fresh puts the old results aside and asks anew.
    """
    bench()

    code, _, err = bench(*flags)
    fresh, _, _ = bench(*flags, "--fresh", True)

    assert (code, fresh) == (2, 0)
    assert told in err
    assert (bench.output / "replaced-journal.jsonl").read_bytes().count(b"\n") == 8


def test_a_changed_question_is_refused(bench):
    """
    An answer belongs to the text it was given to.
    """
    bench()
    bench.questions.write_text(bench.questions.read_text().replace("3?", "33?"))

    code, _, err = bench()

    assert code == 2
    assert "q003" in err


def test_the_bill_is_quoted_and_nothing_called(bench, monkeypatch):
    """
    --dry-run needs no key and leaves no folder.
    """
    monkeypatch.delenv("OPENROUTER_API_KEY")

    code, out, _ = bench("--dry-run", True, "--max-tokens", 100)

    assert code == 0
    assert "8 calls to make: expected bill $" in out
    assert (bench.log(), bench.output.exists()) == ([], False)


@pytest.mark.parametrize("way", ["ok", "no_usage"])
def test_the_cap_holds(bench, way):
    """
    No call is started that could pass it, and a call of unknown price counts as the dearest.
    """
    bench.write(40)
    cap_usd = 15 * CALL_USD

    code, _, err = bench(*("--budget-usd", cap_usd, "--max-tokens", 20), way=way)

    rows = bench.journal()
    billed = sum(row["usd"] + row["possibly_billed_usd"] for row in rows)
    assert code == 1
    assert "could exceed the budget" in err
    assert 5 <= len(bench.log()) == len(rows) <= 15
    assert billed <= cap_usd
    assert (way == "ok") == (sum(row["usd"] for row in rows) > 0)


def test_the_cap_counts_earlier_runs(bench):
    """
    It belongs to the folder: asking again does not start from zero.
    """
    flags = ("--budget-usd", 6 * CALL_USD, "--max-tokens", 20)
    bench(*flags)
    n_before = len(bench.log())

    code, _, _ = bench(*flags)

    assert code == 1
    assert len(bench.log()) == n_before


def test_a_refused_key_ends_the_run(bench):
    """
    One sentence with the upstream's words instead of an error for every question.
    """
    bench.write(100)

    code, _, err = bench("--concurrency", 2, way="status", status=401, message="who are you?")

    assert code == 2
    assert "refuses every call: http 401: who are you?" in err
    assert len(bench.log()) <= 4


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"answer": "{authorization} is A"}, id="in answers"),
        pytest.param(
            {"way": "status", "status": 400, "message": "{authorization}"}, id="in errors"
        ),
        pytest.param({"way": "status", "status": 401, "message": "{authorization}"}, id="refused"),
        pytest.param({"way": "garbage"}, id="garbage"),
    ],
)
def test_the_key_is_nowhere(bench, told):
    """
    Not in a file, not on the screen, even if the upstream says it back.
    """
    _, out, err = bench(*("--keep-answers", True, "--json", True, "--attempts", 1), **told)

    files = [path for path in bench.output.rglob("*") if path.is_file()]
    assert files
    for text in (out.encode(), err.encode(), *(path.read_bytes() for path in files)):
        assert KEY.encode() not in text


def test_answers_are_kept_only_on_request(bench):
    """
    Text is the user's own: by default only what was measured is stored.
    """
    bench("--limit", 1, answer="The answer is A, of course.")
    (without,) = bench.journal()
    bench(*("--limit", 1, "--keep-answers", True, "--fresh", True), answer="The answer is A.")

    (with_answer,) = bench.journal()
    assert "answer" not in without
    assert with_answer["answer"] == "The answer is A."


def test_events_are_json_lines(bench):
    """
    A quote and what came of it; beside them, on standard error, progress with the money spent.
    """
    _, out, err = bench("--json", True)

    quote, done = (json.loads(line) for line in out.splitlines())
    progress, stage = (json.loads(line) for line in err.splitlines())
    assert (quote["event"], done["event"]) == ("quote", "done")
    assert done["models"][0]["answered"] == 8
    assert (progress["event"], progress["done"]) == ("progress", 8)
    assert progress["usd"] == pytest.approx(8 * CALL_USD)
    assert (stage["event"], stage["rows"]) == ("stage", 8)


def test_a_question_may_name_its_own_grader(bench):
    """
    It goes before the one of the run.
    """
    bench.write(2, grader="exact")

    bench(answer="A")

    assert [row["correct"] for row in bench.outcomes()] == [1, 0]


def test_a_failing_grader_of_the_users_own_costs_no_answer(bench, monkeypatch):
    """
    The paid answer stays, ungraded, with what the grader raised.
    """
    (bench.folder / "bad_marks.py").write_text("def mark(reply, gold, question):\n    1 / 0\n")
    monkeypatch.syspath_prepend(bench.folder)

    code, _, _ = bench("--grader", "python:bad_marks:mark", "--limit", 1)

    (row,) = bench.journal()
    assert code == 0
    assert "ZeroDivisionError" in row["message"]
    assert "correct" not in row


@pytest.fixture
def bank(tmp_path):
    """A bank of four anchors with prompts, right answers A, and lengths of 40 tokens."""
    prompts = tuple(f"{i}?\nA. x\nB. y" for i in range(4))
    made = replace(bank_of([[1, 0]] * 4, tokens=40.0, prompts=prompts), gold_answers=("A",) * 4)
    save_bank(made, tmp_path / "bank", created_at="2026-01-01", sources=())
    return tmp_path / "bank"


def test_a_bank_is_asked_at_the_lengths_it_has_seen(bench, bank):
    """
    Its anchors are the questions; the quote expects answers as long as its models gave.
    """
    _, out, _ = bench("--questions", bank)

    assert "answers as long as those the bank has seen" in out
    assert [row["question_id"] for row in bench.outcomes()] == ["a0", "a1", "a2", "a3"]


def plan_file(bench, version, anchors):
    facts = {
        "model": bench.model,
        "bank_version": version,
        "expected_cost_usd": 1.0,
        "anchors": [{"id": anchor, "cost_usd": 0.25} for anchor in anchors],
    }
    (bench.folder / "plan.json").write_text(json.dumps(facts))
    return bench.folder / "plan.json"


def test_a_plan_is_followed(bench, bank):
    """
    Only its anchors, in its order, for its model, at the price it foresaw.
    """
    plan = plan_file(bench, load_bank(bank).version, ["a3", "a1"])

    code, out, _ = bench("--questions", bank, "--plan", plan, "--concurrency", 1)

    assert code == 0
    assert "expected bill $0.5 (as planned)" in out
    assert [call["prompt"][0] for call in bench.log()] == ["3", "1"]


def test_a_plan_for_another_bank_is_refused(bench, bank):
    """
    Its anchors were chosen among others.
    """
    code, _, err = bench("--questions", bank, "--plan", plan_file(bench, "0" * 12, ["a3"]))

    assert code == 2
    assert "plan again for this bank" in err


def test_one_folder_one_process(bench):
    """
    Two at once would pay twice.
    """
    from pipelines.measure.journal import Journal

    bench("--limit", 1)
    with Journal(
        bench.output, json.loads((bench.output / "settings.json").read_text()), fresh=False
    ):
        code, _, err = bench()

    assert code == 2
    assert "another `scope measure` is writing" in err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        pytest.param(("--key-variable", "NO_KEY"), "NO_KEY is not set", id="no key"),
        pytest.param(("--models", "unheard/of"), "'unheard/of' has no price", id="unknown model"),
        pytest.param(("--models", "m", "--prices", None), "has no price in", id="no prices at all"),
        pytest.param(("--models", ""), "no model to measure", id="no model"),
        pytest.param(("--models", "a,a"), "names a model twice: a", id="model twice"),
        pytest.param(("--pool", "nobody"), "pool 'nobody' is neither", id="unknown pool"),
        pytest.param(("--budget-usd", 0), "expected a number above 0", id="budget of nothing"),
        pytest.param(("--rate", -1), "expected a number above 0", id="negative rate"),
        pytest.param(("--grader", "magic"), "grader is 'magic'", id="unknown grader"),
        pytest.param(("--grader", "numeric"), "expected one number", id="grader of other golds"),
        pytest.param(("--base-url", "example.org"), "expected http", id="no address"),
        pytest.param(("--questions", "nowhere.json"), "cannot be read", id="no questions"),
        pytest.param(("--plan", "nowhere.json"), "cannot be read", id="no plan"),
    ],
)
def test_a_wrong_input_gets_a_sentence(bench, flags, told):
    """
    Exit 2, nothing asked, no folder made.
    """
    code, _, err = bench(*flags)

    assert code == 2
    assert told in err
    assert len(err.strip().splitlines()) == 1
    assert (bench.log(), bench.output.exists()) == ([], False)


def test_a_question_without_gold_gets_a_sentence(bench):
    """
    Before the first call: an answer nobody can grade is not worth its price.
    """
    bench.write(3, gt=None)

    code, _, err = bench()

    assert code == 2
    assert "question q000 has no gold answer" in err


def test_a_bank_without_prompts_gets_a_sentence(bench, tmp_path):
    """
    The embedded one, for example.
    """
    save_bank(bank_of([[1, 0]]), tmp_path / "bare", created_at="2026-01-01", sources=())

    code, _, err = bench("--questions", tmp_path / "bare")

    assert code == 2
    assert "has no prompts" in err
