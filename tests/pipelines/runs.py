"""``scope predict`` as a user starts it, in processes that may be hurt while they run."""

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
"""Of the 12,000 questions of the fixture ``inputs``."""
TIMEOUT_S = 180


def command(inputs, output):
    return [sys.executable, "-m", "pipelines.cli", "predict", *inputs, "--output", output]


@contextmanager
def running(arguments, **environment):
    """Run a command in a session of its own, of which nothing is left at the end."""
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


def told(out):
    """The one JSON object that was printed; Ray may put warnings of its own around it."""
    (line,) = (line for line in out.splitlines() if line.startswith("{"))
    return json.loads(line)


def wait_until(condition, patience_s=TIMEOUT_S, every_s=0.01):
    """Return what `condition` returns, once that is true."""
    deadline = time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(every_s)
    return value


def n_finished(output):
    return len(list((output / UNFINISHED_FOLDER).glob("shard-*.json")))


def in_the_middle(run, output):
    """Wait until the first shard is finished; the last is not then, or there is no test."""
    wait_until(lambda: n_finished(output) or run.poll() is not None)
    assert 0 < n_finished(output) < N_SHARDS


def workers(root, name):
    """The Ray worker processes below `root` (a process number) whose title has `name`."""
    titles = processes(root).items()
    return [pid for pid, title in titles if title.startswith("ray::") and name in title]


def processes(root):
    """The titles of all processes below `root`, by their numbers."""
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


def check_sentence(err, *words):
    """The last line of `err` says these words, and nothing there is a traceback."""
    assert "Traceback" not in err, err
    *_, last = err.strip().splitlines()
    assert last.startswith("scope: "), err
    for word in words:
        assert word in last, err
