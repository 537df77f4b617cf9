"""Where the time of a job went: its seconds per stage, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group

from pipelines.console import table
from pipelines.stage_text import UNKNOWN, number_text
from pipelines.stages import Stage, Stages


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
