"""``scope bench-replica`` on a real Serve, and ``scope plan`` on what it measured."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 300


def scope_command(*arguments):
    """Run the command line in a process of its own; returns its standard output."""
    command = [sys.executable, "-m", "pipelines.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.ray
@pytest.mark.slow
def test_what_is_measured_here_can_be_planned_with(tmp_path):
    """
    Seconds of every measurement; 5 requests a second fit, and the plan passes ``scope check``.
    """
    config, times, planned = (tmp_path / name for name in ("c.yaml", "times.json", "planned.yaml"))
    settings = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    blocks = settings["applications"][0]["deployments"]
    (embedder,) = (block for block in blocks if block["name"] == "Embedder")
    embedder["user_config"]["max_batch_size"] = 2
    config.write_text(yaml.safe_dump(settings))

    printed = scope_command(
        "bench-replica", "--config", config, "--output", times, "--seconds", 10, "--json"
    )
    load = ("--requests-per-s", 5, "--p95-ms", 2000)
    plan = json.loads(
        scope_command("plan", "--service-times", times, *load, "--write", planned, "--json")
    )

    measured = json.loads(times.read_text())
    assert json.loads(printed) == measured
    cpu_s = measured["serve"]["uncached"]["cpu_s"]
    assert cpu_s["Embedder"] > cpu_s["Router"] > 0
    assert measured["serve"]["cached"]["median_s"] < measured["serve"]["uncached"]["median_s"]
    assert measured["serve"]["cached"]["cpu_s"]["Embedder"] < 0.1 * cpu_s["Embedder"]
    assert set(measured["deployments"]) == {"Embedder", "Predictor"}
    assert plan["expected"]["p95_s"] <= 2
    assert "valid: 17 models" in scope_command("check", planned)
