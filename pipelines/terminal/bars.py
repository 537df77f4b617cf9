"""The stages of a job as live bars on a terminal."""

from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipelines.terminal.stage_text import bill_text, clock_text, rate_text, rows_text, waiting_text
from pipelines.terminal.stages import Stage, Stages

BAR_WIDTH = 20
LEFT: Final = "left"
RIGHT: Final = "right"


class Bars:
    """One row per stage, removed at the end, when the table of seconds is printed."""

    def __init__(self, console: Console) -> None:
        # Standard output may be a file: only standard error is put above the bars.
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False
        )

    def refresh(self, stages: Stages) -> None:
        """Redraw the stages."""
        self._live.start()  # not earlier: a command that fails at once draws nothing
        self._live.update(bars(stages), refresh=True)

    def ended(self, stages: Stages, stage: Stage) -> None:
        """Do nothing: the next refresh shows it."""

    def stop(self) -> None:
        """Remove the bars."""
        self._live.stop()


def bars(stages: Stages) -> RenderableType:
    """Return the stages as rows: ended, current and waiting."""
    now_s = stages.now_s()
    view = Table.grid(padding=(0, 2))
    view.add_column(no_wrap=True)
    view.add_column(max_width=BAR_WIDTH)  # a narrow terminal takes its width from the bars
    for justify in RIGHT, RIGHT, LEFT, LEFT:
        view.add_column(justify=justify, no_wrap=True)
    for stage in stages.all:
        view.add_row(*_row(stage, now_s))
    current = stages.current
    if current is None:
        return view
    waiting = waiting_text(current, now_s, stages.spare)
    then = ", then ".join(stages.waiting)
    below = [
        Text(waiting, style="yellow") if waiting else None,
        Text(f"waiting for {current.name}: {then}", style="dim") if then else None,
    ]
    return Group(view, *(text for text in below if text is not None))


def _row(stage: Stage, now_s: float) -> tuple[RenderableType, ...]:
    ended = stage.ended_s is not None
    rate = stage.mean_rate(now_s) if ended else stage.rate(now_s)
    left_s = None if ended else stage.left_s(now_s)
    return (
        stage.name,
        _bar(stage, now_s),
        rows_text(stage, share=False),
        "" if rate is None else rate_text(rate),
        clock_text(stage.seconds(now_s)) if left_s is None else f"{clock_text(left_s)} left",
        bill_text(stage),
    )


def _bar(stage: Stage, now_s: float) -> RenderableType:
    if stage.total is not None:
        return ProgressBar(total=max(stage.total, 1), completed=stage.done)
    if stage.ended_s is not None:
        return ProgressBar(total=1, completed=1)
    return ProgressBar(pulse=True, animation_time=now_s)
