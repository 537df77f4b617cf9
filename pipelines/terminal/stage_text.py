"""Stages in words and numbers: for a log, a terminal, a machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group

from pipelines.terminal.console import table
from pipelines.terminal.stages import IDLE_S, FreeResources, Stage, Stages
from scope.routing import format_usd

UNKNOWN = "–"


def rows_text(stage: Stage, *, share: bool = True) -> str:
    """Return how many rows of how many are done, and their share."""
    if stage.total is None:
        return "" if stage.rows is None else f"{stage.done:,}"
    percent = f" ({100 * stage.done / stage.total:.0f} %)" if share and stage.total else ""
    return f"{stage.done:,} of {stage.total:,}{percent}"


def number_text(rate: float) -> str:
    """Return a rate with the digits that matter."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def rate_text(rate: float | None) -> str:
    """Return rows a second."""
    return f"{UNKNOWN if rate is None else number_text(rate)}/s"


def clock_text(seconds: float | None) -> str:
    """Return seconds as minutes and seconds, or with hours; a dash if unknown."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bill_text(stage: Stage) -> str:
    """Return what failed and what was spent, if either is known of."""
    parts = [f"{stage.errors:,} failed"] if stage.errors else []
    if stage.usd is not None:
        doubt = (
            f", perhaps {format_usd(stage.possibly_billed_usd)} more"
            if stage.possibly_billed_usd
            else ""
        )
        parts.append(f"spent {format_usd(stage.usd)}{doubt}")
    return "  ".join(parts)


def waiting_text(stage: Stage, now_s: float, spare: FreeResources | None) -> str:
    """Return since when nothing came, and what the cluster has free; empty if all is well."""
    idle_s = stage.idle_s(now_s)
    if stage.rows is None or idle_s < IDLE_S:
        return ""
    if spare is None:
        return f"nothing new for {idle_s:.0f} s"
    told = f"waiting{'' if stage.rows else ' for the first row'} since {idle_s:.0f} s"
    told += f"; free CPUs {spare.free_cpus:g} of {spare.cpus:g}"
    if spare.gpus:
        told += f", GPUs {spare.free_gpus:g} of {spare.gpus:g}"
    full = [
        name
        for name, free, of in (
            ("CPU", spare.free_cpus, spare.cpus),
            ("GPU", spare.free_gpus, spare.gpus),
        )
        if of and free <= 0
    ]
    return f"{told}: a new worker must wait for a {' and a '.join(full)}" if full else told


def progress_line(stage: Stage, now_s: float, spare: FreeResources | None) -> str:
    """Return how far a stage is, as a line of a log."""
    if stage.rows is None:
        return _line(stage.name, clock_text(stage.seconds(now_s)))
    left = f"{clock_text(stage.left_s(now_s))} left" if stage.total is not None else ""
    waiting = waiting_text(stage, now_s, spare)
    rate = rate_text(stage.rate(now_s))
    return _line(stage.name, rows_text(stage), rate, left, bill_text(stage), waiting)


def summary_line(stage: Stage) -> str:
    """Return what a stage has come to, as a line of a log."""
    seconds = stage.seconds(0.0)
    took = f"took {clock_text(seconds)}" if seconds >= 60 else f"took {seconds:.1f} s"
    if stage.rows is None:
        return _line(stage.name, took)
    whole = stage.total is None or stage.done == stage.total
    count = f"{stage.done:,} rows" if whole else rows_text(stage)
    if stage.earlier:
        count += f", {stage.earlier:,} of them before"
    rate = rate_text(stage.mean_rate(0.0)) if stage.rows else ""
    return _line(stage.name, count, rate, took, bill_text(stage))


def progress_event(stages: Stages, stage: Stage) -> dict[str, Any]:
    """Return how far a stage is, for a machine; what is unknown is None."""
    now_s = stages.now_s() if stage.ended_s is None else stage.ended_s
    idle_s = stage.idle_s(now_s)
    return {
        "event": "progress",
        "stage": stage.name,
        "done": stage.done,
        "total": stage.total,
        "rate_per_s": _rounded(stage.rate(now_s)),
        "left_s": _rounded(stage.left_s(now_s)),
        "errors": stage.errors,
        "usd": _rounded(stage.usd, 9),
        "possibly_billed_usd": None
        if stage.usd is None
        else _rounded(stage.possibly_billed_usd, 9),
        "waiting": _waiting(idle_s, stages.spare)
        if stage.rows is not None and idle_s >= IDLE_S and stage.ended_s is None
        else None,
        "next": list(stages.waiting),
    }


def stage_event(stage: Stage) -> dict[str, Any]:
    """Return what a stage has come to, for a machine."""
    return {
        "event": "stage",
        "stage": stage.name,
        "seconds": _rounded(stage.seconds(0.0)),
        "rows": stage.rows,
        "rows_per_s": _rounded(stage.mean_rate(0.0)),
        "errors": stage.errors,
    }


def _waiting(idle_s: float, spare: FreeResources | None) -> dict[str, Any]:
    free = {} if spare is None else {name: getattr(spare, name) for name in FreeResources.__slots__}
    return {"since_s": _rounded(idle_s), **free}


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def _line(name: str, *parts: str) -> str:
    return "  ".join((name.ljust(12), *(part for part in parts if part)))


def seconds_table(stages: Stages) -> Group:
    """Return the table at the end of a job: where its time went."""
    whole_s = stages.seconds()
    found = totals(stages.all, stages.now_s())
    rows = [_table_row(one, whole_s) for one in found]
    rows.append(("in all", "", f"{whole_s:.1f}", "", "100 %", ""))
    headers = ("stage", "rows", "seconds", "rows/s", "share", "failed")
    shown = 6 if any(one.errors for one in found) else 5
    return table("Seconds per stage", headers[:shown], [row[:shown] for row in rows])


@dataclass(frozen=True, slots=True)
class StageTotal:
    """What all stages of one name have come to."""

    name: str
    rows: int | None
    errors: int
    seconds: float


def totals(stages: Sequence[Stage], now_s: float) -> list[StageTotal]:
    """Add up the stages of each name, in the order of their first."""
    found = []
    for name in dict.fromkeys(stage.name for stage in stages):
        same = [stage for stage in stages if stage.name == name]
        rows = [stage.rows for stage in same if stage.rows is not None]
        found.append(
            StageTotal(
                name,
                sum(rows) if rows else None,
                sum(stage.errors for stage in same),
                sum(stage.seconds(now_s) for stage in same),
            )
        )
    return found


def _table_row(one: StageTotal, whole_s: float) -> tuple[str, ...]:
    rate = number_text(one.rows / one.seconds) if one.rows and one.seconds else UNKNOWN
    count = UNKNOWN if one.rows is None else f"{one.rows:,}"
    share = f"{100 * one.seconds / whole_s:.0f} %" if whole_s else UNKNOWN
    return one.name, count, f"{one.seconds:.1f}", rate, share, f"{one.errors:,}"
