"""The progress of a long job: bars on a terminal, lines in a log, events for a machine."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TextIO

from rich.console import Console

from pipelines.terminal.bars import Bars
from pipelines.terminal.stage_text import (
    progress_event,
    progress_line,
    seconds_table,
    stage_event,
    summary_line,
)
from pipelines.terminal.stages import Display, Stage, Stages

REFRESH_S = 0.5
PATIENCE_S = 2.0
"""How long the end of a job waits for the last refresh."""
LINE_S, EVENT_S = 10.0, 5.0
"""Least seconds between two lines of a log, and two events for a machine."""


@contextmanager
def progress(*, as_json: bool = False) -> Iterator[Stages]:
    """Yield the stages of a job, show them while it runs and print their seconds at its end.

    All output goes to standard error. A job that fails prints no table.
    """
    with _private_stderr() as stream:
        console = Console(file=stream, highlight=False)
        display = _display(stream, console, as_json=as_json)
        stages = Stages(display)
        try:
            with _ticker(stages):
                yield stages
            stages.end()
        finally:
            display.stop()
        if stages.all and not as_json:
            console.print(seconds_table(stages))


class LineDisplay:
    """Periodic lines about the current stage, and its summary when it ends.

    Parameters
    ----------
    stream : TextIO
    every_s : float
        Least seconds between two lines about one stage.
    moving, ended : callable
        The line about the current stage, and the lines when it ends.
    """

    def __init__(
        self,
        stream: TextIO,
        every_s: float,
        moving: Callable[[Stages, Stage], str],
        ended: Callable[[Stages, Stage], list[str]],
    ) -> None:
        self._stream, self._every_s = stream, every_s
        self._moving, self._ended = moving, ended
        self._written_s = float("-inf")

    def refresh(self, stages: Stages) -> None:
        """Write a line if one is due."""
        stage, now_s = stages.current, stages.now_s()
        if stage is not None and now_s - max(self._written_s, stage.began_s) >= self._every_s:
            self._written_s = now_s
            self._write(self._moving(stages, stage))

    def ended(self, stages: Stages, stage: Stage) -> None:
        """Write the summary of a stage."""
        self._write(*self._ended(stages, stage))

    def stop(self) -> None:
        """Do nothing: the lines stay."""

    def _write(self, *lines: str) -> None:
        with suppress(OSError):  # a log that cannot be written must not end the job
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()


def log_lines(stream: TextIO) -> LineDisplay:
    """Return a display that writes plain lines to a log."""
    return LineDisplay(
        stream,
        LINE_S,
        lambda stages, stage: progress_line(stage, stages.now_s(), stages.spare),
        lambda stages, stage: [summary_line(stage)],
    )


def event_lines(stream: TextIO) -> LineDisplay:
    """Return a display that writes one JSON object a line."""
    return LineDisplay(
        stream,
        EVENT_S,
        lambda stages, stage: json.dumps(progress_event(stages, stage)),
        lambda stages, stage: [
            json.dumps(progress_event(stages, stage)),
            json.dumps(stage_event(stage)),
        ],
    )


def _display(stream: TextIO, console: Console, *, as_json: bool) -> Display:
    if as_json:
        return event_lines(stream)
    if stream.isatty() and not console.is_dumb_terminal:
        return Bars(console)
    return log_lines(stream)


@contextmanager
def _ticker(stages: Stages) -> Iterator[None]:
    """Refresh the display every `REFRESH_S`: a job that waits sends no updates."""
    over = Event()

    def watch() -> None:
        while not over.wait(REFRESH_S):
            stages.refresh()

    watcher = Thread(target=watch, name="progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(PATIENCE_S)  # it may wait for a lost cluster


@contextmanager
def _private_stderr() -> Iterator[TextIO]:
    """Yield a copy of standard error: Ray mutes the original one while it starts."""
    try:
        number = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):  # no file: a test, or a notebook
        yield sys.stderr
        return
    stream = os.fdopen(number, "w", encoding=sys.stderr.encoding, errors="replace", buffering=1)
    try:
        yield stream
    finally:
        with suppress(OSError):
            stream.close()
