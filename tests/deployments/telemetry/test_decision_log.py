"""The decision log as the Router writes it."""

import json
import logging
import os
import resource
import signal
import subprocess
import sys

import pytest
from pydantic import ValidationError

from deployments.telemetry.decision_log import DecisionLog, LogSettings
from scope.errors import ConfigError

LINE = 1_000
"""Bytes of a line of `record`."""


def record(n):
    """A record whose line has `LINE` bytes."""
    head = {"id": f"d{n:03d}", "text": ""}
    return head | {"text": "x" * (LINE - len(json.dumps(head)) - 1)}


@pytest.fixture
def log_of(tmp_path):
    """A function that makes the log of a replica with these settings."""

    def make(replica="Router#1", **settings):
        return DecisionLog(LogSettings(folder=str(tmp_path / "log"), **settings), replica)

    return make


@pytest.fixture
def kept(tmp_path):
    """A function that reads the log: the records by file; only a kill may truncate a line."""

    def read(*, truncated=False):
        files = sorted((tmp_path / "log").iterdir())
        lines = {file.name: file.read_text().splitlines(keepends=True) for file in files}
        return {
            name: [json.loads(line) for line in file_lines if line.endswith("\n") or not truncated]
            for name, file_lines in lines.items()
        }

    return read


def ids(rows):
    return [row["id"] for row in rows]


def test_no_folder_means_no_log(tmp_path, monkeypatch):
    """
    Nothing is written.
    """
    monkeypatch.chdir(tmp_path)
    DecisionLog(LogSettings(), "Router#1").write(record(0))

    assert not list(tmp_path.iterdir())


def test_a_decision_is_a_line_of_strict_json(log_of, kept):
    """
    NaN and infinite become null at any depth; half a character is escaped.
    """
    log = log_of()
    odd = {"p": float("nan"), "all": [{"cost": float("-inf")}, (1, 2.5)], "text": "é\ud800\n"}
    log.write({"id": "a", **odd})
    log.write({"id": "b"})

    assert kept() == {
        "decisions-Router-1.00000001.jsonl": [
            {"id": "a", "p": None, "all": [{"cost": None}, [1, 2.5]], "text": "é\ud800\n"},
            {"id": "b"},
        ]
    }


@pytest.mark.parametrize("prompts", [False, True])
def test_prompts_are_written_only_on_request(log_of, kept, prompts):
    """
    Nor what tells of them: a session may be known by the hash of its first words.
    """
    texts = {"prompt": "secret", "prompt_is_whole": True, "session": "5e"}
    log_of(prompts=prompts).write({"id": "a", **texts})

    (rows,) = kept().values()
    assert rows == [{"id": "a", **texts} if prompts else {"id": "a"}]


def test_size_and_number_of_files_are_limited(log_of, kept):
    """
    Nine lines, two to a file, of five files the last three: lines 5 to 9 remain, none truncated.
    """
    log = log_of(max_file_mib=2 * LINE / 2**20, max_files=3)
    for n in range(1, 10):
        log.write(record(n))

    assert {name.split(".")[1]: ids(rows) for name, rows in kept().items()} == {
        "00000003": ["d005", "d006"],
        "00000004": ["d007", "d008"],
        "00000005": ["d009"],
    }


def test_a_line_longer_than_a_file_has_one_of_its_own(log_of, kept):
    """
    It is kept whole: a limit on files is none on requests.
    """
    log = log_of(max_file_mib=LINE / 2 / 2**20)
    log.write(record(1))
    log.write(record(2))

    assert [ids(rows) for rows in kept().values()] == [["d001"], ["d002"]]


@pytest.mark.parametrize("other", ["Router#1", "Router/1", "Router#1-2"])
def test_no_two_processes_write_one_file(log_of, kept, other):
    """
    Neither another replica nor the same one, restarted or twice.
    """
    one, two = log_of(), log_of(other)
    for n in range(4):
        (one, two)[n % 2].write(record(n))

    assert sorted(map(ids, kept().values())) == [["d000", "d002"], ["d001", "d003"]]


def test_a_replica_deletes_no_file_of_another(log_of, kept):
    """
    Even if one's name begins with the other's.
    """
    log_of("Router#1-2").write(record(1))
    log = log_of("Router#1", max_file_mib=LINE / 2**20, max_files=1)
    for n in range(2, 5):
        log.write(record(n))

    assert [ids(rows) for rows in kept().values()] == [["d001"], ["d004"]]


def test_a_deleted_file_is_replaced(log_of, kept, tmp_path):
    """
    Decisions are not written to a deleted file; a closed log opens again, too.
    """
    log = log_of()
    log.write(record(1))
    next((tmp_path / "log").iterdir()).unlink()
    log.write(record(2))
    log.close()
    log.write(record(3))

    assert [ids(rows) for rows in kept().values()] == [["d002"], ["d003"]]


@pytest.fixture
def disk():
    """A function that limits the size of files of this process, bytes; None: no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(n_bytes):
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft if n_bytes is None else n_bytes, hard))

    yield limit
    limit(None)


def test_a_full_disk_truncates_no_line_and_raises_nothing(log_of, kept, disk, caplog):
    """
    With room for two and a half lines, three failures are counted, with one warning; with more
    room it continues.
    """
    log = log_of()
    with caplog.at_level(logging.WARNING, "ray.serve"):
        disk(LINE * 5 // 2)
        for n in range(1, 6):
            log.write(record(n))
        disk(None)
        log.write(record(6))

    (rows,) = kept().values()
    assert ids(rows) == ["d001", "d002", "d006"]
    assert log.failed == 3
    (warning,) = caplog.messages
    assert "decisions cannot be logged to" in warning
    assert "File too large" in warning


def test_a_replica_starts_on_a_full_disk(log_of, disk, tmp_path):
    """
    A full disk is no error of the settings, and may have room later.
    """
    disk(0)
    log = log_of()
    log.write(record(1))
    disk(None)

    assert log.failed == 1


def test_a_deleted_folder_raises_nothing(log_of, tmp_path):
    """
    The failures are counted.
    """
    log = log_of()
    (tmp_path / "log").rmdir()
    log.write(record(1))

    assert log.failed == 1


@pytest.mark.parametrize(
    "wrong", [{"folder": ""}, {"max_file_mib": 0.0}, {"max_files": 0}, {"max_file": 1}]
)
def test_an_invalid_setting_is_refused(wrong):
    """
    An empty folder name would be the working directory of the replica.
    """
    with pytest.raises(ValidationError):
        LogSettings(**wrong)


def test_a_folder_that_is_not_writable_is_refused(tmp_path):
    """
    When the log is created.
    """
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as raised:
        DecisionLog(LogSettings(folder=str(tmp_path / "file" / "log")), "Router#1")

    where = tmp_path / "file" / "log"
    assert str(raised.value) == f"decisions.folder {where} cannot be written: Not a directory"


ENDLESS = """
import itertools, sys
from deployments.telemetry.decision_log import DecisionLog, LogSettings
log = DecisionLog(LogSettings(folder=sys.argv[1], max_file_mib=0.1, max_files=10_000), "Router#1")
for n in itertools.count():
    log.write({"id": n, "text": "x" * 5000})
    print(n, flush=True)
"""


def test_a_kill_loses_no_written_line(kept, tmp_path):
    """
    Every number printed after its line is in the log, in files of at most 0.1 MiB.
    """
    command = [sys.executable, "-c", ENDLESS, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        printed = [int(writer.stdout.readline()) for _ in range(100)]
        os.kill(writer.pid, signal.SIGKILL)
        printed += [int(line) for line in writer.stdout if line.endswith("\n")]

    numbers = [n for rows in kept(truncated=True).values() for n in ids(rows)]
    assert numbers[: len(printed)] == printed == list(range(len(printed)))
    assert len(numbers) <= len(printed) + 1
    assert all(file.stat().st_size <= 0.1 * 2**20 for file in (tmp_path / "log").iterdir())
