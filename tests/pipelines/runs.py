"""Run ``scope predict`` in a process of its own, which a test may disturb."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.predict.run import UNFINISHED_FOLDER

ROOT = Path(__file__).parents[2]
N_SHARDS = 24
"""Shards of the 12,000 questions of the fixture ``inputs``."""
TIMEOUT_S = 180


def command(inputs, output):
    return [sys.executable, "-m", "pipelines.cli", "predict", *inputs, "--output", output]


@contextmanager
def running(arguments, **environment):
    """Run a command in a session of its own, all of whose processes are killed at the end."""
    run = subprocess.Popen(
        [str(part) for part in arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        yield run
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate(timeout=TIMEOUT_S)


def ended(run):
    """Wait for the end of a run; return exit code, stdout and stderr."""
    out, err = run.communicate(timeout=TIMEOUT_S)
    return run.returncode, out, err


def finish(inputs, output, **environment):
    with running(command(inputs, output), **environment) as run:
        code, _, err = ended(run)
    assert code == 0, err


def printed_json(out):
    """The one JSON object on standard output; Ray may print warnings before and after it."""
    (line,) = (line for line in out.splitlines() if line.startswith("{"))
    return json.loads(line)


def wait_until(condition, timeout_s=TIMEOUT_S, every_s=0.01):
    """Return the first true value that `condition` returns."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(every_s)
    return value


def n_finished(output):
    return len(list((output / UNFINISHED_FOLDER).glob("shard-*.json")))


def wait_for_shard(run, output):
    """Wait until the first shard is finished; the last must not be finished then."""
    wait_until(lambda: n_finished(output) or run.poll() is not None)
    assert 0 < n_finished(output) < N_SHARDS


def workers(root, name):
    """Ids of the Ray worker processes below process `root` whose title contains `name`."""
    titles = processes(root).items()
    return [pid for pid, title in titles if title.startswith("ray::") and name in title]


def processes(root):
    """Titles of all processes below process `root`, by process id."""
    parent, title = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parent[int(folder.name)] = int(fields[1])
            title[int(folder.name)] = (folder / "cmdline").read_text()

    def below(pid):
        return pid == root or (pid in parent and below(parent[pid]))

    return {pid: text for pid, text in title.items() if below(pid)}


def content(output):
    """The bytes of every file of a run, by name."""
    files = [path for path in output.rglob("*") if path.is_file()]
    return {str(path.relative_to(output)): path.read_bytes() for path in files}


def check_error(err, *parts):
    """The last line of `err` contains `parts`, and there is no traceback."""
    assert "Traceback" not in err, err
    *_, last = err.strip().splitlines()
    assert last.startswith("scope: "), err
    for part in parts:
        assert part in last, err
