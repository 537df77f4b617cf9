"""Sessions that hold although each Router remembers only its own."""

import json
from collections import defaultdict

import pytest

from tests.deployments.serving import fixed

pytestmark = pytest.mark.ray

SESSIONS, TURNS = 20, 4


@pytest.mark.parametrize("told_by", ["header", "body"])
def test_a_session_stays_on_its_model_with_two_routers(served, tmp_path, told_by):
    """
    Serve sends every turn to the Router that knows its session, by the header ``x-session-id``;
    the log of decisions shows that both take part, and that no session changes between them. With
    its id in the body alone it does, and whichever Router it meets finds it. A prompt without a
    session moves to another model when alpha changes.
    """
    served.deploy(
        Router=fixed(2)
        | {
            "user_config": {
                "sessions": {"margin": 1e9},
                "decisions": {"folder": str(tmp_path)},
            }
        }
    )
    served.until(lambda: served.replicas("Router") == 2, "there are two Routers")

    def ask(session, turn):
        scope, headers = {"alpha": 1.0 if turn == 0 else 0.2}, {}
        if session is not None and told_by == "header":
            headers["x-session-id"] = f"{told_by} {session}"
        elif session is not None:
            scope["session_id"] = f"{told_by} {session}"
        body = {"prompt": f"Question {turn}: what is 2 + {turn}?", "scope": scope}
        return served.http.post("/v1/route", json=body, headers=headers).json()

    alone = [ask(None, turn)["model"] for turn in range(TURNS)]
    rounds = [[ask(session, turn) for session in range(SESSIONS)] for turn in range(TURNS)]
    turns_of = dict(enumerate(zip(*rounds, strict=True)))

    logged = defaultdict(set)
    for file in tmp_path.glob("decisions-*.jsonl"):
        ids = {json.loads(line)["id"] for line in file.read_text().splitlines()}
        for session, turns in turns_of.items():
            if ids & {turn["id"] for turn in turns}:
                logged[session].add(file.name.partition(".")[0])
    assert alone[0] not in alone[1:]
    assert {
        (turn["model"], turn["sticky"]) for turns in turns_of.values() for turn in turns[1:]
    } == {(alone[0], True)}
    met = {len(routers) for routers in logged.values()}
    assert met == {1} if told_by == "header" else 2 in met
    assert len(set.union(*logged.values())) == 2
