"""``scope measure`` against a real upstream in a process of its own."""

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from scope import STARTER_QUESTIONS, save_bank
from scope.bank.store import load_bank
from scope.outcomes import Outcomes, read_outcomes_table
from tests.factories.banks import bank_of
from tests.pipelines.commands.measuring import CALL_USD, KEY, Bench
from tests.pipelines.runs import wait_until
from tests.upstream import running


@pytest.fixture(scope="module")
def upstream():
    with running() as served:
        yield served


@pytest.fixture
def bench(scope, upstream, tmp_path, monkeypatch, request):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    return Bench(scope, upstream, tmp_path, request.node.name)


def test_outcomes_are_what_a_bank_is_built_from(bench):
    """
    One row per question and model: correct or not, and both token counts.
    """
    code, _, _ = bench()

    ids = [f"q{i:03d}" for i in range(8)]
    table = read_outcomes_table(bench.output / "outcomes.parquet")
    outcomes = Outcomes.from_table(table, ids, (bench.model,), "here")
    assert code == 0
    assert outcomes.correct_am.ravel().tolist() == [1, 0] * 4
    assert set(outcomes.prompt_tokens_am.ravel()) == {20}
    assert set(outcomes.completion_tokens_am.ravel()) == {10}


def test_the_files_of_the_published_code_are_written(bench):
    """
    One folder per model, with underscores for slashes, and the entries that its loader reads.
    """
    bench("--models", f"{bench.model}/b", "--limit", 2)

    place = bench.output / "anchor_results" / f"{bench.model}_b" / "anchor_results.json"
    usage = {"prompt_tokens": 20, "completion_tokens": 10}
    assert json.loads(place.read_text()) == [
        {"id": "q000", "model": f"{bench.model}/b", "is_correct": True, "usage": usage},
        {"id": "q001", "model": f"{bench.model}/b", "is_correct": False, "usage": usage},
    ]


def test_an_ungradable_answer_is_not_wrong(bench):
    """
    Null in the outcomes, and left out of the files of the published code.
    """
    code, out, _ = bench(answer="A or B, who knows?")

    assert code == 0
    assert {row["correct"] for row in bench.outcomes()} == {None}
    assert not list((bench.output / "anchor_results").iterdir())
    assert "ungradable" in out


def test_a_truncated_answer_is_not_graded(bench):
    """
    The summary counts truncated answers.
    """
    code, out, _ = bench(finish_reason="length")

    assert code == 0
    assert {row["correct"] for row in bench.outcomes()} == {None}
    assert "8 answers were truncated at --max-tokens" in out


@pytest.mark.slow
def test_failures_of_a_fifth_of_the_calls_lose_and_repeat_nothing(bench):
    """
    Every call ends with an answer or a recorded error, every request is counted, and an answer
    is paid twice only if a lost one was counted as possibly billed.
    """
    bench.write(60)

    bench(*("--attempts", 2, "--concurrency", 32, "--timeout", 1), way="any", share=0.2)

    rows, log = bench.journal(), bench.log()
    n_answers = Counter(call["prompt"] for call in log if call["way"] == "ok")
    prompts = {row["question_id"]: f"{int(row['question_id'][1:])}?\nA. x\nB. y" for row in rows}
    answered = {prompts[row["question_id"]] for row in rows if "error" not in row}
    possibly_billed = {prompts[row["question_id"]] for row in rows if row["possibly_billed_usd"]}
    assert sorted(prompts) == [f"q{i:03d}" for i in range(60)]
    assert sum(row["attempts"] for row in rows) == len(log) > 60
    assert answered <= set(n_answers) <= answered | possibly_billed
    assert {prompt for prompt, times in n_answers.items() if times > 1} <= possibly_billed


@pytest.mark.slow
def test_a_kill_loses_only_calls_in_flight(bench):
    """
    After SIGKILL and a second run no answered call was repeated, and the outcomes are, byte for
    byte, those of an uninterrupted run.
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

    n_calls = Counter(call["prompt"] for call in bench.log())
    assert code == 0
    assert n_before < 120
    assert len(n_calls) == 120
    assert sum(n_calls.values()) - 120 <= 4
    interrupted = (bench.output / "outcomes.parquet").read_bytes()
    bench.output = bench.folder / "uninterrupted"
    bench(*flags)
    assert (bench.output / "outcomes.parquet").read_bytes() == interrupted


def test_the_call_of_a_truncated_last_line_is_repeated(bench):
    """
    It counts as not made.
    """
    bench()
    journal = bench.output / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])

    code, _, _ = bench()

    assert code == 0
    assert len(bench.log()) == 9
    assert len(bench.outcomes()) == 8


def test_a_corrupt_journal_is_refused(bench):
    """
    Only the last line may be truncated.
    """
    bench()
    journal = bench.output / "journal.jsonl"
    journal.write_bytes(b"what\n" + journal.read_bytes())

    code, _, err = bench()

    assert code == 2
    assert "line 1 is not a result" in err


def test_failed_calls_are_repeated_by_the_next_run(bench):
    """
    They are recorded with the upstream's message, exit 1 and no outcome; only they are repeated.
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


def test_a_second_run_makes_no_call(bench):
    """
    Nothing is paid twice.
    """
    bench()

    code, out, _ = bench()

    assert code == 0
    assert "no calls left to make" in out
    assert len(bench.log()) == 8


def test_another_model_joins_the_same_folder(bench):
    """
    Only the new model is called; the outcomes hold both.
    """
    bench()

    bench("--models", f"{bench.model},{bench.model}/b")

    assert Counter(call["model"] for call in bench.log()) == {bench.model: 8, f"{bench.model}/b": 8}
    assert len(bench.outcomes()) == 16


def test_models_that_would_share_a_folder_are_refused(bench):
    """
    A slash becomes an underscore there; no call is made and nothing is written.
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
    ("flags", "message"),
    [
        pytest.param(("--max-tokens", 7), "max_tokens was 4096, is 7", id="length"),
        pytest.param(("--temperature", 1), "temperature was 0.0, is 1.0", id="temperature"),
        pytest.param(("--grader", "choice"), "grader was 'auto', is 'choice'", id="grader"),
    ],
)
def test_changed_settings_are_refused(bench, flags, message):
    """
    The message names the key; --fresh renames the old journal and makes all calls again.
    """
    bench()

    code, _, err = bench(*flags)
    fresh, _, _ = bench(*flags, "--fresh", True)

    assert (code, fresh) == (2, 0)
    assert message in err
    assert (bench.output / "replaced-journal.jsonl").read_bytes().count(b"\n") == 8


def test_a_changed_question_is_refused(bench):
    """
    Its answers belong to the old text.
    """
    bench()
    bench.questions.write_text(bench.questions.read_text().replace("3?", "33?"))

    code, _, err = bench()

    assert code == 2
    assert "q003" in err


def test_a_dry_run_quotes_the_cost_and_makes_no_call(bench, monkeypatch):
    """
    It needs no key and creates no folder.
    """
    monkeypatch.delenv("OPENROUTER_API_KEY")

    code, out, _ = bench("--dry-run", True, "--max-tokens", 100)

    assert code == 0
    assert "8 calls to make: expected bill $" in out
    assert (bench.log(), bench.output.exists()) == ([], False)


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("prices", [True, False])
def test_a_model_without_a_price_has_its_list_price(bench, prices):
    """
    Where its provider is known: GPT-4o mini at OpenAI. The price file may lack it.
    """
    flags = ("--models", "gpt-4o-mini", "--base-url", "https://api.openai.com/v1")
    if not prices:
        flags += ("--prices", None)

    code, out, err = bench(*flags, "--dry-run", True)

    assert code == 0
    assert "model 'gpt-4o-mini' is billed at its list price, $0.15 / $0.6 for a million" in err
    assert "8 calls to make: expected bill $" in out


def test_the_cost_that_the_provider_names_is_recorded(bench):
    """
    And counted against the budget: eight calls of $.01.
    """
    code, _, _ = bench(usage={"cost": 0.01})

    assert code == 0
    assert [row["usd"] for row in bench.journal()] == [0.01] * 8


@pytest.mark.parametrize("way", ["ok", "no_usage"])
def test_the_cap_holds(bench, way):
    """
    No call starts that could exceed it; a call of unknown cost counts with its maximum.
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
    It applies to the folder: another run does not start from zero.
    """
    flags = ("--budget-usd", 6 * CALL_USD, "--max-tokens", 20)
    bench(*flags)
    n_before = len(bench.log())

    code, _, _ = bench(*flags)

    assert code == 1
    assert len(bench.log()) == n_before


def test_a_refused_key_ends_the_run(bench):
    """
    One error with the upstream's message instead of one per question.
    """
    bench.write(100)

    code, _, err = bench("--concurrency", 2, way="status", status=401, message="who are you?")

    assert code == 2
    assert "refuses every call: http 401: who are you?" in err
    assert len(bench.log()) <= 4


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param({"answer": "{authorization} is A"}, id="in answers"),
        pytest.param(
            {"way": "status", "status": 400, "message": "{authorization}"}, id="in errors"
        ),
        pytest.param({"way": "status", "status": 401, "message": "{authorization}"}, id="refused"),
        pytest.param({"way": "garbage"}, id="garbage"),
    ],
)
def test_the_key_is_nowhere(bench, behaviour):
    """
    Neither in a file nor on the screen, if the upstream sends it back.
    """
    _, out, err = bench(*("--keep-answers", True, "--json", True, "--attempts", 1), **behaviour)

    files = [path for path in bench.output.rglob("*") if path.is_file()]
    assert files
    for text in (out.encode(), err.encode(), *(path.read_bytes() for path in files)):
        assert KEY.encode() not in text


def test_answers_are_kept_only_on_request(bench):
    """
    By default only grades, token counts and costs are stored.
    """
    bench("--limit", 1, answer="The answer is A, of course.")
    (without,) = bench.journal()
    bench(*("--limit", 1, "--keep-answers", True, "--fresh", True), answer="The answer is A.")

    (with_answer,) = bench.journal()
    assert "answer" not in without
    assert with_answer["answer"] == "The answer is A."


def test_events_are_json_lines(bench):
    """
    A quote and a summary on standard output, progress with the cost on standard error.
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
    It takes precedence over the grader of the run.
    """
    bench.write(2, grader="exact")

    bench(answer="A")

    assert [row["correct"] for row in bench.outcomes()] == [1, 0]


def test_an_error_of_a_custom_grader_loses_no_answer(bench, monkeypatch):
    """
    The answer is recorded without a grade, with the error of the grader.
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
    """A bank of four anchors with prompts, gold answers A and answers of 40 tokens."""
    prompts = tuple(f"{i}?\nA. x\nB. y" for i in range(4))
    four_anchors = replace(
        bank_of([[1, 0]] * 4, tokens=40.0, prompts=prompts), gold_answers=("A",) * 4
    )
    save_bank(four_anchors, tmp_path / "bank", created_at="2026-01-01", sources=())
    return tmp_path / "bank"


def test_a_bank_sets_the_expected_length(bench, bank):
    """
    Its anchors are the questions; the quote expects the mean length of its answers.
    """
    _, out, _ = bench("--questions", bank)

    assert "answers as long as those in the bank" in out
    assert [row["question_id"] for row in bench.outcomes()] == ["a0", "a1", "a2", "a3"]


def plan_file(bench, version, anchors, texts=None):
    facts = {
        "model": bench.model,
        "price": {"usd_per_mtok_in": 1.0, "usd_per_mtok_out": 2.0},
        "bank_version": version,
        "texts": texts and str(texts),
        "expected_cost_usd": 1.0,
        "anchors": [{"id": anchor, "cost_usd": 0.25} for anchor in anchors],
    }
    (bench.folder / "plan.json").write_text(json.dumps(facts))
    return bench.folder / "plan.json"


def test_a_plan_is_followed(bench, bank):
    """
    Only its anchors, in its order, for its model, at its expected cost.
    """
    plan = plan_file(bench, load_bank(bank).version, ["a3", "a1"])

    code, out, _ = bench("--questions", bank, "--plan", plan, "--concurrency", 1)

    assert code == 0
    assert "expected bill $0.5 (as planned)" in out
    assert [call["prompt"][0] for call in bench.log()] == ["3", "1"]


def test_a_plan_brings_its_texts_and_its_price(bench, bank):
    """
    Neither questions nor prices are named.
    """
    plan = plan_file(bench, load_bank(bank).version, ["a3", "a1"], texts=bank)

    code, _, _ = bench("--questions", None, "--prices", None, "--plan", plan)

    assert code == 0
    assert {row["question_id"] for row in bench.outcomes()} == {"a1", "a3"}
    assert bench.journal()[0]["usd"] == pytest.approx(CALL_USD)


def test_the_texts_of_a_plan_may_be_those_of_the_package(bench):
    """
    A plan for the embedded bank: its anchors are asked as they are shipped.
    """
    row = next(
        row for line in STARTER_QUESTIONS.open() if (row := json.loads(line))["grader"] == "choice"
    )
    plan = plan_file(bench, "0" * 12, [row["id"]])

    code, _, _ = bench("--questions", None, "--plan", plan)

    assert code == 0
    assert [call["prompt"] for call in bench.log()] == [row["prompt"]]
    assert [row["correct"] for row in bench.outcomes()] == [float(row["gold"] == "A")]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        pytest.param("gone", "gone, which is not there; name a file that has them", id="gone"),
        pytest.param(None, "lacks anchors of", id="not shipped"),
    ],
)
def test_a_plan_without_its_texts_is_refused(bench, texts, message):
    """
    One sentence, before any call.
    """
    plan = plan_file(bench, "0" * 12, ["a3"], texts=texts)

    code, _, err = bench("--questions", None, "--plan", plan)

    assert code == 2
    assert message in err
    assert "--questions" in err
    assert len(err.strip().splitlines()) == 1
    assert not bench.output.exists()


def test_a_plan_for_another_bank_is_refused(bench, bank):
    """
    Its anchors are not those of this bank.
    """
    code, _, err = bench("--questions", bank, "--plan", plan_file(bench, "0" * 12, ["a3"]))

    assert code == 2
    assert "plan again for this bank" in err


def test_one_folder_one_process(bench):
    """
    Two processes would pay twice.
    """
    from pipelines.measure.journal import Journal

    bench("--limit", 1)
    with Journal(
        bench.output, json.loads((bench.output / "settings.json").read_text()), fresh=False
    ):
        code, _, err = bench()

    assert code == 2
    assert "another run is writing" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param(("--key-variable", "NO_KEY"), "NO_KEY is not set", id="no key"),
        pytest.param(("--models", "unheard/of"), "'unheard/of' has no price", id="unknown model"),
        pytest.param(("--models", "m", "--prices", None), "has no price in", id="no prices at all"),
        pytest.param(("--models", ""), "no model to measure", id="no model"),
        pytest.param(("--models", "a,a"), "names a model twice: a", id="model twice"),
        pytest.param(("--pool", "unknown"), "pool 'unknown' is neither", id="unknown pool"),
        pytest.param(("--budget-usd", 0), "expected a number above 0", id="budget of nothing"),
        pytest.param(("--rate", -1), "expected a number above 0", id="negative rate"),
        pytest.param(("--grader", "magic"), "grader is 'magic'", id="unknown grader"),
        pytest.param(("--grader", "numeric"), "expected one number", id="grader of other golds"),
        pytest.param(("--base-url", "example.org"), "expected http", id="no address"),
        pytest.param(
            ("--base-url", "https://h/v1/chat/completions/"), "ends in /chat", id="whole address"
        ),
        pytest.param(("--questions", "nowhere.json"), "cannot be read", id="no questions"),
        pytest.param(("--plan", "nowhere.json"), "cannot be read", id="no plan"),
    ],
)
def test_a_wrong_input_gets_an_error_message(bench, flags, message):
    """
    On one line, with exit 2, no call and no folder.
    """
    code, _, err = bench(*flags)

    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert (bench.log(), bench.output.exists()) == ([], False)


@pytest.mark.parametrize("key", ["sk-proj-0123456789abcdef", "sk live 1", "a1b2c3d4e5f6g7h8"])
def test_a_key_in_place_of_its_variable_is_refused_and_not_shown(bench, key):
    """
    Even if a variable of that name is set.
    """
    code, out, err = bench("--key-variable", key)

    assert code == 2
    assert "--key-variable is no name of an environment variable, and perhaps a key" in err
    assert key not in out + err


def test_a_question_without_gold_is_refused(bench):
    """
    Before the first call, since its answers could not be graded.
    """
    bench.write(3, gt=None)

    code, _, err = bench()

    assert code == 2
    assert "question q000 has no gold answer" in err


def test_a_bank_without_prompts_is_refused(bench, tmp_path):
    """
    For example, the embedded bank.
    """
    save_bank(bank_of([[1, 0]]), tmp_path / "bare", created_at="2026-01-01", sources=())

    code, _, err = bench("--questions", tmp_path / "bare")

    assert code == 2
    assert "has no prompts" in err
