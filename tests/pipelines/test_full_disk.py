"""Full and read-only disks: an error, no finished work is lost, and the next run continues."""

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
    check_error,
    command,
    content,
    ended,
    finish,
    n_finished,
    running,
    wait_for_shard,
    wait_until,
    workers,
)
from tests.upstream import running as upstream_running

pytestmark = [pytest.mark.slow, pytest.mark.ray]

SMALL_DISK = """
mount -t tmpfs -o size="$1" small "$2"; small="$2"; kept="$3"; shift 3
"$@" 2> "$kept/stderr" || echo $? > "$kept/code"
cp -r "$small" "$kept/full"
mount -o remount,size=256m "$small"
"$@"
cp -r "$small" "$kept/end"
"""
"""Runs a command on a small disk, again once the disk has grown, and copies both outputs."""


def limit_file_size(pid, n_bytes):
    """Limit the size of files that a process may write; needs no privileges."""
    _, hard_limit = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (n_bytes, hard_limit))


@pytest.fixture
def kept(tmp_path):
    """A folder for copies; skips the test where no disk can be mounted."""
    mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", tmp_path]
    tried = subprocess.run(mount, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no file system can be mounted here: {tried.stderr.strip()}")
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


def test_a_full_disk_loses_no_shard(inputs, uninterrupted, tmp_path, kept):
    """
    The run ends with an error; with more space the next one finishes with the same bytes.
    """
    output = tmp_path / "out"
    output.mkdir()
    small_disk = ["unshare", "-rm", "sh", "-euc", SMALL_DISK, "sh", "1m", output, kept]
    with running([*small_disk, *command(inputs, output)]) as run:
        code, _, err = ended(run)

    assert code == 0, err
    assert (kept / "code").read_text() == "2\n"
    first_err = (kept / "stderr").read_text()
    place = f"{output}/{UNFINISHED_FOLDER}/shard-"
    check_error(first_err, place, "cannot be written: No space left on device")
    assert 0 < n_finished(kept / "full") < N_SHARDS
    assert {file.name for file in (kept / "full").iterdir()} == {UNFINISHED_FOLDER}
    assert content(kept / "end") == uninterrupted


def test_a_disk_too_small_for_json_keeps_the_predictions(inputs, uninterrupted, tmp_path, kept):
    """
    Half a file is not left behind; the next run writes both without predicting again.
    """
    output = tmp_path / "out"
    output.mkdir()
    small_disk = ["unshare", "-rm", "sh", "-euc", SMALL_DISK, "sh", "8m", output, kept]
    with running([*small_disk, *command(inputs, output), "--reference-files"]) as run:
        code, _, err = ended(run)

    assert code == 0, err
    assert (kept / "code").read_text() == "2\n"
    assert content(kept / "full") == uninterrupted
    end = content(kept / "end")
    assert {name: end[name] for name in uninterrupted} == uninterrupted
    assert end.keys() - uninterrupted.keys() == {"selection.json", "similarity.json"}


def test_a_disk_that_fails_in_a_worker_ends_the_run(inputs, uninterrupted, tmp_path):
    """
    The error of the worker names the file and the reason.
    """
    output = tmp_path / "out"
    with running(command(inputs, output)) as run:
        wait_for_shard(run, output)
        for pid in workers(run.pid, "ShardActor"):
            limit_file_size(pid, 10_000)
        code, _, err = ended(run)

    assert code == 2
    check_error(err, f"{output}/{UNFINISHED_FOLDER}/shard-", "cannot be written: File too large")
    assert 0 < n_finished(output) < N_SHARDS
    finish(inputs, output)
    assert content(output) == uninterrupted


def shards(cache):
    return sorted(cache.glob("*/[!.]*.arrow"))


def test_a_disk_that_fails_keeps_finished_embeddings(texts, tmp_path):
    """
    The next run embeds only the others.
    """
    output, cache = tmp_path / "out", tmp_path / "cache"
    with running(command(texts, output), SCOPE_CACHE=str(cache)) as run:
        wait_until(lambda: shards(cache) or run.poll() is not None)
        limit_file_size(run.pid, 100_000)
        code, _, err = ended(run)
    before = {path: path.read_bytes() for path in shards(cache)}

    assert code == 2
    check_error(err, "embeddings cannot be kept", "File too large", "SCOPE_CACHE")
    assert 0 < len(before) < 3
    finish(texts, output, SCOPE_CACHE=str(cache))
    assert len(shards(cache)) == 3
    assert all(path.read_bytes() == held for path, held in before.items())
    assert sum(len(pa.ipc.open_file(path).read_all()) for path in shards(cache)) == 768


def test_a_disk_that_fails_keeps_finished_measurements(tmp_path):
    """
    Paid calls stay recorded; the next run makes only the others.
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
        n_calls = len(upstream.log())

    assert (code, again) == (2, 0)
    check_error(err, f"{output}/journal.jsonl cannot be written: File too large")
    assert 10 < n_before < 120
    assert n_calls <= 120 + 4
    assert pq.read_table(output / "outcomes.parquet").num_rows == 120


@pytest.mark.parametrize("place", ["below a file", "read-only"])
def test_an_unwritable_output_is_refused_at_once(texts, tmp_path, place):
    """
    Before anything is embedded; no file is written.
    """
    home, cache = tmp_path / "home", tmp_path / "cache"
    if place == "below a file":
        home.write_text("a file")
    else:
        home.mkdir(mode=0o555)
    bound = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []
    with running([*bound, *command(texts, home / "out")], SCOPE_CACHE=str(cache)) as run:
        code, _, err = ended(run)

    assert code == 2
    reason = "Not a directory" if home.is_file() else "Permission denied"
    check_error(err, f"{home}/out cannot be written: {reason}")
    assert {path.name for path in tmp_path.iterdir()} == {"home"}
    assert home.is_file() or not list(home.iterdir())
