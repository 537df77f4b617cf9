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
    """Make the log of a replica; its settings by name."""

    def make(replica="Router#1", **settings):
        return DecisionLog(LogSettings(folder=str(tmp_path / "log"), **settings), replica)

    return make


@pytest.fixture
def kept(tmp_path):
    """Return file names, each with what its lines hold; only a kill may leave half a line."""

    def read(*, torn=False):
        files = sorted((tmp_path / "log").iterdir())
        lines = {file.name: file.read_text().splitlines(keepends=True) for file in files}
        return {
            name: [json.loads(line) for line in told if line.endswith("\n") or not torn]
            for name, told in lines.items()
        }

    return read


def ids(rows):
    return [row["id"] for row in rows]


def test_no_folder_means_no_log(tmp_path, monkeypatch):
    """
    Nothing is written anywhere.
    """
    monkeypatch.chdir(tmp_path)
    DecisionLog(LogSettings(), "Router#1").write(record(0))

    assert not list(tmp_path.iterdir())


def test_a_decision_is_a_line_of_strict_json(log_of, kept):
    """
    What JSON has no number for is null, at any depth; half a character is escaped.
    """
    log = log_of()
    odd = {"p": float("nan"), "all": [{"cost": float("-inf")}, (1, 2.5)], "said": "é\ud800\n"}
    log.write({"id": "a", **odd})
    log.write({"id": "b"})

    assert kept() == {
        "decisions-Router-1.00000001.jsonl": [
            {"id": "a", "p": None, "all": [{"cost": None}, [1, 2.5]], "said": "é\ud800\n"},
            {"id": "b"},
        ]
    }


@pytest.mark.parametrize("prompts", [False, True])
def test_prompts_are_kept_only_if_asked_for(log_of, kept, prompts):
    """
    Whatever the caller hands over.
    """
    log_of(prompts=prompts).write({"id": "a", "prompt": "secret"})

    (rows,) = kept().values()
    assert ("prompt" in rows[0]) is prompts


def test_files_become_neither_too_long_nor_too_many(log_of, kept):
    """
    Nine lines, two to a file, of five files the last three: lines 5 to 9 are left, none torn.
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


def test_a_file_that_somebody_deleted_is_replaced(log_of, kept, tmp_path):
    """
    Decisions do not vanish into a file without a name; a closed log opens again, too.
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
    """Give this process a disk for files of at most so many bytes; None: any size."""
    least, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(n_bytes):
        resource.setrlimit(resource.RLIMIT_FSIZE, (least if n_bytes is None else n_bytes, most))

    yield limit
    limit(None)


def test_a_full_disk_spoils_no_line_and_no_request(log_of, kept, disk, caplog):
    """
    Room for two and a half lines: three are counted, one warning; with more room it goes on.
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
    A disk that is full is no mistake of the settings, and may have room later.
    """
    disk(0)
    log = log_of()
    log.write(record(1))
    disk(None)

    assert log.failed == 1


def test_a_folder_that_is_gone_fails_no_request(log_of, tmp_path):
    """
    Its decisions are counted.
    """
    log = log_of()
    (tmp_path / "log").rmdir()
    log.write(record(1))

    assert log.failed == 1


@pytest.mark.parametrize(
    "wrong", [{"folder": ""}, {"max_file_mib": 0.0}, {"max_files": 0}, {"max_file": 1}]
)
def test_a_setting_that_makes_no_sense_is_refused(wrong):
    """
    An empty folder would be wherever the replica happens to run.
    """
    with pytest.raises(ValidationError):
        LogSettings(**wrong)


def test_a_folder_nobody_can_write_to_is_refused(tmp_path):
    """
    Before the first request, in one sentence.
    """
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as refused:
        DecisionLog(LogSettings(folder=str(tmp_path / "file" / "log")), "Router#1")

    where = tmp_path / "file" / "log"
    assert str(refused.value) == f"decisions.folder {where} cannot be written: Not a directory"


ENDLESS = """
import itertools, sys
from deployments.telemetry.decision_log import DecisionLog, LogSettings
log = DecisionLog(LogSettings(folder=sys.argv[1], max_file_mib=0.1, max_files=10_000), "Router#1")
for n in itertools.count():
    log.write({"id": n, "text": "x" * 5000})
    print(n, flush=True)
"""


def test_a_kill_loses_nothing_that_was_written(kept, tmp_path):
    """
    Every number that was told after its line is there, in files of at most .1 MiB.
    """
    command = [sys.executable, "-c", ENDLESS, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        told = [int(writer.stdout.readline()) for _ in range(100)]
        os.kill(writer.pid, signal.SIGKILL)
        told += [int(line) for line in writer.stdout if line.endswith("\n")]

    numbers = [n for rows in kept(torn=True).values() for n in ids(rows)]
    assert numbers[: len(told)] == told == list(range(len(told)))
    assert len(numbers) <= len(told) + 1
    assert all(file.stat().st_size <= 0.1 * 2**20 for file in (tmp_path / "log").iterdir())
