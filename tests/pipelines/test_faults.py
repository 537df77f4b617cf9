"""``scope predict`` while workers, nodes or the head of the cluster die."""

import json
import os
import signal

import pyarrow as pa
import pytest

from tests.pipelines.clusters import cluster_of
from tests.pipelines.runs import (
    N_SHARDS,
    check_error,
    command,
    content,
    ended,
    finish,
    n_finished,
    running,
    wait_for_shard,
    wait_until,
    workers,
)

pytestmark = [pytest.mark.slow, pytest.mark.ray]


def test_three_nodes_write_what_one_machine_writes(inputs, uninterrupted, tmp_path):
    """
    Byte for byte, wherever a shard was predicted.
    """
    with cluster_of(2, 2, 2) as cluster:
        finish([*inputs, "--replicas", 3], tmp_path / "out", RAY_ADDRESS=cluster.address)

    assert content(tmp_path / "out") == uninterrupted


def test_a_killed_worker_loses_and_doubles_nothing(inputs, uninterrupted, tmp_path):
    """
    The worker that replaces it predicts its shards; all output stays JSON.
    """
    output = tmp_path / "out"
    with running([*command(inputs, output), "--json"]) as run:
        wait_for_shard(run, output)
        for pid in workers(run.pid, "ShardActor"):
            os.kill(pid, signal.SIGKILL)
        n_before = n_finished(output)
        code, out, err = ended(run)

    assert code == 0, err
    assert {json.loads(line)["event"] for line in err.splitlines()} == {"progress", "stage"}
    assert n_before < N_SHARDS
    assert json.loads(out)["n_questions"] == 12_000
    assert content(output) == uninterrupted


def test_a_worker_that_always_dies_ends_the_run(inputs, tmp_path):
    """
    Restarts are limited: a question that kills its worker is not retried for ever.
    """
    output, killed = tmp_path / "out", set()
    with running(command(inputs, output)) as run:
        wait_for_shard(run, output)

        def kill_all():
            for pid in {*workers(run.pid, "ShardActor")} - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            return run.poll() is not None

        wait_until(kill_all)
        code, _, err = ended(run)

    assert code == 2
    assert 2 <= len(killed) <= 10
    check_error(err, "Ray could not finish the work", "run the same command again")
    assert 0 < n_finished(output) < N_SHARDS


@pytest.mark.parametrize("graceful", [True, False], ids=["graceful", "crashed"])
def test_a_removed_node_loses_and_doubles_nothing(inputs, uninterrupted, tmp_path, graceful):
    """
    The work of its workers and its blocks are recomputed on other nodes.
    """
    output = tmp_path / "out"
    with (
        cluster_of(0, 2, 2) as cluster,
        running(command(inputs, output), RAY_ADDRESS=cluster.address) as run,
    ):
        wait_for_shard(run, output)
        cluster.remove_node(cluster.node_with("ShardActor"), graceful=graceful)
        n_before = n_finished(output)
        code, _, err = ended(run)

    assert code == 0, err
    assert n_before < N_SHARDS
    assert content(output) == uninterrupted


@pytest.mark.parametrize("service", ["gcs_server", "raylet"])
def test_a_lost_head_ends_the_run_with_an_error(inputs, uninterrupted, tmp_path, service):
    """
    Within a minute; the next run continues with the finished shards.
    """
    output = tmp_path / "out"
    with (
        cluster_of(2, 2, 2) as cluster,
        running(command(inputs, output), RAY_ADDRESS=cluster.address) as run,
    ):
        wait_for_shard(run, output)
        os.kill(cluster.pids[0][service], signal.SIGKILL)
        wait_until(lambda: run.poll() is not None, timeout_s=60)
        code, _, err = ended(run)

    assert code == 2, err
    check_error(err, "run the same command again")
    assert 0 < n_finished(output) < N_SHARDS
    finish(inputs, output)
    assert content(output) == uninterrupted


def cached_keys(cache):
    """The keys in a cache, shard by shard."""
    return [pa.ipc.open_file(path).read_all()["key"].to_pylist() for path in shards(cache)]


def shards(cache):
    return sorted(cache.glob("*/[!.]*.arrow"))


def test_a_killed_encoder_loses_and_doubles_nothing(texts, tmp_path):
    """
    Every text is embedded once, in the blocks of an uninterrupted run, with the same bits.
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
    keys = [key for shard in cached_keys(cache) for key in shard]
    assert len(keys) == len({*keys}) == 768
    assert content(output) == content(tmp_path / "whole")
