"""Faults that real replies, files and flags have shown, on the command line.

A test is named by the number of its fault; those of the endpoint are in
`tests/deployments/test_endpoint_faults.py` and `test_client_faults.py`.
"""

import codecs
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pipelines.measure.replies import Reply, completion, replying

KEY = "sk-or-v1-" + "0a" * 20
PRICE = {"input": 1.0, "output": 2.0}
"""USD for a million tokens."""
GOOD = Reply(completion())
DEEP = b"[" * 100_000


class Measurement:
    """``scope measure`` on questions that name the reply that they get."""

    def __init__(self, scope, folder, upstream, replies):
        self.scope, self.folder, self.upstream, self.replies = scope, folder, upstream, replies
        self.questions, self.prices = folder / "q.jsonl", folder / "p.json"
        self.output = folder / "out"
        self.prices.write_text(json.dumps({"m": PRICE, "o3": PRICE}))
        self.ask({"good": GOOD})

    def ask(self, replies):
        """Write a question for each reply."""
        self.replies.update(replies)
        rows = [{"id": name, "prompt": f"{name}\nA. x\nB. y", "gt": "A"} for name in replies]
        self.questions.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(self, *flags, models="m"):
        """Run it; returns exit code and standard error."""
        given = ("--questions", self.questions, "--prices", self.prices, "--output", self.output)
        named = () if models is None else ("--models", models)
        calls = ("--base-url", self.upstream.base_url, "--attempts", 1, "--timeout", 10)
        code, _, err = self.scope("measure", *given, *named, *calls, *flags)  # the last one counts
        return code, err

    def outcomes(self):
        """The outcomes by question."""
        rows = pq.read_table(self.output / "outcomes.parquet").to_pylist()
        return {row["question_id"]: row for row in rows}

    def journal(self):
        """The results in the order in which they came."""
        return [json.loads(line) for line in (self.output / "journal.jsonl").open()]


@pytest.fixture(scope="module")
def replies():
    """The reply to each question, and the upstream that gives it."""
    by_name = {}

    def reply_to(request):
        reply = by_name[request["messages"][0]["content"].split("\n")[0]]
        return reply(request) if callable(reply) else reply

    with replying(reply_to) as upstream:
        yield by_name, upstream


@pytest.fixture
def measurement(scope, replies, tmp_path, monkeypatch):
    """A measurement with one question, whose reply can be graded."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "key")
    by_name, upstream = replies
    upstream.requests.clear()
    return Measurement(scope, tmp_path, upstream, by_name)


def sentence(code, err):
    """The one sentence with which a command ends that refuses its input."""
    sentences = [line for line in err.splitlines() if line.startswith("scope: ")]
    assert (code, len(sentences)) == (2, 1), err
    assert "Traceback" not in err
    return sentences[0]


FAILED = {"index": 0, "message": {"content": ""}, "finish_reason": "error"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"choices": [FAILED], "error": {"code": 502}}, id="beside a choice"),
        pytest.param(
            {"choices": [FAILED | {"finish_reason": None, "error": {"message": "x"}}]},
            id="in a choice",
        ),
        pytest.param({"choices": [FAILED]}, id="finish reason"),
    ],
)
def test_fault_03_an_error_with_status_200_is_no_answer(measurement, body):
    """
    The call has failed, and the next run makes it again.
    """
    measurement.ask({"failing": Reply(body), "good": GOOD})

    code, err = measurement.run()

    assert code == 1, err
    assert {row["question_id"] for row in measurement.journal() if "error" in row} == {"failing"}
    assert set(measurement.outcomes()) == {"good"}


CACHED = {
    "prompt_tokens": 20,
    "completion_tokens": 10,
    "prompt_tokens_details": {"cached_tokens": 16},
}
PER_TOKEN = {"prompt": "0.000001", "completion": "0.000002", "input_cache_read": "0.0000001"}


@pytest.mark.parametrize(
    "prices",
    [
        pytest.param({"m": PRICE | {"cached_input": 0.1}}, id="price file"),
        pytest.param({"data": [{"id": "m", "pricing": PER_TOKEN}]}, id="OpenRouter's list"),
    ],
)
def test_fault_10_cached_tokens_have_their_price(measurement, prices):
    """
    4 prompt tokens at $1, 16 at $.1 and 10 completion tokens at $2 for a million.
    """
    measurement.prices.write_text(json.dumps(prices))
    measurement.ask({"cached": Reply(completion(usage=CACHED))})
    code, err = measurement.run()

    assert code == 0, err
    assert measurement.journal()[0]["usd"] == pytest.approx((4 + 1.6 + 20) / 1e6)


def test_fault_10_the_providers_own_cost_is_the_bill(measurement):
    """
    Not what the tokens cost at the price file's prices.
    """
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "cost": 0.0123}
    measurement.ask({"own": Reply(completion(usage=usage))})
    code, err = measurement.run()

    assert code == 0, err
    assert measurement.journal()[0]["usd"] == 0.0123


PARTS = [{"type": "text", "text": "The answer "}, {"type": "text", "text": "is (A)."}]
ABSURD = {"prompt_tokens": 2**80, "completion_tokens": 10}


@pytest.mark.parametrize(
    ("reply", "correct"),
    [
        pytest.param(Reply(DEEP), None, id="very deep"),
        pytest.param(Reply(completion(usage=ABSURD)), 1.0, id="absurd token count"),
        pytest.param(Reply(completion(PARTS)), 1.0, id="content as parts"),
    ],
)
def test_fault_11_no_reply_ends_a_run(measurement, reply, correct):
    """
    It is read or has failed; the others are answered, and the outcomes are written.
    """
    measurement.ask({"odd": reply, "good": GOOD})

    code, err = measurement.run()

    found = measurement.outcomes()
    assert code == (1 if correct is None else 0), err
    assert found["good"]["correct"] == 1.0
    assert found.get("odd", {}).get("correct") == correct


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(Reply(b"Not Found", 404), "check --base-url", id="wrong path"),
        pytest.param(
            Reply({"error": {"message": "Unrecognized request argument supplied: top_p"}}, 400),
            "pass --drop top_p",
            id="refused parameter",
        ),
    ],
)
def test_fault_11_a_run_whose_first_calls_fail_alike_stops(measurement, reply, words):
    """
    And says what to do.
    """
    measurement.ask({f"q{n}": reply for n in range(60)})

    code, err = measurement.run("--concurrency", 4)

    assert len(measurement.upstream.requests) < 30
    assert words in sentence(code, err)


def refusing(*names):
    """A reply to each request: 400 if it has one of these parameters, as OpenAI words it."""

    def reply_to(request):
        found = [name for name in names if name in request]
        if not found:
            return GOOD
        message = f"Unsupported parameter: '{found[0]}' is not supported with this model."
        error = {"message": message, "param": found[0], "code": "unsupported_parameter"}
        return Reply({"error": error}, 400)

    return reply_to


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        pytest.param("o3", ("max_tokens", "temperature"), id="known by its name"),
        pytest.param("m", ("max_tokens",), id="learned"),
    ],
)
def test_fault_12_a_model_that_refuses_parameters_is_measured(measurement, model, refused):
    """
    With the other name of `max_tokens`, and without `temperature`.
    """
    measurement.ask({f"q{n}": refusing(*refused) for n in range(3)})

    code, err = measurement.run(models=model)

    assert code == 0, err
    assert {row["correct"] for row in measurement.outcomes().values()} == {1.0}


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"input": "free", "output": 1}, id="a text"),
        pytest.param({"input": -1, "output": 1}, id="below 0"),
        pytest.param(None, id="null"),
    ],
)
def test_fault_14_an_odd_entry_refuses_no_price_file(measurement, odd):
    """
    It is left out with a warning.
    """
    measurement.prices.write_text(json.dumps({"odd": odd, "m": PRICE}))

    code, err = measurement.run("--dry-run")

    assert code == 0, err
    assert "odd" in err


def test_fault_14_near_names_are_hinted(measurement):
    """
    Of a model without a price.
    """
    measurement.prices.write_text(json.dumps({"vendor/gemma-3-12b": PRICE}))

    assert "vendor/gemma-3-12b" in sentence(*measurement.run(models="gemma-3-12b"))


@pytest.mark.parametrize("file", ["questions", "prices", "pool"])
def test_fault_15_a_byte_order_mark_is_no_part_of_a_file(measurement, file):
    """
    Windows' editors write it.
    """
    measurement.pool = measurement.folder / "pool.txt"
    measurement.pool.write_text("m\n")
    path = getattr(measurement, file)
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())

    code, err = measurement.run("--pool", measurement.pool, models=None)

    assert code == 0, err
    assert [row["model"] for row in measurement.journal()] == ["m"]


def test_fault_16_an_address_that_ends_in_an_endpoint_is_refused(measurement):
    """
    Before a call: every one would be a 404.
    """
    address = f"{measurement.upstream.base_url}/chat/completions"

    assert "/chat/completions" in sentence(*measurement.run("--base-url", address))
    assert measurement.upstream.requests == []


def test_fault_16_a_key_in_place_of_its_variable_is_not_shown(measurement):
    """
    The sentence would spread it.
    """
    assert KEY not in sentence(*measurement.run("--key-variable", KEY))


@pytest.mark.parametrize("file", ["questions", "prices", "plan"])
def test_fault_17_hostile_json_is_one_sentence(measurement, file):
    """
    Nested too deeply for the parser.
    """
    measurement.plan = measurement.folder / "plan.json"
    getattr(measurement, file).write_bytes(DEEP)
    flags = ("--plan", measurement.plan) if file == "plan" else ()

    said = sentence(*measurement.run(*flags, models=None if flags else "m"))

    assert str(getattr(measurement, file)) in said


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pa.array([[1]]), id="lists"),
        pytest.param(pa.array(["7"]), id="text"),
        pytest.param(pa.array([{"a": 1}]), id="objects"),
        pytest.param(pa.array([2**40]), id="more than a bank can store"),
    ],
)
def test_fault_17_a_column_of_another_type_is_one_sentence(measurement, scope, column):
    """
    As another program may have written it.
    """
    outcomes = measurement.folder / "o.parquet"
    columns = {"question_id": ["good"], "model": ["m"], "correct": [1.0], "completion_tokens": [1]}
    pq.write_table(pa.table(columns | {"prompt_tokens": column}), outcomes)
    given = ("--questions", measurement.questions, "--outcomes", outcomes)

    code, _, err = scope(
        *("bank", "build", *given, "--prices", measurement.prices),
        *("--output", measurement.folder / "bank"),
    )

    assert "prompt_tokens" in sentence(code, err)
