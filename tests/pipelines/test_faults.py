"""Workers, nodes and whole clusters that die under ``scope predict``."""

import json
import os
import signal

import pyarrow as pa
import pytest

from tests.pipelines.clusters import cluster_of
from tests.pipelines.runs import (
    N_SHARDS,
    check_sentence,
    command,
    content,
    ended,
    finish,
    in_the_middle,
    n_finished,
    running,
    wait_until,
    workers,
)

pytestmark = [pytest.mark.slow, pytest.mark.ray]


def test_three_nodes_write_what_one_machine_writes(inputs, undisturbed, tmp_path):
    """
    Byte for byte, wherever a shard was made.
    """
    with cluster_of(2, 2, 2) as cluster:
        finish([*inputs, "--replicas", 3], tmp_path / "out", RAY_ADDRESS=cluster.address)

    assert content(tmp_path / "out") == undisturbed


def test_a_killed_worker_loses_and_doubles_nothing(inputs, undisturbed, tmp_path):
    """
    Its shards are made by the one that replaces it; all that is printed stays JSON.
    """
    output = tmp_path / "out"
    with running([*command(inputs, output), "--json"]) as run:
        in_the_middle(run, output)
        for pid in workers(run.pid, "ShardActor"):
            os.kill(pid, signal.SIGKILL)
        n_before = n_finished(output)
        code, out, err = ended(run)

    assert code == 0, err
    assert {json.loads(line)["event"] for line in err.splitlines()} == {"progress", "stage"}
    assert n_before < N_SHARDS
    assert json.loads(out)["n_questions"] == 12_000
    assert content(output) == undisturbed


def test_a_worker_that_always_dies_ends_the_run(inputs, tmp_path):
    """
    Restarts are bounded: a question that kills its worker is not tried for ever.
    """
    output, killed = tmp_path / "out", set()
    with running(command(inputs, output)) as run:
        in_the_middle(run, output)

        def kill_all():
            for pid in {*workers(run.pid, "ShardActor")} - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            return run.poll() is not None

        wait_until(kill_all)
        code, _, err = ended(run)

    assert code == 2
    assert 2 <= len(killed) <= 10
    check_sentence(err, "Ray could not finish the work", "run the same command again")
    assert 0 < n_finished(output) < N_SHARDS


@pytest.mark.parametrize("graceful", [True, False], ids=["told to leave", "crashed"])
def test_a_node_that_goes_loses_and_doubles_nothing(inputs, undisturbed, tmp_path, graceful):
    """
    The work of its workers, and the blocks that lay there, are made again elsewhere.
    """
    output = tmp_path / "out"
    with (
        cluster_of(0, 2, 2) as cluster,
        running(command(inputs, output), RAY_ADDRESS=cluster.address) as run,
    ):
        in_the_middle(run, output)
        cluster.remove_node(cluster.node_with("ShardActor"), graceful=graceful)
        n_before = n_finished(output)
        code, _, err = ended(run)

    assert code == 0, err
    assert n_before < N_SHARDS
    assert content(output) == undisturbed


@pytest.mark.parametrize("service", ["gcs_server", "raylet"])
def test_a_lost_head_ends_the_run_in_a_sentence(inputs, undisturbed, tmp_path, service):
    """
    Within a minute, and the next run goes on with the shards there are.
    """
    output = tmp_path / "out"
    with (
        cluster_of(2, 2, 2) as cluster,
        running(command(inputs, output), RAY_ADDRESS=cluster.address) as run,
    ):
        in_the_middle(run, output)
        os.kill(cluster.pids[0][service], signal.SIGKILL)
        wait_until(lambda: run.poll() is not None, patience_s=60)
        code, _, err = ended(run)

    assert code == 2, err
    check_sentence(err, "run the same command again")
    assert 0 < n_finished(output) < N_SHARDS
    finish(inputs, output)
    assert content(output) == undisturbed


def kept(cache):
    """The keys in a cache, shard by shard."""
    return [pa.ipc.open_file(path).read_all()["key"].to_pylist() for path in shards(cache)]


def shards(cache):
    return sorted(cache.glob("*/[!.]*.arrow"))


def test_a_killed_encoder_loses_and_doubles_nothing(texts, tmp_path):
    """
    Every text is embedded once, in the blocks of an undisturbed run: the bits are the same.
    """
    finish(texts, tmp_path / "whole", SCOPE_CACHE=str(tmp_path / "whole cache"))
    output, cache = tmp_path / "killed", tmp_path / "killed cache"
    with running(command(texts, output), SCOPE_CACHE=str(cache)) as run:
        wait_until(lambda: shards(cache) or run.poll() is not None)
        for pid in workers(run.pid, "EncoderActor"):
            os.kill(pid, signal.SIGKILL)
        n_before = len(shards(cache))
        code, _, err = ended(run)

    assert code == 0, err
    assert 0 < n_before < 3
    keys = [key for shard in kept(cache) for key in shard]
    assert len(keys) == len({*keys}) == 768
    assert content(output) == content(tmp_path / "whole")
