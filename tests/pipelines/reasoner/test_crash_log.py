"""The reason in an engine's log."""

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
    """A log that takes what this process and its children say, as Ray gives one to a worker."""
    saved = os.dup(2)
    with (tmp_path / "worker.log").open("wb", buffering=0) as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def say(text):
    subprocess.run([sys.executable, "-c", f"import os; os.write(2, {text.encode()!r})"], check=True)


def test_the_cause_is_told_and_not_its_echo(tmp_path):
    """
    vLLM's own error only says that there was another.
    """
    with log(tmp_path):
        words = CrashLog()
        say(LOG)

    assert words.last_error == "ValueError: No memory for the cache blocks"


def test_what_an_engine_before_has_said_is_not_repeated(tmp_path):
    """
    Each engine has its own last words.
    """
    with log(tmp_path):
        say(LOG)
        words = CrashLog()

    assert words.last_error is None


def test_a_process_that_was_killed_says_nothing(tmp_path):
    """
    Then there is no error to tell of.
    """
    with log(tmp_path):
        words = CrashLog()
        say("INFO all is well\n")

    assert words.last_error is None
