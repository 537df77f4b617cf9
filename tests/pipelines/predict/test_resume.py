"""Killed runs, which the next run finishes."""

import random

import pytest

from tests.pipelines.runs import (
    N_SHARDS,
    command,
    content,
    finish,
    n_finished,
    running,
    wait_until,
)

pytestmark = [pytest.mark.slow]


def kill_after(inputs, output, n_shards):
    """Kill a run after `n_shards` more shards; return the number of finished shards."""
    target = n_finished(output) + n_shards
    with running(command(inputs, output)) as run:
        wait_until(lambda: n_finished(output) >= target or run.poll() is not None)
    return n_finished(output)


def test_a_run_killed_five_times_writes_the_same_files(inputs, uninterrupted, tmp_path):
    """
    Each run continues with the shards of the last one.
    """
    rng, counts = random.Random(0), []

    for _ in range(5):
        counts.append(kill_after(inputs, tmp_path / "killed", rng.randint(1, 3)))
    finish(inputs, tmp_path / "killed")

    assert counts == sorted(counts)
    assert 5 <= counts[-1] < N_SHARDS
    assert content(tmp_path / "killed") == uninterrupted
