"""Runs that are killed, and finished by the next one."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

from pipelines.predict import UNFINISHED
from scope import save_bank
from tests.banks import bank_of, rows_of, unit

pytestmark = [pytest.mark.slow]

N_ANCHORS, N_QUESTIONS = 400, 12_000
TIMEOUT_S = 180


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A bank of random outcomes, and 12,000 questions whose vectors are known: 24 shards."""
    folder, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(0)
    n = N_ANCHORS + N_QUESTIONS
    whole = bank_of(rng.random((n, 2)) < 0.6, embedding=unit(rng.standard_normal((n, 64))))
    for name, rows in (("bank", slice(0, N_ANCHORS)), ("questions", slice(N_ANCHORS, n))):
        save_bank(rows_of(whole, rows), folder / name, created_at="2026-01-01", sources=())
    return ["--bank", folder / "bank", "--query-file", folder / "questions"]


def started(inputs, output):
    """Start ``scope predict`` as a user does, in a session of its own."""
    command = [sys.executable, "-m", "pipelines.cli", "predict", *inputs, "--output", output]
    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(inputs, output):
    run = started(inputs, output)
    _, err = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, err.decode()


def n_finished(output):
    return len(list((output / UNFINISHED).glob("shard-*.json")))


def kill_after(inputs, output, n_shards):
    """Kill a run once it has finished some more shards; return how many there are then."""
    run, enough = started(inputs, output), n_finished(output) + n_shards
    deadline = time.monotonic() + TIMEOUT_S
    while n_finished(output) < enough and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    run.kill()
    run.communicate(timeout=TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    return n_finished(output)


def content(output):
    """The bytes of every file of a run, by name."""
    files = [path for path in output.rglob("*") if path.is_file()]
    return {str(path.relative_to(output)): path.read_bytes() for path in files}


def test_a_run_killed_five_times_ends_as_if_it_had_not_been(inputs, tmp_path):
    """
    Each run goes on where the last was killed; in the end every byte is the same.
    """
    finish(inputs, tmp_path / "undisturbed")
    rng, counts = random.Random(0), []

    for _ in range(5):
        counts.append(kill_after(inputs, tmp_path / "killed", rng.randint(1, 3)))
    finish(inputs, tmp_path / "killed")

    assert counts == sorted(counts)
    assert 5 <= counts[-1] < 24
    assert content(tmp_path / "killed") == content(tmp_path / "undisturbed")
