import sys

import pytest

from pipelines import cli


@pytest.fixture
def scope(monkeypatch, capsys):
    """Run ``scope ARGUMENTS`` as a user would; returns (exit code, stdout, stderr)."""

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
