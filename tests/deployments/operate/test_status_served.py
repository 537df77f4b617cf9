"""``scope status`` of a real Serve whose clients need a key."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from scope import EMBEDDED_BANK
from scope.bank import load_bank
from tests.deployments.operate.served_config import ROOT, serving_config

pytestmark = [pytest.mark.ray, pytest.mark.slow]

KEY = "sk-of-a-test"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    access = {"keys": [{"name": "test", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}]}
    with serving_config(tmp_path_factory.mktemp("keyed"), access=access) as served:
        yield served


def test_status_shows_deployments_traffic_and_versions(keyed):
    """
    Three decisions were made, one client had no key. The bank is the embedded one.
    """
    headers = {"Authorization": f"Bearer {KEY}"}
    httpx.post(f"{keyed.url}/v1/route", json={"prompt": "2+2?"})
    for n in range(3):
        httpx.post(f"{keyed.url}/v1/route", json={"prompt": f"{n}+2?"}, headers=headers, timeout=30)

    for _ in range(4):  # a counter is unknown until its replica has exported it, every 10 s
        done = keyed.run(
            "status", "--json", "--key-variable", "SCOPE_TEST_KEY", environ={"SCOPE_TEST_KEY": KEY}
        )
        assert done.returncode == 0, done.stderr
        status = json.loads(done.stdout)
        if status["traffic"]["n_decisions"] is not None:
            break

    rows = {row["name"]: row for row in status["deployments"]}
    assert {name: row["replicas_running"] for name, row in rows.items()} == {
        "Router": 1,
        "Embedder": 2,
        "Predictor": 1,
    }
    assert status["healthy"]
    assert status["application"]["state"] == "RUNNING"
    assert status["ready"]["bank"] == load_bank(EMBEDDED_BANK).version
    assert len(status["models"]) == 18  # `auto` and 17 models
    (versions,) = status["versions"]["replicas"]
    assert versions["bank"] == status["ready"]["bank"]
    assert versions["policy"] == "alpha 0.6"
    assert status["findings"] == []
    assert status["traffic"]["n_decisions"] in (0, 3)  # exported before the interval, or in it
    assert KEY not in done.stdout + done.stderr


def test_status_without_a_key_shows_the_rest_and_why(keyed):
    """
    As text, once, since the output is no terminal. Gauges are still exported half a minute after
    they were set.
    """
    done = keyed.run("status")

    assert done.returncode == 0, done.stderr
    assert "scope RUNNING" in done.stdout
    assert "policy alpha 0.6" in done.stdout
    assert "not known: models: " in done.stdout
    assert "401; name the variable of an API key by --key-variable" in done.stdout


def test_a_wrong_token_is_a_sentence(keyed):
    """
    The exit code is 2.
    """
    done = keyed.run("status", environ={"RAY_AUTH_TOKEN": "wrong", "RAY_AUTH_MODE": "token"})

    assert done.returncode == 2
    assert "refuses the token (403)" in done.stderr


def test_the_documented_deployment_beside_it_works(keyed):
    """
    Ray asks for its token, which Serve's own command sends only in the mode that we document.
    """
    documented = "RAY_AUTH_MODE=token serve deploy serve_config.yaml"
    assert documented in (ROOT / "docs" / "online.md").read_text(encoding="utf-8")
    folder = Path(sys.executable).parent

    done = subprocess.run(
        ["sh", "-c", f"{documented} --address {keyed.dashboard}"],
        cwd=keyed.config.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert "deploy request successfully" in done.stderr + done.stdout
