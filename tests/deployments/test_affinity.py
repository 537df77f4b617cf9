"""Sessions that hold although each Router remembers only its own."""

import json
from collections import defaultdict

import pytest

from tests.deployments.serving import fixed

pytestmark = pytest.mark.ray

SESSIONS, TURNS = 20, 4


def test_a_session_stays_on_its_model_with_two_routers(served, tmp_path):
    """
    Serve sends every turn to the Router that knows its session, by the header ``x-session-id``;
    the log of decisions shows that both take part, and that no session changes between them. A
    prompt without a session moves to another model as the dial is turned.
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
        headers = {} if session is None else {"x-session-id": f"session {session}"}
        alpha = 1.0 if turn == 0 else 0.2
        body = {"prompt": f"Question {turn}: what is 2 + {turn}?", "scope": {"alpha": alpha}}
        return served.http.post("/v1/route", json=body, headers=headers).json()

    alone = [ask(None, turn)["model"] for turn in range(TURNS)]
    told = {s: [ask(s, turn) for turn in range(TURNS)] for s in range(SESSIONS)}

    logged = defaultdict(set)
    for file in tmp_path.glob("decisions-*.jsonl"):
        ids = {json.loads(line)["id"] for line in file.read_text().splitlines()}
        for session, turns in told.items():
            if ids & {turn["id"] for turn in turns}:
                logged[session].add(file.name.partition(".")[0])
    assert alone[0] not in alone[1:]
    assert {(turn["model"], turn["kept"]) for turns in told.values() for turn in turns[1:]} == {
        (alone[0], True)
    }
    assert {len(routers) for routers in logged.values()} == {1}
    assert len(set.union(*logged.values())) == 2
