import os
import subprocess
import sys

from deployments.profiling.process_cpu import (
    OTHER,
    PROXY,
    cpu_seconds,
    descendants,
    group_of,
    tree_of,
)


def test_processes_are_grouped_by_the_titles_that_ray_gives_them():
    """
    Replicas by deployment, whatever they are doing.
    """
    assert group_of("ray::ServeReplica:scope:Predictor") == "Predictor"
    assert group_of("ray::ServeReplica:scope:Router.handle_request_from_java") == "Router"
    assert group_of("ray::ProxyActor.check_health") == PROXY
    assert group_of("ray::ServeController") == OTHER


def test_a_tree_holds_children_of_children_and_no_neighbour():
    """
    1 has 2, 2 has 3; 4 belongs to another.
    """
    assert tree_of(1, [(3, 2), (2, 1), (1, 0), (4, 0)]) == {1, 2, 3}


def test_the_cpu_time_of_a_child_is_counted():
    """
    A child that computes until it has taken a fifth of a second.
    """
    code = (
        "import time, sys\nwhile time.process_time() < 0.2: pass\nprint('!', flush=True)\ninput()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        child.stdout.read(1)
        seconds = cpu_seconds(child.pid)
        assert child.pid in descendants(os.getpid())
    finally:
        child.communicate(b"\n", timeout=10)

    assert set(seconds) == {OTHER}
    assert 0.15 <= seconds[OTHER] < 2
