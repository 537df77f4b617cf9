"""The cause of a crash in the log of an engine."""

import os
import subprocess
import sys
from contextlib import contextmanager

from pipelines.reasoner.crash_log import CrashLog

LOG = """\
(EngineCore pid=7) INFO 11-22 17:00:00 [core.py:98] Initializing a V1 LLM engine
(EngineCore pid=7) ERROR 11-22 17:00:01 [core.py:936] Traceback (most recent call last):
(EngineCore pid=7) ERROR 11-22 17:00:01 [core.py:936] ValueError: No memory for the cache blocks
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""


@contextmanager
def log(tmp_path):
    """A log file for the standard error of this process and its children, as in a Ray worker."""
    saved = os.dup(2)
    with (tmp_path / "worker.log").open("wb", buffering=0) as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def write_stderr(text):
    subprocess.run([sys.executable, "-c", f"import os; os.write(2, {text.encode()!r})"], check=True)


def test_the_cause_is_found_and_not_the_secondary_error(tmp_path):
    """
    vLLM's own error only reports that there was another.
    """
    with log(tmp_path):
        crash_log = CrashLog()
        write_stderr(LOG)

    assert crash_log.last_error == "ValueError: No memory for the cache blocks"


def test_errors_of_an_earlier_engine_are_ignored(tmp_path):
    """
    The log is read from the start of the engine.
    """
    with log(tmp_path):
        write_stderr(LOG)
        crash_log = CrashLog()

    assert crash_log.last_error is None


def test_a_killed_process_has_no_error(tmp_path):
    """
    It writes none.
    """
    with log(tmp_path):
        crash_log = CrashLog()
        write_stderr("INFO all is well\n")

    assert crash_log.last_error is None
