"""Replies in the wild: one is a failed or a read call, and never the end of a run."""

import json
import re

import pyarrow.parquet as pq
import pytest

from pipelines.measure import EarlierResults
from scope.errors import FormatError
from tests.pipelines.measure.replies import Reply, completion, replying

COUNTS = {"prompt_tokens": 20, "completion_tokens": 10}


def deep(n):
    return b"[" * n + b"]" * n


def part(text):
    return {"type": "text", "text": text}


READ = {
    "parts": completion([part("The answer "), part("is (A).")]),
    "thoughts and parts": completion(
        [{"type": "thinking", "thinking": [part("B?")]}, part("The answer is (A).")]
    ),
    "lone surrogate": completion("The answer is (A). \ud83d"),
    "usage is text": completion(usage="20"),
    "usage is a list": completion(usage=[20]),
    "counts are text": completion(usage={"prompt_tokens": "20", "completion_tokens": None}),
    "2**31 tokens": completion(usage={**COUNTS, "completion_tokens": 2**31}),
    "2**80 tokens": completion(usage={**COUNTS, "prompt_tokens": 2**80}),
    "-1 tokens": completion(usage={**COUNTS, "prompt_tokens": -1}),
    "1e400 tokens": json.dumps(completion()).replace("20", "1e400").encode(),
    "NaN tokens": json.dumps(completion()).replace("20", "NaN").encode(),
    "tokens of 300 digits": json.dumps(completion()).replace("20", "2" * 300).encode(),
}
FAILED = {
    "deeper than the parser": Reply(deep(100_000)),
    "deeper than a dump": Reply(b'{"error": {"message": "x", "at": ' + deep(900) + b"}}"),
    "deep error": Reply(b'{"error": {"message": ' + deep(980) + b"}}", 400),
    "deep content": Reply(b'{"choices": [{"message": {"content": ' + deep(900) + b"}}]}"),
    "tokens of 5,000 digits": Reply(json.dumps(completion()).replace("20", "2" * 5_000).encode()),
    "content is a number": Reply(completion(7)),
    "content is an object": Reply(completion({"a": 1})),
    "parts without text": Reply(completion([{"type": "image_url"}])),
    "part with a number": Reply(completion([part(3)])),
    "choices are null": Reply(completion(choices=None)),
    "a choice is null": Reply(completion(choices=[None])),
    "null": Reply(b"null"),
    "nothing": Reply(b""),
    "no UTF-8": Reply(b"\xff\xfe\x00"),
    "surrogate in an error": Reply(b'{"error": {"message": "\\ud800"}}', 400),
    "not compressed": Reply(completion(), content_encoding="gzip"),
    "charset that is no text": Reply(b"x", 400, content_type="text/plain; charset=hex"),
    "charset that always fails": Reply(b"x", 400, content_type="text/plain; charset=undefined"),
    "bytes after the end": Reply(completion(), 204),
}


@pytest.fixture
def measured(scope, tmp_path, monkeypatch):
    """Measure one question for each reply; returns (code, standard error, outcomes, journal)."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "key")
    replies = {}

    def reply_to(request):
        reply = replies[request["messages"][0]["content"].split("\n")[0]]
        return reply(request) if callable(reply) else reply

    def run(given, *flags, models="m"):
        replies.update(given)
        rows = [{"id": name, "prompt": f"{name}\nA. x\nB. y", "gt": "A"} for name in given]
        (tmp_path / "q.json").write_text(json.dumps(rows))
        price = {"input": 1.0, "output": 2.0}
        (tmp_path / "p.json").write_text(json.dumps({"m": price, "o3": price}))
        paths = {"--questions": "q.json", "--prices": "p.json", "--output": "out"}
        named = [text for flag, name in paths.items() for text in (flag, str(tmp_path / name))]
        n_before = len(upstream.requests)
        code, _, err = scope(
            *("measure", *named, "--models", models, "--base-url", upstream.base_url),
            *("--attempts", "1", "--timeout", "10", *flags),
        )
        journal = map(json.loads, (tmp_path / "out" / "journal.jsonl").read_text().splitlines())
        outcomes = pq.read_table(tmp_path / "out" / "outcomes.parquet").to_pylist()
        found = {row["question_id"]: row for row in outcomes}
        return code, err, found, list(journal), upstream.requests[n_before:]

    with replying(reply_to) as upstream:
        yield run


def test_what_can_be_read_is_graded(measured):
    """
    A list of parts is its text; a count that cannot be one is unknown, and the answer counts.
    """
    code, _, found, journal, _ = measured({name: Reply(body) for name, body in READ.items()})

    assert code == 0
    assert {row["correct"] for row in found.values()} == {1.0}
    assert set(found) == set(READ)
    assert found["2**80 tokens"]["prompt_tokens"] is None
    assert found["parts"]["prompt_tokens"] == 20
    in_doubt = {row["question_id"] for row in journal if row["possibly_billed_usd"]}
    assert in_doubt == {name for name in READ if "tokens" in name or "usage" in name} | {
        "counts are text"
    }


def test_what_cannot_be_read_has_failed_and_the_run_goes_on(measured):
    """
    The last question is answered, and the outcomes are written.
    """
    code, err, found, journal, _ = measured({**FAILED, "last": Reply(completion())})

    assert (code, set(found)) == (1, {"last"})
    assert {row["question_id"] for row in journal if "error" in row} == set(FAILED)
    assert "Traceback" not in err


@pytest.mark.parametrize("flags", [(), ("--keep-answers",)])
def test_a_majority_of_hostile_answers_is_drawn(measured, flags):
    """
    Votes are digests of texts that UTF-8 can encode.
    """
    code, _, found, _, _ = measured(
        {"lone": Reply(completion("\ud83d")), "count": Reply(READ["2**31 tokens"])},
        *("--grader", "exact", "--temperature", "1", *flags),
        models="m@3",
    )

    assert code == 0
    assert found["lone"]["correct"] == 0
    assert found["count"]["completion_tokens"] is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param({"prompt_tokens": 2**80}, "prompt_tokens: ", id="absurd count"),
        pytest.param({"completion_tokens": "7"}, "completion_tokens: ", id="count is text"),
        pytest.param({"correct": 7}, "correct: ", id="grade"),
        pytest.param({"usd": -1.0}, "usd: ", id="negative cost"),
        pytest.param({"model": ["m"]}, "model: ", id="model is a list"),
        pytest.param({"what": 1}, "what: ", id="unknown field"),
        pytest.param("x", "Input should be an object", id="no object"),
    ],
)
def test_a_journal_of_another_form_is_one_sentence(tmp_path, line, message):
    """
    With file, line and field; what a run writes is never refused.
    """
    good = {"question_id": "a", "model": "m", "digest": "0"}
    text = json.dumps({**good, **line} if isinstance(line, dict) else line)
    (tmp_path / "journal.jsonl").write_text(json.dumps(good) + "\n" + text + "\n")

    with pytest.raises(FormatError, match=rf"line 2 is not a result: {message}"):
        EarlierResults.read(tmp_path)


def refusing(*names, words="Unsupported parameter: '{}' is not supported with this model."):
    """A reply to each request: 400 if it has one of these parameters, as OpenAI words it."""

    def reply_to(request):
        found = [name for name in names if name in request]
        if not found:
            return Reply(completion())
        error = {
            "message": words.format(found[0]),
            "param": found[0],
            "code": "unsupported_parameter",
        }
        return Reply({"error": error}, 400)

    return reply_to


MANY = [f"q{n}" for n in range(60)]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        pytest.param(Reply(b"Not Found", 404), "http 404: Not Found; check --base-url", id="path"),
        pytest.param(refusing("temperature"), "pass --drop temperature, or --ren", id="parameter"),
        pytest.param(Reply(b"<html>"), "garbage: .*; run the same command", id="garbage"),
    ],
)
def test_a_run_whose_first_calls_fail_alike_stops(measured, reply, message):
    """
    Exit code 2 and one sentence; the calls that were made are recorded.
    """
    code, err, found, journal, requests = measured(dict.fromkeys(MANY, reply), "--concurrency", "4")

    assert (code, found) == (2, {})
    assert 20 <= len(journal) <= len(requests) <= 24
    (sentence,) = [line for line in err.splitlines() if line.startswith("scope: ")]
    assert "the first 20 calls all failed alike, so the others were not made" in sentence
    assert re.search(message, sentence)


def test_a_run_with_any_answer_does_not_stop(measured):
    """
    Nor does the next one, which calls only what failed.
    """
    replies = {**dict.fromkeys(MANY, Reply(b"x", 400)), "q0": Reply(completion())}

    first = measured(replies, "--concurrency", "1")
    second = measured(replies, "--concurrency", "1")

    assert [first[0], second[0]] == [1, 1]
    assert [len(first[4]), len(second[4])] == [60, 59]


def test_a_failure_about_the_question_stops_no_run(measured):
    """
    The other prompts may be short.
    """
    body = {"error": {"message": "x", "code": "context_length_exceeded"}}

    code, _, _, _, requests = measured(dict.fromkeys(MANY, Reply(body, 400)))

    assert (code, len(requests)) == (1, 60)


def test_a_reasoning_model_is_measured(measured):
    """
    What OpenAI's o-models refuse is known by their name.
    """
    reply = refusing("max_tokens", "temperature")
    code, _, found, _, requests = measured({"a": reply}, models="o3")

    assert (code, found["a"]["correct"]) == (0, 1.0)
    assert requests[0]["max_completion_tokens"] == 4096


def test_the_other_name_of_a_parameter_is_learned(measured):
    """
    From the first refusal; later calls are not refused.
    """
    code, _, found, journal, requests = measured(
        dict.fromkeys(MANY[:4], refusing("max_tokens")), "--concurrency", "1"
    )

    assert (code, len(found)) == (0, 4)
    assert ["max_tokens" in request for request in requests] == [True] + 4 * [False]
    assert [row["attempts"] for row in journal] == [2, 1, 1, 1]


def test_parameters_are_dropped_renamed_and_set(measured, tmp_path):
    """
    By flags, which are settings of the folder: an answer depends on them.
    """
    flags = ("--drop", "temperature", "--rename", "max_tokens=num_predict")
    flags += ("--default", "top_k=5", "--default", "mode=fast")

    code, _, _, _, requests = measured({"a": Reply(completion())}, *flags)

    sent = {name: value for name, value in requests[0].items() if name not in ("messages", "model")}
    assert (code, sent) == (0, {"num_predict": 4096, "top_k": 5, "mode": "fast"})
    code, err, _, _, _ = measured({"a": Reply(completion())})
    assert code == 2
    assert "drop was ['temperature'], is None" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--rename", "max_tokens"), "--rename is 'max_tokens'; expected NAME=OTHER"),
        (("--default", "=3"), "--default is '=3'; expected NAME=VALUE"),
        (("--default", "a=" + "[" * 100_000), "--default is nested too deeply"),
        (("--drop", "messages"), "--drop names 'messages', which every request has"),
    ],
)
def test_a_wrong_flag_is_one_sentence(scope, tmp_path, flags, message):
    """
    Before anything is read.
    """
    code, _, err = scope(
        *("measure", "--questions", "q.json", "--output", tmp_path / "out", *flags)
    )

    assert code == 2
    assert message in err
