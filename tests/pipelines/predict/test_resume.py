"""Runs that are killed, and finished by the next one."""

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
    """Kill a run once it has finished some more shards; return how many there are then."""
    enough = n_finished(output) + n_shards
    with running(command(inputs, output)) as run:
        wait_until(lambda: n_finished(output) >= enough or run.poll() is not None)
    return n_finished(output)


def test_a_run_killed_five_times_ends_as_if_it_had_not_been(inputs, undisturbed, tmp_path):
    """
    Each run goes on where the last was killed; in the end every byte is the same.
    """
    rng, counts = random.Random(0), []

    for _ in range(5):
        counts.append(kill_after(inputs, tmp_path / "killed", rng.randint(1, 3)))
    finish(inputs, tmp_path / "killed")

    assert counts == sorted(counts)
    assert 5 <= counts[-1] < N_SHARDS
    assert content(tmp_path / "killed") == undisturbed
