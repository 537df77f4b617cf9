"""``scope serve`` as a user starts it: with a dashboard, which the shared cluster has not."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

ROOT = Path(__file__).parents[3]
READY_S, STOP_S = 120.0, 60.0
MARK = "SCOPE_TEST_OPERATE"
DASHBOARD = re.compile(r"dashboard at \S*?(http://[\d.:]+)")


@dataclass
class ServedConfig:
    """A served configuration; `run` is the command line beside it."""

    url: str
    dashboard: str
    config: Path

    def run(self, *arguments, environ=None, timeout_s=400):
        """Run ``scope ARGUMENTS --address …``; returns the finished process."""
        with self.start(*arguments, environ=environ) as process:
            out, err = process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def start(self, *arguments, environ=None):
        """Start ``scope ARGUMENTS --address …``."""
        command = [sys.executable, "-m", "pipelines.cli", *map(str, arguments)]
        return subprocess.Popen(
            [*command, "--address", self.dashboard],
            cwd=self.config.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self):
        """What /ready says; empty while nothing answers."""
        try:
            return httpx.get(f"{self.url}/ready").json()
        except (httpx.HTTPError, ValueError):
            return {}


@contextmanager
def serving_config(folder, **user_config):
    """Serve serve_config.yaml on a free port, with more settings of the Router."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    config["http_options"]["port"] = port
    config["applications"][0]["deployments"][0]["user_config"] |= user_config
    path, log = folder / "serve_config.yaml", folder / "log"
    path.write_text("# a comment of the operator\n" + yaml.safe_dump(config))
    mark = f"{os.getpid()}-{port}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "serve", "--config", str(path)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), MARK: mark},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    served = ServedConfig(f"http://127.0.0.1:{port}", "", path)
    try:
        ends_at = time.monotonic() + READY_S
        while served.ready().get("status") != "ready":
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < ends_at, log.read_text()
            time.sleep(0.2)
        served.dashboard = DASHBOARD.search(log.read_text()).group(1)
        yield served
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        finally:
            _kill(mark)


def _kill(mark):
    """Kill what is left of a Ray that did not end by itself."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or belongs to another user
            continue
        if f"{MARK}={mark}".encode() in environment:
            os.kill(int(entry.name), signal.SIGKILL)
