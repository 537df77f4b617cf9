"""The head dies, its control store alone or whole, and comes back with its state in Redis."""

import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.deployments.nodes.head import free_port
from tests.deployments.serving import figures
from tests.pipelines.runs import ended, printed_json, running

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("redis-server") and shutil.which("redis-cli")),
        reason="redis-server is not installed: apt-get install redis-server",
    ),
]


@contextmanager
def redis(folder):
    """A Redis on a free port of this machine that keeps nothing on disk; yields its address."""
    port = free_port()
    options = f"--port {port} --bind 127.0.0.1 --appendonly no --dir {folder} --save".split()
    server = subprocess.Popen(["redis-server", *options, ""], stdout=subprocess.DEVNULL)
    try:
        ends_at = time.monotonic() + 20
        while subprocess.run(
            ["redis-cli", "-p", str(port), "ping"], capture_output=True
        ).returncode:
            assert time.monotonic() < ends_at, "Redis does not answer"
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(10)


@pytest.fixture(scope="module", params=["store", "node"])
def survived(request, tmp_path_factory):
    """What `head` has seen: of the death of the control store, and of the whole node."""
    with (
        redis(tmp_path_factory.mktemp("redis")) as address,
        running(
            [sys.executable, "-m", "tests.deployments.nodes.head", request.param],
            RAY_REDIS_ADDRESS=address,
            RAY_external_storage_namespace="scope",
        ) as run,
    ):
        code, out, err = ended(run)
    assert code == 0, err
    result = printed_json(out)
    figures.info("at the head %s, at the node %s", result["at_head"], result["at_node"])
    return result | {"what": request.param}


def test_requests_are_answered_while_the_head_is_away(survived):
    """
    The proxy of another node and the replicas talk to each other without it: all answers are 200,
    before, while it is away, and after. The head's own proxy goes on without the store, too, and
    is gone with its node: what sends requests must know a proxy of another node.
    """
    for counts in survived["at_node"].values():
        assert set(counts) == {"200", "longest_s"}
    assert survived["at_node"]["away"]["200"] > 20
    if survived["what"] == "store":
        assert set(survived["at_head"]["away"]) == {"200", "longest_s"}
    else:
        assert survived["at_head"]["away"]["ConnectError"] > 20
    assert survived["at_head"]["after"]["200"] > 20


def test_the_same_replicas_run_on(survived):
    """
    No process was replaced, and the application runs.
    """
    assert survived["after"]["status"] == "RUNNING"
    assert survived["after"]["replicas"] == survived["before"]["replicas"]


def test_the_configuration_is_still_there(survived):
    """
    `serve config` prints it, as before.
    """
    assert survived["after"]["config"] == survived["before"]["config"]


def test_sessions_are_kept(survived):
    """
    They are in the memory of the Routers: alpha 0.2 alone would choose another model.
    """
    (first, _), (model, sticky) = survived["turns"]

    assert (model, sticky) == (first, True)


def test_a_new_configuration_is_put_in_force(survived):
    """
    The controller starts replicas again: a second Embedder.
    """
    states = [
        (one["deployment"], one["state"])
        for one in survived["deployed"]["replicas"]
        if one["deployment"] == "Embedder"
    ]

    assert survived["deployed"]["status"] == "RUNNING"
    assert states == [("Embedder", "RUNNING")] * 2
