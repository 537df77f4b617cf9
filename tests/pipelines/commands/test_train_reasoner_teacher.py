"""``scope train reasoner data --teacher`` against an upstream that explains."""

import json

import pytest

from pipelines.bank.files import save_bank_now
from pipelines.finetune.data import FinetuneData
from tests.factories.finetuning import SHARES, bank_with_texts
from tests.pipelines.measure.replies import Reply, completion, replying

KEY = "sk-very-secret-0123"
CALL_USD = (20 * 1.0 + 10 * 2.0) / 1e6


def honest(said):
    """A teacher that ends as asked."""
    return f"The examples are like it. So the model will probably be {said}."


class Explained:
    """A bank, and the command with a teacher."""

    def __init__(self, run, folder):
        self.run, self.folder, self.asked, self.reply = run, folder, [], honest
        self.output = folder / "data"
        (folder / "prices.json").write_text(json.dumps({"wise": {"input": 1.0, "output": 2.0}}))
        save_bank_now(bank_with_texts(), folder / "bank", ("test",), command="test")

    def answer(self, body):
        prompt = body["messages"][0]["content"]
        self.asked.append(prompt)
        said = "right" if "answer was right" in prompt else "wrong"
        reply = self.reply(said)
        return reply if isinstance(reply, Reply) else Reply(completion(reply))

    def __call__(self, *flags, teacher="wise"):
        given = ["--bank", self.folder / "bank", "--output", self.output, "--teacher", teacher]
        given += ["--prices", self.folder / "prices.json", "--base-url", self.base_url]
        given += ["--shares", ",".join(map(str, SHARES)), "--n-examples", 2, "--attempts", 1]
        given += ["--concurrency", 4, "--json", *flags]
        return self.run("train", "reasoner", "data", *map(str, given))


@pytest.fixture
def explained(scope, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    explained = Explained(scope, tmp_path)
    with replying(explained.answer) as served:
        explained.base_url = served.base_url
        yield explained


def teaching(out):
    return json.loads(out.splitlines()[-1])["teaching"]


def test_each_row_but_those_of_the_hold_out_is_explained(explained):
    """
    The bill is that of the calls.
    """
    code, out, err = explained()

    data = FinetuneData.load(explained.output)
    learned = data.rows_of("train") + data.rows_of("validation")
    assert code == 0, err
    assert {row.analysis for row in learned} == {honest("right"), honest("wrong")}
    assert {row.analysis for row in data.rows_of("test")} == {""}
    assert data.spec.teacher == "wise"
    assert teaching(out)["asked"] == len(learned) == len(explained.asked)
    assert teaching(out)["usd"] == pytest.approx(len(learned) * CALL_USD)
    assert KEY not in out + err


def test_no_question_of_the_hold_out_is_sent(explained):
    """
    Neither as a target nor as an example.
    """
    explained()

    data = FinetuneData.load(explained.output)
    held_out = {data.prompts[row.question] for row in data.rows_of("test")}
    lines = {line for prompt in explained.asked for line in prompt.splitlines()}
    assert held_out
    assert not held_out & lines


def test_leaking_rationales_are_dropped_and_counted(explained):
    """
    Every second reply says that the outcome was told.
    """
    explained.reply = lambda said: (
        f"As we were told, {honest(said)}" if len(explained.asked) % 2 else honest(said)
    )

    code, out, err = explained()

    data, found = FinetuneData.load(explained.output), teaching(out)
    learned = data.rows_of("train") + data.rows_of("validation")
    assert code == 0, err
    assert found["dropped"] == {"names the outcome": found["asked"] - len(learned)}
    assert 0 < len(learned) < found["asked"]
    assert not any("told" in row.analysis for row in learned)


def test_a_failed_call_is_dropped_as_without_a_reply(explained):
    """
    It is not a rationale, and the next run asks again.
    """
    explained.reply = lambda said: (
        Reply({"error": "busy"}, status=500) if len(explained.asked) == 9 else honest(said)
    )

    _, out, _ = explained()

    assert teaching(out)["dropped"] == {"no reply": 1}


def test_a_second_run_asks_only_what_the_first_did_not(explained):
    """
    The first ends with the budget; nothing is written, and no call is paid twice.
    """
    code, _, err = explained("--budget-usd", "0.005")
    n_first = len(explained.asked)

    assert code == 2
    assert "--budget-usd 0.005 ends with" in err
    assert not explained.output.exists()

    code, out, err = explained()

    assert code == 0, err
    assert 0 < n_first < len(explained.asked) == teaching(out)["asked"]
    assert teaching(out)["usd"] == pytest.approx(len(explained.asked) * CALL_USD)


def test_a_teacher_whose_rationales_all_leak_is_refused(explained):
    explained.reply = lambda said: "I know the outcome."

    code, _, err = explained()

    assert code == 2
    assert "none of its rationales for the split train can be used (names the outcome" in err
    assert not explained.output.exists()


@pytest.mark.parametrize(
    ("flags", "teacher", "message"),
    [
        pytest.param((), "unheard-of", "unheard-of", id="unknown teacher"),
        pytest.param(("--form", "pool"), "wise", "--teacher is for --form model", id="pool"),
        pytest.param(("--reasoning", "none"), "wise", "--reasoning is 'none'", id="no analysis"),
        pytest.param(("--budget-usd", "0"), "wise", "--budget-usd is 0", id="budget"),
    ],
)
def test_bad_flags_are_refused_before_anything_is_sent(explained, flags, teacher, message):
    code, _, err = explained(*flags, teacher=teacher)

    assert code == 2
    assert message in err
    assert explained.asked == []
    assert not explained.output.exists()
