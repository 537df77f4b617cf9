"""``scope bank start`` against a real upstream in a process of its own."""

import json
import re
import shutil

import pytest

from scope import STARTER_QUESTIONS, load_bank
from scope.embedding import MINILM
from scope.questions import read_questions
from tests.pipelines.runs import check_error
from tests.upstream import running

pytestmark = pytest.mark.usefixtures("one_thread")

N = 30
A = "The answer is (A)."
DOWN = {"way": "status", "status": 500}


@pytest.fixture(scope="module")
def upstream():
    with running() as served:
        yield served


class Start:
    """The command on `N` questions whose gold answers are A, B, A, …, and two models."""

    def __init__(self, run, upstream, folder):
        self.run, self.upstream, self.folder = run, upstream, folder
        self.output, self.measured = folder / "bank", folder / "bank-measured"
        self.texts = [f"{i}?\nA. x\nB. y" for i in range(N)]
        self.write(N)
        prices = {
            "cheap": {"input": 1.0, "output": 2.0},
            "dear": {"input": 10.0, "output": 20.0},
        }
        (folder / "prices.json").write_text(json.dumps(prices))

    def write(self, n):
        rows = [
            {"id": f"q{i:03d}", "prompt": text, "gt": "AB"[i % 2]}
            for i, text in enumerate(self.texts[:n])
        ]
        (self.folder / "questions.json").write_text(json.dumps(rows))

    def three_prices(self):
        """A price file with a third model."""
        path = self.folder / "three.json"
        price = {"input": 1.0, "output": 2.0}
        path.write_text(json.dumps(dict.fromkeys(("cheap", "dear", "third"), price)))
        return path

    def __call__(self, *more, **behaviours):
        """Run; all models answer A unless `behaviours` say else."""
        names = ("cheap", "dear", "third")
        self.upstream.behave({name: {"answer": A} | behaviours.get(name, {}) for name in names})
        flags = {
            "--models": "cheap,dear",
            "--questions": self.folder / "questions.json",
            "--prices": self.folder / "prices.json",
            "--budget-usd": 1,
            "--base-url": self.upstream.base_url,
            "--concurrency": 4,
            "--attempts": 1,
            "--output": self.output,
            **dict(zip(more[::2], more[1::2], strict=True)),
        }
        pairs = [(flag, value) for flag, value in flags.items()]
        arguments = [str(part) for pair in pairs for part in pair if part is not True]
        return self.run("bank", "start", *arguments)


@pytest.fixture
def start(scope, upstream, tmp_path, monkeypatch, embedded):
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-secret")
    command = Start(scope, upstream, tmp_path)
    embedded(*command.texts)
    return command


def test_a_pool_becomes_a_fitted_bank_with_texts(start):
    """
    Both models answer A: half of the questions are right.
    """
    code, out, err = start()

    assert code == 0, err
    bank = load_bank(start.output)
    assert bank.model_ids == ("cheap", "dear")
    assert bank.prompts == tuple(start.texts)
    assert bank.outcomes.correct_am.tolist() == [[1, 1], [0, 0]] * (N // 2)
    assert bank.forecaster is not None
    assert "60 calls to make: expected bill" in out
    assert re.search(r"cheap +30 +50\.0 % +\$0\.040", out)
    assert f"built {start.output}: {N} anchors × 2 models" in out


def test_only_the_questions_within_the_budget_are_asked(start):
    """
    The first 20 or more, of every model the same; the expected bill fits.
    """
    _, out, _ = start("--dry-run", True)
    usd = float(re.search(r"expected bill \$([\d.]+)", out)[1])

    code, out, _ = start("--budget-usd", 0.8 * usd, "--max-tokens", 100)

    assert code == 0
    bank = load_bank(start.output)
    assert 20 <= len(bank.ids) <= N
    assert bank.ids == tuple(f"q{i:03d}" for i in range(len(bank.ids)))


def test_a_quote_calls_no_model_and_writes_nothing(start):
    """
    --dry-run.
    """
    n_calls = len(start.upstream.log())

    code, out, _ = start("--dry-run", True)

    assert code == 0
    assert "60 calls to make" in out
    assert len(start.upstream.log()) == n_calls
    assert not start.output.exists()
    assert not start.measured.exists()


def test_a_second_run_pays_only_for_what_is_missing(start):
    """
    The answers are kept beside the bank, whatever became of it.
    """
    start()
    n_calls = len(start.upstream.log())
    shutil.rmtree(start.output)

    code, out, _ = start()

    assert code == 0
    assert "no calls left to make: 60 were answered before" in out
    assert len(start.upstream.log()) == n_calls


def test_money_that_ends_early_is_told(start):
    """
    Answers of 500 tokens were expected; they have 4,000. The bank has what was answered.
    """
    _, out, _ = start("--dry-run", True)
    usd = float(re.search(r"expected bill \$([\d.]+)", out)[1])

    long = {"answer": A, "completion_tokens": 4000}
    code, _, err = start("--budget-usd", 6 * usd, cheap=long, dear=long)

    assert code == 0
    n_unmade = int(re.search(r"(\d+) calls were not made", err)[1])
    correct_am = load_bank(start.output).outcomes.correct_am
    assert 0 < n_unmade == 2 * N - (correct_am == correct_am).sum()


def test_a_pool_without_the_model_that_fails_pays_nothing_twice(start):
    """
    The remedy of the sentence: leave it out.
    """
    start("--models", "cheap,dear,third", "--prices", start.three_prices(), dear=DOWN)
    n_calls = len(start.upstream.log())

    code, _, err = start("--models", "cheap,third", "--prices", start.three_prices())

    assert code == 0, err
    assert len(start.upstream.log()) == n_calls
    assert load_bank(start.output).model_ids == ("cheap", "third")


def test_a_model_that_fails_often_makes_no_bank(start):
    """
    Its outcomes would be those of the questions that it did not fail on.
    """
    failing = {"way": "status", "status": 500, "share": 0.4}

    code, _, err = start(dear=failing)

    assert code == 2
    check_error(err, "calls of dear failed, the first: ", "bank-measured keeps all answers")
    assert not start.output.exists()
    assert start()[0] == 0


def test_a_failed_call_is_an_unknown_outcome(start):
    """
    Not a wrong answer; two of thirty are few enough for a bank.
    """
    code, out, _ = start(dear={"way": "status", "status": 500, "share": 0.05})

    n_failed = int(re.search(r"failed, retried by the next run: .* × (\d+)", out)[1])
    correct_am = load_bank(start.output).outcomes.correct_am
    assert code == 0
    assert 0 < n_failed == (correct_am[:, 1] != correct_am[:, 1]).sum()


def test_answers_that_cannot_be_graded_make_no_bank(start):
    """
    A model that never names an option has no outcome.
    """
    code, _, err = start(dear={"answer": "I do not know."})

    assert code == 2
    check_error(err, "0 of 30 answers of dear could be graded", "--max-tokens")
    assert not start.output.exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--models", "cheap"), "the pool has one model, cheap; a router needs two"),
        (("--models", "cheap,other"), "'other' has no price"),
        (("--budget-usd", 0), "--budget-usd is 0; expected a number above 0"),
        (("--budget-usd", 0.001), "--budget-usd 0.001 pays for about 0 questions × 2 models"),
        (("--grader", "judge:dear"), "needs a judge, which `scope bank start` does not ask"),
        (("--key-variable", "NO_SUCH_KEY"), "NO_SUCH_KEY is not set"),
    ],
    ids=["one model", "no price", "no money", "too little money", "judge", "no key"],
)
def test_a_mistake_is_one_sentence_before_any_call(start, flags, sentence):
    """
    Nothing is called, and nothing is written.
    """
    n_calls = len(start.upstream.log())

    code, _, err = start(*flags)

    assert code == 2
    check_error(err, sentence)
    assert len(start.upstream.log()) == n_calls
    assert not start.output.exists()


def test_too_few_questions_are_refused(start):
    """
    Five tell nothing about a model.
    """
    start.write(5)

    code, _, err = start()

    assert code == 2
    check_error(err, "has 5 questions; expected 20 or more")


def test_an_existing_bank_is_not_replaced(start):
    """
    And no call is paid for it.
    """
    start.output.mkdir()

    code, _, err = start()

    assert code == 2
    check_error(err, "exists; choose another folder")


def test_json_lines_end_with_the_manifest(start):
    """
    For machines: quote, done, bank.
    """
    code, out, _ = start("--json", True)

    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [event["event"] for event in events] == ["quote", "done", "bank"]
    assert events[-1]["n_questions"] == N


def test_the_shipped_questions_are_the_default(scope, tmp_path, monkeypatch):
    """
    Every one of them, where the money suffices; from any folder.
    """
    monkeypatch.chdir(tmp_path)
    flags = ("--pool", "default", "--budget-usd", 50, "--output", "bank", "--dry-run")

    code, out, _ = scope("bank", "start", *flags)

    n_calls = 7 * len(read_questions(STARTER_QUESTIONS))
    assert code == 0
    assert f"{n_calls:,} calls to make" in out


def test_a_second_encoder_is_judged_as_by_the_fit(start, embedded, checkpoint):
    """
    Its vectors are kept; as it tells nothing of the models, the bank is fitted with the first.
    """
    embedded(*start.texts, encoder=str(checkpoint), layer=1)

    code, out, err = start("--embedder", MINILM, f"--embedder={checkpoint}#1", True)

    assert code == 0, err
    bank = load_bank(start.output)
    assert (bank.second.embedder.name, bank.second.embedder.layer) == (str(checkpoint), 1)
    assert bank.second_gain is not None
    assert "The second encoder gains" in out


def test_a_layer_that_cannot_be_is_refused_before_money_is_spent(start):
    """
    No model is called.
    """
    n_calls = len(start.upstream.log())

    code, _, err = start("--embedder", "models/x#0")

    assert code == 2
    check_error(err, "'models/x#0' is not valid; expected NAME")
    assert len(start.upstream.log()) == n_calls
