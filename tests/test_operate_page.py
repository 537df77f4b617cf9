"""The commands of docs/operate.md that need one machine only, run as they stand."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scope import EMBEDDED_BANK

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "operate.md"
TIMEOUT_S = 300


def commands(*headings):
    """Return the commands of these sections, one string each."""
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    found = []
    for heading in headings:
        (section,) = (text for text in sections if text.startswith(f"{heading}\n"))
        for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
            found += re.findall(r"^\$ (.*(?:\\\n.*)*)$", block, re.MULTILINE)
    assert found
    return found


def run(lines, folder, environment=None):
    """Run commands one after the other in one shell; the first that fails ends it."""
    ours = Path(sys.executable).parent
    path = f"{ours}{os.pathsep}{os.environ['PATH']}"
    stop = "trap 'code=$?; kill $(jobs -p) 2>/dev/null || true; wait; exit $code' EXIT"
    script = "\n".join(["set -euo pipefail", stop, *lines])
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


@pytest.mark.ray
@pytest.mark.slow
def test_the_walk_on_one_machine_runs(tmp_path):
    """
    From the configuration to a changed alpha, on another port than 8000, which may be taken.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = (ROOT / "serve_config.yaml").read_text().replace("port: 8000", f"port: {port}")
    (tmp_path / "serve_config.yaml").write_text(config)
    lines = [
        line.replace("8000", str(port))
        for line in commands("One machine", "Change alpha, prices or limits")
        if "activate" not in line  # the tests run in the environment
    ]

    done = run(lines, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"status":"ready"' in done.stdout
    assert done.stdout.count("scope RUNNING") == 2
    assert "policy alpha 0.6" in done.stdout
    assert "policy alpha 0.4" in done.stdout


def test_a_backup_is_restored(tmp_path):
    """
    The bank and the configuration are all there is to keep.
    """
    shutil.copy(ROOT / "serve_config.yaml", tmp_path)
    shutil.copytree(EMBEDDED_BANK, tmp_path / "bank")

    done = run(commands("Backup and restore"), tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid: 17 models" in done.stdout
