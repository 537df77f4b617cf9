"""Stages as text and JSON: for a log, a terminal, a machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group

from pipelines.terminal.console import table
from pipelines.terminal.stages import IDLE_S, FreeResources, Stage, Stages
from scope.routing import format_usd

UNKNOWN = "–"


def rows_text(stage: Stage, *, share: bool = True) -> str:
    """Return the rows done, of how many, and their share."""
    if stage.total is None:
        return "" if stage.rows is None else f"{stage.done:,}"
    percent = f" ({100 * stage.done / stage.total:.0f} %)" if share and stage.total else ""
    return f"{stage.done:,} of {stage.total:,}{percent}"


def number_text(rate: float) -> str:
    """Return a rate with two significant digits, or as a whole number from 10."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def rate_text(rate: float | None) -> str:
    """Return a rate as rows per second."""
    return f"{UNKNOWN if rate is None else number_text(rate)}/s"


def clock_text(seconds: float | None) -> str:
    """Return seconds as minutes and seconds, or with hours; a dash if unknown."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bill_text(stage: Stage) -> str:
    """Return the failures and the money spent, where there are any."""
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
    """Return how long no row was done, and the free resources; empty below `IDLE_S`."""
    idle_s = stage.idle_s(now_s)
    if stage.rows is None or idle_s < IDLE_S:
        return ""
    if spare is None:
        return f"nothing new for {idle_s:.0f} s"
    text = f"waiting{'' if stage.rows else ' for the first row'} since {idle_s:.0f} s"
    text += f"; free CPUs {spare.free_cpus:g} of {spare.cpus:g}"
    if spare.gpus:
        text += f", GPUs {spare.free_gpus:g} of {spare.gpus:g}"
    full = [
        name
        for name, free, of in (
            ("CPU", spare.free_cpus, spare.cpus),
            ("GPU", spare.free_gpus, spare.gpus),
        )
        if of and free <= 0
    ]
    return f"{text}: a new worker must wait for a {' and a '.join(full)}" if full else text


def progress_line(stage: Stage, now_s: float, spare: FreeResources | None) -> str:
    """Return the progress of a stage as a line of a log."""
    if stage.rows is None:
        return _line(stage.name, clock_text(stage.seconds(now_s)))
    left = f"{clock_text(stage.left_s(now_s))} left" if stage.total is not None else ""
    waiting = waiting_text(stage, now_s, spare)
    rate = rate_text(stage.rate(now_s))
    return _line(stage.name, rows_text(stage), rate, left, bill_text(stage), waiting)


def summary_line(stage: Stage) -> str:
    """Return the summary of a stage as a line of a log."""
    seconds = stage.seconds(0.0)
    took = f"took {clock_text(seconds)}" if seconds >= 60 else f"took {seconds:.1f} s"
    if stage.rows is None:
        return _line(stage.name, took)
    whole = stage.total is None or stage.done == stage.total
    count = f"{stage.done:,} rows" if whole else rows_text(stage)
    if stage.earlier:
        count += f", {stage.earlier:,} by earlier runs"
    rate = rate_text(stage.mean_rate(0.0)) if stage.rows else ""
    return _line(stage.name, count, rate, took, bill_text(stage))


def progress_event(stages: Stages, stage: Stage) -> dict[str, Any]:
    """Return the progress of a stage as JSON; None where unknown."""
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
    """Return the summary of a stage as JSON."""
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
    """Return the table of the seconds that each stage took."""
    whole_s = stages.seconds()
    found = totals(stages.all, stages.now_s())
    rows = [_table_row(total, whole_s) for total in found]
    rows.append(("total", "", f"{whole_s:.1f}", "", "100 %", ""))
    headers = ("stage", "rows", "seconds", "rows/s", "share", "failed")
    shown = 6 if any(total.errors for total in found) else 5
    return table("Seconds per stage", headers[:shown], [row[:shown] for row in rows])


@dataclass(frozen=True, slots=True)
class StageTotal:
    """The sum over all stages of one name."""

    name: str
    rows: int | None
    errors: int
    seconds: float


def totals(stages: Sequence[Stage], now_s: float) -> list[StageTotal]:
    """Add up the stages of each name, in the order of their first stage."""
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


def _table_row(total: StageTotal, whole_s: float) -> tuple[str, ...]:
    rate = number_text(total.rows / total.seconds) if total.rows and total.seconds else UNKNOWN
    count = UNKNOWN if total.rows is None else f"{total.rows:,}"
    share = f"{100 * total.seconds / whole_s:.0f} %" if whole_s else UNKNOWN
    return total.name, count, f"{total.seconds:.1f}", rate, share, f"{total.errors:,}"
