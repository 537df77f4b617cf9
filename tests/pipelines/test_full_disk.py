"""Disks that are full or read-only: a sentence, nothing finished lost, and the rerun goes on."""

import json
import os
import resource
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.predict.run import UNFINISHED_FOLDER
from tests.pipelines.runs import (
    N_SHARDS,
    check_sentence,
    command,
    content,
    ended,
    finish,
    in_the_middle,
    n_finished,
    running,
    wait_until,
    workers,
)
from tests.upstream import running as upstream_running

pytestmark = [pytest.mark.slow, pytest.mark.ray]

SMALL_DISK = """
mount -t tmpfs -o size="$1" small "$2"; small="$2"; kept="$3"; shift 3
"$@" 2> "$kept/said" || echo $? > "$kept/code"
cp -r "$small" "$kept/full"
mount -o remount,size=256m "$small"
"$@"
cp -r "$small" "$kept/end"
"""
"""Runs a command on a small disk, again when that has grown, and keeps what each left."""


def refuse_more(pid, n_bytes):
    """Let the system refuse a process any file above `n_bytes`; needs no rights."""
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (n_bytes, most))


@pytest.fixture
def kept(tmp_path):
    """A folder to keep things in, where a disk of one's own can be mounted at all."""
    mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", tmp_path]
    tried = subprocess.run(mount, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no file system can be mounted here: {tried.stderr.strip()}")
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("size", "path"),
    [
        pytest.param("2m", f"{UNFINISHED_FOLDER}/shard-", id="while shards are written"),
        pytest.param("8m", "", id="while they are put together"),
    ],
)
def test_a_full_disk_loses_no_shard(inputs, undisturbed, tmp_path, kept, size, path):
    """
    The run says so and ends; with more room the next one finishes with the same bytes.
    """
    output = tmp_path / "out"
    output.mkdir()
    outside = ["unshare", "-rm", "sh", "-euc", SMALL_DISK, "sh", size, output, kept]
    with running([*outside, *command(inputs, output)]) as run:
        code, _, err = ended(run)

    assert code == 0, err
    assert (kept / "code").read_text() == "2\n"
    said = (kept / "said").read_text()
    check_sentence(said, f"{output}/{path}", "cannot be written: No space left on device")
    assert 0 < n_finished(kept / "full") < (N_SHARDS if path else N_SHARDS + 1)
    assert {file.name for file in (kept / "full").iterdir()} == {UNFINISHED_FOLDER}
    assert content(kept / "end") == undisturbed


def test_a_disk_that_refuses_a_worker_ends_the_run(inputs, undisturbed, tmp_path):
    """
    The worker's refusal arrives whole: which file, and why.
    """
    output = tmp_path / "out"
    with running(command(inputs, output)) as run:
        in_the_middle(run, output)
        for pid in workers(run.pid, "ShardActor"):
            refuse_more(pid, 64_000)
        code, _, err = ended(run)

    assert code == 2
    check_sentence(err, f"{output}/{UNFINISHED_FOLDER}/shard-", "cannot be written: File too large")
    assert 0 < n_finished(output) < N_SHARDS
    finish(inputs, output)
    assert content(output) == undisturbed


def shards(cache):
    return sorted(cache.glob("*/[!.]*.arrow"))


def test_a_disk_that_refuses_embeddings_keeps_those_it_has(texts, tmp_path):
    """
    The next run embeds only the others, and predicts with the same bits.
    """
    output, cache = tmp_path / "out", tmp_path / "cache"
    with running(command(texts, output), SCOPE_CACHE=str(cache)) as run:
        wait_until(lambda: shards(cache) or run.poll() is not None)
        refuse_more(run.pid, 100_000)
        code, _, err = ended(run)
    before = {path: path.read_bytes() for path in shards(cache)}

    assert code == 2
    check_sentence(err, "embeddings cannot be kept", "File too large", "SCOPE_CACHE")
    assert 0 < len(before) < 3
    finish(texts, output, SCOPE_CACHE=str(cache))
    assert len(shards(cache)) == 3
    assert all(path.read_bytes() == held for path, held in before.items())
    assert sum(len(pa.ipc.open_file(path).read_all()) for path in shards(cache)) == 768


def test_a_disk_that_refuses_answers_keeps_those_it_has(tmp_path):
    """
    What was paid for before stays recorded; the next run asks the others.
    """
    rows = [{"id": f"q{n:03d}", "prompt": f"{n}?\nA. x\nB. y", "gt": "A"} for n in range(120)]
    (tmp_path / "questions.json").write_text(json.dumps(rows))
    (tmp_path / "prices.json").write_text(json.dumps({"m": {"input": 1.0, "output": 2.0}}))
    output = tmp_path / "out"
    with upstream_running() as upstream:
        flags = f"--models m --base-url {upstream.base_url} --concurrency 4".split()
        files = ["--questions", tmp_path / "questions.json", "--prices", tmp_path / "prices.json"]
        measure = [*command([], output)[:3], "measure", *files, *flags, "--output", output]
        limited = ["sh", "-c", 'ulimit -f 16; exec "$@"', "sh", *measure]  # of 512 bytes
        with running(limited, OPENROUTER_API_KEY="x") as run:
            code, _, err = ended(run)
        n_before = (output / "journal.jsonl").read_bytes().count(b"\n")
        with running(measure, OPENROUTER_API_KEY="x") as run:
            again, _, _ = ended(run)
        n_asked = len(upstream.log())

    assert (code, again) == (2, 0)
    check_sentence(err, f"{output}/journal.jsonl cannot be written: File too large")
    assert 10 < n_before < 120
    assert n_asked <= 120 + 4
    assert pq.read_table(output / "outcomes.parquet").num_rows == 120


@pytest.mark.parametrize("place", ["below a file", "of somebody else"])
def test_an_output_nobody_can_write_is_refused_at_once(texts, tmp_path, place):
    """
    Before anything is embedded, and nothing is left behind.
    """
    home, cache = tmp_path / "home", tmp_path / "cache"
    if place == "below a file":
        home.write_text("here already")
    else:
        home.mkdir(mode=0o555)
    bound = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []
    with running([*bound, *command(texts, home / "out")], SCOPE_CACHE=str(cache)) as run:
        code, _, err = ended(run)

    assert code == 2
    reason = "Not a directory" if home.is_file() else "Permission denied"
    check_sentence(err, f"{home}/out cannot be written: {reason}")
    assert {path.name for path in tmp_path.iterdir()} == {"home"}
    assert home.is_file() or not list(home.iterdir())
