"""The stages of a job: which is worked on, how far it is, and the seconds each has taken."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock
from typing import Protocol

WINDOW_S, WINDOW_STEPS = 30.0, 4
"""A rate is that of the last seconds, and of this many steps at least: blocks may be slow."""

IDLE_S = 10.0
"""After so long without a new row a stage counts as waiting, and says what is free."""


@dataclass(frozen=True, slots=True)
class FreeResources:
    """What a cluster has free, and of how much."""

    free_cpus: float
    cpus: float
    free_gpus: float = 0.0
    gpus: float = 0.0


@dataclass(slots=True)
class Stage:
    """One part of a job.

    Its seconds are the wall time from its begin to its end. Only one stage is worked on at a
    time, so that no second is counted twice.
    """

    name: str
    began_s: float
    total: int | None = None
    """Rows to be done, those of earlier runs included; None if unknown, or if there are none."""
    done: int = 0
    """Rows that are, those of earlier runs included."""
    earlier: int = 0
    """Of these, by earlier runs; they count into no rate."""
    errors: int = 0
    usd: float | None = None
    """Spent so far, by earlier runs too; None where nothing is bought."""
    possibly_billed_usd: float = 0.0
    """Perhaps billed on top."""
    ended_s: float | None = None
    steps: deque[tuple[float, int]] = field(default_factory=deque)
    """When how many rows were done: the last few times it moved."""

    def __post_init__(self) -> None:
        self.steps.append((self.began_s, self.done))

    def advance(self, now_s: float, more: int) -> None:
        """Count rows, and forget the steps that no rate needs any more."""
        self.done += more
        self.steps.append((now_s, self.done))
        while len(self.steps) > WINDOW_STEPS + 1 and self.steps[1][0] <= now_s - WINDOW_S:
            self.steps.popleft()

    @property
    def rows(self) -> int | None:
        """Rows done by this run; None of a stage that has no rows."""
        return None if self.total is None and not self.done else self.done - self.earlier

    def seconds(self, now_s: float) -> float:
        """Return how long it has been worked on."""
        return (now_s if self.ended_s is None else self.ended_s) - self.began_s

    def idle_s(self, now_s: float) -> float:
        """Return how long ago it moved, or began."""
        return now_s - self.steps[-1][0]

    def rate(self, now_s: float) -> float | None:
        """Return rows a second of late, those of this run alone; None before the first."""
        first_s, first = self.steps[0]
        if self.done == first or now_s <= first_s:
            return None
        return (self.done - first) / (now_s - first_s)

    def mean_rate(self, now_s: float) -> float | None:
        """Return rows a second over all its seconds; None if there were no rows."""
        seconds = self.seconds(now_s)
        return self.rows / seconds if self.rows and seconds > 0 else None

    def left_s(self, now_s: float) -> float | None:
        """Return the seconds until all rows are done at the present rate; None if unknown."""
        rate = self.rate(now_s)
        return None if rate is None or self.total is None else (self.total - self.done) / rate


class Display(Protocol):
    """What shows the stages of a job."""

    def refresh(self, stages: "Stages") -> None:
        """Show how far the job is; called about once a second."""

    def ended(self, stages: "Stages", stage: Stage) -> None:
        """Show what a stage has come to."""

    def stop(self) -> None:
        """Show no more."""


class Stages:
    """The stages of a job, one after the other: to begin one ends the one before.

    Parameters
    ----------
    display : Display, optional
        Default: nobody is told.
    clock : callable
        Seconds from anywhere, as `time.perf_counter` has them.
    """

    def __init__(
        self, display: Display | None = None, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.all: list[Stage] = []
        self.waiting: tuple[str, ...] = ()
        """Stages yet to come; each waits for the one before it."""
        self.spare: FreeResources | None = None
        """What the cluster has free, while the present stage waits."""
        self.ask_spare: Callable[[], FreeResources | None] = lambda: None
        self.began_s = clock()
        self._display, self._clock = display, clock
        self._lock = RLock()

    @property
    def current(self) -> Stage | None:
        """The stage that is worked on."""
        return self.all[-1] if self.all and self.all[-1].ended_s is None else None

    def now_s(self) -> float:
        """Return the time."""
        return self._clock()

    def seconds(self) -> float:
        """Return how old the job is."""
        return self.now_s() - self.began_s

    def plan(self, *names: str) -> None:
        """Say which stages are to come; one that is left out later is forgotten then."""
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
        """Begin a stage; `done` of its rows and what is spent so far are of earlier runs."""
        with self._lock:
            self.end()
            if name in self.waiting:
                self.waiting = self.waiting[self.waiting.index(name) + 1 :]
            stage = Stage(name, self.now_s(), total, done, done, 0, usd, possibly_billed_usd)
            self.all.append(stage)

    def advance(
        self, more: int = 1, *, errors: int = 0, usd: float = 0.0, possibly_billed_usd: float = 0.0
    ) -> None:
        """Count rows of the present stage; `errors` of them have failed."""
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
        """End the present stage, if there is one."""
        with self._lock:
            stage = self.current
            if stage is None:
                return
            stage.ended_s = self.now_s()
            if self._display is not None:
                self._display.ended(self, stage)

    def refresh(self) -> None:
        """Let the display catch up; to be called now and then, from any thread."""
        stage = self.current
        idle = stage is not None and stage.idle_s(self.now_s()) >= IDLE_S
        self.spare = self.ask_spare() if idle else None  # without the lock: it may take a while
        with self._lock:
            if self._display is not None:
                self._display.refresh(self)
