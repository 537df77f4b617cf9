import os
import sys
import tempfile
from unittest import mock

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

# A slow machine is no failure; in CI a run is the same every time, elsewhere it looks for news.
settings.register_profile("here", deadline=None, max_examples=30)
settings.register_profile("ci", deadline=None, max_examples=30, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB
# As `scope serve` sets them; read by every process of Ray.
os.environ.setdefault("RAY_SERVE_USE_GRPC_BY_DEFAULT", "1")
os.environ.setdefault("RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP", "0")
os.environ.setdefault("RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH", str(64 * 2**20))
# Embeddings of a run before would hide that this one makes none, or others.
CACHE = tempfile.TemporaryDirectory(prefix="scope-cache-")
os.environ["SCOPE_CACHE"] = CACHE.name


@pytest.fixture(scope="session")
def cluster():
    """One local Ray for all tests of the ``ray`` tier; stopped when the session ends."""
    from pipelines.cluster.session import ray_session

    with ray_session():
        yield


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Folder of a tiny LLM with random weights, made once for all tests that load one."""
    from tests.factories.checkpoints import tiny_checkpoint

    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def one_thread():
    """No threads for matrices: on small ones they wait for each other longer than they work."""
    import scope.predictor.fit  # noqa: F401 (loads the libraries whose threads are limited)

    with threadpool_limits(1):
        yield


@pytest.fixture
def scope(monkeypatch, capsys):
    """Run ``scope ARGUMENTS`` as a user would; returns (exit code, stdout, stderr).

    What it sets in the environment of its process is gone for the next test.
    """

    from pipelines import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["scope", *map(str, arguments)])
        with mock.patch.dict(os.environ):
            try:
                cli.main()
                code = 0
            except SystemExit as stop:
                code = stop.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
