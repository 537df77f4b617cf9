"""The stages of a job: the current one, its progress, and the seconds each has taken."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock
from typing import Protocol

WINDOW_S, WINDOW_STEPS = 30.0, 4
"""A rate covers the last seconds, and at least this many steps: blocks may be slow."""

IDLE_S = 10.0
"""After so long without a new row a stage counts as waiting, and shows free resources."""


@dataclass(frozen=True, slots=True)
class FreeResources:
    """Free and total resources of a cluster."""

    free_cpus: float
    cpus: float
    free_gpus: float = 0.0
    gpus: float = 0.0


@dataclass(slots=True)
class Stage:
    """One part of a job.

    Its seconds are the wall time from its begin to its end. Stages do not overlap, so no second
    is counted twice.
    """

    name: str
    began_s: float
    total: int | None = None
    """All rows, those of earlier runs included; None if unknown or if the stage has none."""
    done: int = 0
    """Rows done, those of earlier runs included."""
    earlier: int = 0
    """Rows done by earlier runs; no rate counts them."""
    errors: int = 0
    usd: float | None = None
    """USD spent, earlier runs included; None where the stage buys nothing."""
    possibly_billed_usd: float = 0.0
    """USD of failed calls that may have been billed in addition."""
    ended_s: float | None = None
    steps: deque[tuple[float, int]] = field(default_factory=deque)
    """(time, rows done) of the last few advances."""

    def __post_init__(self) -> None:
        self.steps.append((self.began_s, self.done))

    def advance(self, now_s: float, more: int) -> None:
        """Count rows, and drop the steps that no rate needs any more."""
        self.done += more
        self.steps.append((now_s, self.done))
        while len(self.steps) > WINDOW_STEPS + 1 and self.steps[1][0] <= now_s - WINDOW_S:
            self.steps.popleft()

    @property
    def rows(self) -> int | None:
        """Rows done by this run; None for a stage without rows."""
        return None if self.total is None and not self.done else self.done - self.earlier

    def seconds(self, now_s: float) -> float:
        """Return its seconds until its end, or until now."""
        return (now_s if self.ended_s is None else self.ended_s) - self.began_s

    def idle_s(self, now_s: float) -> float:
        """Return the seconds since it last advanced, or began."""
        return now_s - self.steps[-1][0]

    def rate(self, now_s: float) -> float | None:
        """Return recent rows per second of this run; None before the first row."""
        first_s, first = self.steps[0]
        if self.done == first or now_s <= first_s:
            return None
        return (self.done - first) / (now_s - first_s)

    def mean_rate(self, now_s: float) -> float | None:
        """Return rows per second over all its seconds; None without rows."""
        seconds = self.seconds(now_s)
        return self.rows / seconds if self.rows and seconds > 0 else None

    def left_s(self, now_s: float) -> float | None:
        """Return the seconds until all rows are done at the recent rate; None if unknown."""
        rate = self.rate(now_s)
        return None if rate is None or self.total is None else (self.total - self.done) / rate


class Display(Protocol):
    """Shows the stages of a job."""

    def refresh(self, stages: "Stages") -> None:
        """Show the progress; called about twice a second."""

    def ended(self, stages: "Stages", stage: Stage) -> None:
        """Show the summary of a stage that ended."""

    def stop(self) -> None:
        """Stop showing."""


class Stages:
    """The stages of a job, one after the other: beginning one ends the one before.

    Parameters
    ----------
    display : Display, optional
        Default: nothing is shown.
    clock : callable
        Returns seconds, as `time.perf_counter` does.
    """

    def __init__(
        self, display: Display | None = None, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.all: list[Stage] = []
        self.waiting: tuple[str, ...] = ()
        """Stages yet to come; each waits for the one before it."""
        self.spare: FreeResources | None = None
        """Free resources of the cluster while the current stage waits."""
        self.read_free_resources: Callable[[], FreeResources | None] = lambda: None
        self.began_s = clock()
        self._display, self._clock = display, clock
        self._lock = RLock()

    @property
    def current(self) -> Stage | None:
        """The stage that has not ended."""
        return self.all[-1] if self.all and self.all[-1].ended_s is None else None

    def now_s(self) -> float:
        """Return the time in seconds."""
        return self._clock()

    def seconds(self) -> float:
        """Return the seconds since the job began."""
        return self.now_s() - self.began_s

    def plan(self, *names: str) -> None:
        """Announce the stages to come; one that is skipped is dropped when a later one begins."""
        with self._lock:
            self.waiting = names

    def begin(
        self,
        name: str,
        total: int | None = None,
        *,
        done: int = 0,
        usd: float | None = None,
        possibly_billed_usd: float = 0.0,
    ) -> None:
        """Begin a stage; `done` rows and the money spent so far are those of earlier runs."""
        with self._lock:
            self.end()
            if name in self.waiting:
                self.waiting = self.waiting[self.waiting.index(name) + 1 :]
            stage = Stage(name, self.now_s(), total, done, done, 0, usd, possibly_billed_usd)
            self.all.append(stage)

    def advance(
        self, more: int = 1, *, errors: int = 0, usd: float = 0.0, possibly_billed_usd: float = 0.0
    ) -> None:
        """Count rows of the current stage; `errors` of them failed."""
        with self._lock:
            stage = self.current
            if stage is None:
                return
            stage.advance(self.now_s(), more)
            stage.errors += errors
            if stage.usd is not None:
                stage.usd += usd
                stage.possibly_billed_usd += possibly_billed_usd

    def end(self) -> None:
        """End the current stage, if there is one."""
        with self._lock:
            stage = self.current
            if stage is None:
                return
            stage.ended_s = self.now_s()
            if self._display is not None:
                self._display.ended(self, stage)

    def refresh(self) -> None:
        """Update the display; called periodically, from any thread."""
        stage = self.current
        idle = stage is not None and stage.idle_s(self.now_s()) >= IDLE_S
        # Without the lock: it may take a while.
        self.spare = self.read_free_resources() if idle else None
        with self._lock:
            if self._display is not None:
                self._display.refresh(self)
