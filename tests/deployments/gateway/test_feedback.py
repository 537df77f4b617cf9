"""Scores of decisions, as clients send them."""

import json
import re
from hashlib import sha256

import pytest

from deployments.gateway.feedback import Feedback
from tests.deployments.local import Site

UNKNOWN = f"dec_{0:032x}"
KEYS = {
    "keys": [
        {"name": name, "sha256": sha256(f"key of {name}".encode()).hexdigest()}
        for name in ("ann", "bob")
    ]
}


def by(name):
    """The header of this client."""
    return {"authorization": f"Bearer key of {name}"}


def decide(client, headers=None):
    """A decision of the Router, as JSON."""
    return client.post("/v1/route", json={"prompt": "a sum"}, headers=headers).json()


def score(client, decision_id, value, headers=None):
    body = {"decision_id": decision_id, "score": value}
    return client.post("/v1/feedback", json=body, headers=headers)


def test_a_score_is_confirmed_with_what_was_predicted(local):
    """
    The client sees the model that it scores, and the probability that is compared with the score.
    """
    with local.open(policy={"min_quality": 0.6}) as client:
        decision = decide(client)
        got = score(client, decision["id"], 1)

    (chosen,) = (c for c in decision["candidates"] if c["model"] == decision["model"])
    assert got.status_code == 200
    assert got.json() == {
        "decision_id": decision["id"],
        "model": decision["model"],
        "p_correct": pytest.approx(chosen["p_correct"]),
        "score": 1.0,
        "counted": True,
    }


def test_the_first_score_counts(local, tmp_path):
    """
    The same score again is accepted, as of a client that retries, and is not counted; another
    one is refused, because a counter cannot go back.
    """
    with local.open(decisions={"folder": str(tmp_path / "log")}) as client:
        decision = decide(client)
        answers = [score(client, decision["id"], value) for value in (0.5, 0.5, 1.0)]

    assert [answer.status_code for answer in answers] == [200, 200, 409]
    assert [answer.json()["counted"] for answer in answers[:2]] == [True, False]
    assert "has the score 0.5 already, got 1" in answers[2].json()["error"]["message"]
    (file,) = (tmp_path / "log").glob("feedback-local.*.jsonl")
    (line,) = map(json.loads, file.read_text().splitlines())
    assert line["kind"] == "feedback"
    assert (line["id"], line["score"], line["key"]) == (decision["id"], 0.5, "anyone")
    assert line["model"] == decision["model"]


@pytest.mark.parametrize(
    ("label", "value"),
    [("good", 1), ("bad", 0), ("correct", 1), ("incorrect", 0), ("thumbs_up", 1)],
)
def test_a_label_stands_for_a_score(local, label, value):
    """
    The same decision scored by the number is the same score again; the opposite is a conflict.
    """
    with local.open() as client:
        body = {"decision_id": decide(client)["id"]}
        first = client.post("/v1/feedback", json={**body, "label": label})
        same = score(client, body["decision_id"], value)
        other = client.post("/v1/feedback", json={**body, "score": 1 - value})

    assert (first.json()["score"], first.json()["counted"]) == (value, True)
    assert (same.status_code, same.json()["counted"]) == (200, False)
    assert other.status_code == 409


def test_the_header_of_the_response_names_the_decision(local):
    """
    A proxy can send it back as it came; two decisions in one request are a mistake.
    """
    with local.open() as client:
        decision = decide(client)
        header = {"x-scope-decision-id": decision["id"]}
        got = client.post("/v1/feedback", json={"score": 1}, headers=header)
        two = score(client, UNKNOWN, 1, header)

    assert got.json()["decision_id"] == decision["id"]
    assert two.status_code == 400
    assert "the body and the header x-scope-decision-id name two" in two.json()["error"]["message"]


@pytest.mark.parametrize("prompts", [True, False])
def test_a_comment_is_kept_where_prompts_are(local, tmp_path, prompts):
    """
    It may quote the answer; the label is kept in any case.
    """
    with local.open(decisions={"folder": str(tmp_path), "prompts": prompts}) as client:
        body = {"decision_id": decide(client)["id"], "label": "bad", "comment": "Berne, not Bern"}
        client.post("/v1/feedback", json=body)

    (file,) = tmp_path.glob("feedback-local.*.jsonl")
    line = json.loads(file.read_text())
    assert (line["score"], line["label"]) == (0, "bad")
    assert line.get("comment") == ("Berne, not Bern" if prompts else None)


def test_only_the_key_that_asked_may_score(local):
    """
    For any other key the decision does not exist: ids of other clients reveal nothing.
    """
    with local.open(access=KEYS) as client:
        decision = decide(client, by("ann"))
        foreign = score(client, decision["id"], 1, by("bob"))
        unknown = score(client, UNKNOWN, 1, by("bob"))
        own = score(client, decision["id"], 1, by("ann"))
        nameless = score(client, decision["id"], 1)

    assert [foreign.status_code, unknown.status_code, own.status_code] == [404, 404, 200]
    message = unknown.json()["error"]["message"]
    assert foreign.json()["error"]["message"].replace(decision["id"], UNKNOWN) == message
    assert nameless.status_code == 401


def test_the_replica_that_decided_counts(local, tmp_path_factory):
    """
    A client may reach any Router: one that does not know the decision asks all of them.
    """
    other = Site(tmp_path_factory.mktemp("other"))
    local.peers.answer = lambda feedback: [None, other.router.feedback.record(feedback)]
    with other.open() as client, local.open() as here:
        decision = decide(client)
        answers = [score(here, decision["id"], 1), score(client, decision["id"], 1)]

    assert [answer.json()["counted"] for answer in answers] == [True, False]
    assert local.peers.calls == [Feedback("anyone", decision["id"], 1.0)]
    assert other.peers.calls == []


@pytest.mark.parametrize("way", ["all", "one"])
def test_a_replica_that_does_not_answer_is_no_404(local, way):
    """
    It may be the one that knows the decision: the client is told to send the score again.
    """
    if way == "all":
        local.peers.failing = ("router", "late")
    local.peers.answer = lambda _: [None, TimeoutError()]
    with local.open() as client:
        got = score(client, UNKNOWN, 1)

    assert got.status_code == 503
    assert got.headers["retry-after"] == "1"
    assert "send the same score again" in got.json()["error"]["message"]


def test_an_answer_is_scored_with_the_model_that_gave_it(local, upstream):
    """
    Not the first choice, which failed; and its own predicted probability.
    """
    upstream.behave({"small": {"way": "status", "status": 500}})
    settings = {"base_url": upstream.base_url, "timeout_s": 5.0}
    body = {"model": "auto", "messages": [{"role": "user", "content": "a sum"}]}
    with local.open(
        policy={"min_quality": 0.6}, upstreams={"small": settings, "large": settings}
    ) as client:
        answer = client.post("/v1/chat/completions", json=body)
        got = score(client, answer.headers["x-scope-decision-id"], 0)

    assert got.json()["model"] == "large"
    assert got.json()["p_correct"] == pytest.approx(
        float(answer.headers["x-scope-p-correct"]), rel=1e-5
    )


def test_a_model_that_the_client_named_has_no_probability(local, upstream):
    """
    Nothing was predicted, which is null and not 0.
    """
    upstream.behave({})
    body = {"model": "large", "messages": [{"role": "user", "content": "a sum"}]}
    with local.open(upstreams={"large": {"base_url": upstream.base_url}}) as client:
        answer = client.post("/v1/chat/completions", json=body)
        got = score(client, answer.headers["x-scope-decision-id"], 1)

    assert (got.json()["model"], got.json()["p_correct"]) == ("large", None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"score": 1}, "decision_id: missing.* or the header", id="no id"),
        pytest.param({"decision_id": UNKNOWN}, "exactly one of score .* and label", id="no score"),
        pytest.param(
            {"decision_id": UNKNOWN, "score": 1, "label": "good"},
            "exactly one of score .* and label",
            id="both",
        ),
        pytest.param(
            {"decision_id": UNKNOWN, "label": "great"},
            "label: expected 'good', 'bad', .*, got 'great'",
            id="no such label",
        ),
        pytest.param(
            {"decision_id": UNKNOWN, "score": 1, "comment": "a" * 2_001},
            "comment: expected at most 2000 characters, got text of length 2001",
            id="long comment",
        ),
        pytest.param(
            {"decision_id": "x", "score": 1},
            "decision_id: .* of the form",
            id="no such id",
        ),
        pytest.param({"decision_id": UNKNOWN, "score": 1.5}, "score: .*, got 1.5", id="too high"),
        pytest.param({"decision_id": UNKNOWN, "score": -1}, "score: .*, got -1", id="too low"),
        pytest.param(
            {"decision_id": UNKNOWN, "score": True},
            "score: .* number, got true",
            id="no number",
        ),
        pytest.param(
            {"decision_id": UNKNOWN, "score": 1, "x": 1},
            "x: unknown field",
            id="typo",
        ),
    ],
)
def test_a_wrong_body_is_named(local, body, message):
    """
    Field, value and what is allowed.
    """
    with local.open() as client:
        got = client.post("/v1/feedback", json=body)

    assert got.status_code == 400
    assert re.search(message, got.json()["error"]["message"])
