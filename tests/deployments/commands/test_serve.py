"""``scope serve``, in this process and as a user starts it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from deployments.commands.serve import default_config

ROOT = Path(__file__).parents[3]
READY_S, STOP_S = 120.0, 60.0
MARK = "SCOPE_TEST_SERVE"
"""Variable by which a test finds the processes that it started, directly or not."""


@pytest.fixture
def wrong_config(tmp_path):
    """A configuration with a key that the Router does not know."""
    text = default_config().read_text()
    path = tmp_path / "serve_config.yaml"
    path.write_text(text.replace("policy: {alpha", "typo: 1\n          policy: {alpha", 1))
    return path


def test_serving_a_wrong_configuration_ends_with_one_sentence(scope, wrong_config):
    """
    The exit code is 2, and nothing starts.
    """
    code, out, err = scope("serve", "--config", wrong_config)

    assert (code, out) == (2, "")
    assert "typo" in err
    assert err.count("\n") == 1


def test_serve_rejects_a_public_address_without_api_keys(scope):
    """
    The check applies to the address of ``--host``, too.
    """
    code, _, err = scope("serve", "--host", "0.0.0.0")

    assert code == 2
    assert "0.0.0.0 can be reached from other machines" in err


def processes(mark):
    """Return the ids of running processes that inherited `mark` in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # it has ended, or belongs to another user
            continue
        if f"{MARK}={mark}".encode() in environment and state != "Z":
            found.append(int(entry.name))
    return found


def until(condition, what, timeout_s):
    """Wait for a condition."""
    ends_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_at, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.2)


@pytest.fixture
def serving(tmp_path):
    """Start ``scope serve`` in an empty folder; yields (process, URL, mark, log file)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder, log, mark = tmp_path / "empty", tmp_path / "log", f"{os.getpid()}-{port}"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), MARK: mark}
    command = [sys.executable, "-m", "pipelines.cli", "serve", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process, f"http://127.0.0.1:{port}", mark, log
    finally:
        for pid in processes(mark):
            with contextlib.suppress(ProcessLookupError):  # it ends with its parent
                os.kill(pid, signal.SIGKILL)
        process.wait(STOP_S)


def until_ready(process, url, log):
    """Wait until the endpoint is ready."""

    def ready():
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}/ready").status_code == 200
        except httpx.HTTPError:
            return False

    until(ready, f"ready; {log}", READY_S)


@pytest.mark.ray
@pytest.mark.slow
def test_a_file_is_deployed_beside_by_the_command_that_serve_names(serving, tmp_path):
    """
    Ray asks for its token; the policy of the new file is in force.
    """
    process, url, _, log = serving
    until_ready(process, url, log)
    (line,) = [line for line in log.read_text().splitlines() if " serve deploy " in line]
    variable, program, *arguments = line.split()
    changed = tmp_path / "serve_config.yaml"
    text = default_config().read_text().replace("alpha: 0.6", "alpha: 0.7")
    changed.write_text(text.replace("port: 8000", f"port: {url.rpartition(':')[2]}"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **dict([variable.split("=")])}
    command = [Path(sys.executable).with_name(program), *arguments[:-1], changed]

    done = subprocess.run(command, env=environment, capture_output=True, timeout=STOP_S)

    assert arguments[-1] == str(default_config())
    assert done.returncode == 0, done.stderr

    def alpha():
        decision = httpx.post(f"{url}/v1/route", json={"prompt": "2+2?"}, timeout=30).json()
        return decision["settings"]["alpha"]

    until(lambda: alpha() == 0.7, "the new policy is in force", STOP_S)


@pytest.mark.ray
@pytest.mark.parametrize(
    "stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_serve_answers_until_a_signal_and_leaves_no_process(serving, stop):
    """
    It needs no checkout, exits with 0, and shuts Ray down.
    """
    process, url, mark, log = serving
    until_ready(process, url, log)

    answer = httpx.post(f"{url}/v1/route", json={"prompt": "2+2?"}, timeout=30)
    process.send_signal(stop)
    code = process.wait(STOP_S)

    assert answer.status_code == 200
    assert answer.json()["source"] == "anchors"
    assert code == 0, log.read_text()
    assert f"curl -s {url}/v1/route" in log.read_text()
    assert "Traceback" not in log.read_text()
    until(lambda: not processes(mark), "no process is left", STOP_S)
