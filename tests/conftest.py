import os
import sys

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def cluster():
    """One local Ray for all tests of the ``ray`` tier; stopped when the session ends."""
    from pipelines.session import ray_session

    with ray_session():
        yield


@pytest.fixture
def scope(monkeypatch, capsys):
    """Run ``scope ARGUMENTS`` as a user would; returns (exit code, stdout, stderr)."""

    from pipelines import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["scope", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
