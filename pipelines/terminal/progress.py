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
"""How long the end of a job waits for a last look."""
LINE_S, EVENT_S = 10.0, 5.0
"""How often a log gets a line, and a machine an event, at most."""


@contextmanager
def progress(*, as_json: bool = False) -> Iterator[Stages]:
    """Yield the stages of a job; they are shown while it runs, and their seconds at its end.

    All of it goes to standard error. A job that fails leaves the lines it has had, no table.
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
    """A line about the present stage now and then, and more when it ends.

    Parameters
    ----------
    stream : TextIO
    every_s : float
        Seconds between two lines about one stage.
    moving, ended : callable
        The line about a stage that is worked on, and the lines when it ends.
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
        self._told_s = float("-inf")

    def refresh(self, stages: Stages) -> None:
        """Write a line, if it is time for one."""
        stage, now_s = stages.current, stages.now_s()
        if stage is not None and now_s - max(self._told_s, stage.began_s) >= self._every_s:
            self._told_s = now_s
            self._write(self._moving(stages, stage))

    def ended(self, stages: Stages, stage: Stage) -> None:
        """Write what a stage has come to."""
        self._write(*self._ended(stages, stage))

    def stop(self) -> None:
        """Leave the lines where they are."""

    def _write(self, *lines: str) -> None:
        with suppress(OSError):  # a log that takes no more must not end the job
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()


def log_lines(stream: TextIO) -> LineDisplay:
    """Return plain lines for a person who reads them later."""
    return LineDisplay(
        stream,
        LINE_S,
        lambda stages, stage: progress_line(stage, stages.now_s(), stages.spare),
        lambda stages, stage: [summary_line(stage)],
    )


def event_lines(stream: TextIO) -> LineDisplay:
    """Return one JSON object a line, for a machine."""
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
    """Look at the stages twice a second: a job that stands still tells nobody."""
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
        watcher.join(PATIENCE_S)  # it may be asking a cluster that is gone what is free there


@contextmanager
def _private_stderr() -> Iterator[TextIO]:
    """Yield a stream of our own to where standard error goes: starting Ray mutes the usual one."""
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
