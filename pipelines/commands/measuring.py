"""A measurement as a command runs it: the quote, the calls, the results and what is printed."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

from pipelines.commands.measure_display import show_quote, show_summary
from pipelines.measure import (
    Call,
    CallKey,
    CallResult,
    EarlierResults,
    Judging,
    MeasureProgress,
    MeasureRun,
    Quote,
    RequestSettings,
    check_folder_collisions,
    measure,
    summary,
    write_anchor_results,
    write_outcomes,
)
from pipelines.terminal import Stages, progress


class MadeCalls(NamedTuple):
    """The latest result of every call of a folder, and what is missing of those asked for."""

    rows: dict[CallKey, CallResult]
    n_failed: int
    n_unmade: int
    """Calls that could have exceeded the budget."""
    n_unjudged: int
    """Answers without the score of a judge."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """A run of calls, with the judge of its answers if any needs one."""

    run: MeasureRun
    judging: Judging | None
    as_json: bool

    def show_quote(self, history: EarlierResults) -> list[Call]:
        """Print the expected cost of the calls still to make; return them."""
        calls = self.run.calls
        check_folder_collisions(
            [call.model.id for call in calls] + [row.model for row in history.rows.values()]
        )
        pending, judge = history.pending(calls), None
        if self.judging is not None:
            judge = self.judging.quote(calls, history.rows, self.judging.history())
        n_answered = len(calls) - len(pending)
        show_quote(Quote.from_calls(pending), n_answered, judge, as_json=self.as_json)
        return pending

    def make_calls(
        self,
        requests: RequestSettings,
        asking: RequestSettings | None,
        budget_usd: float | None,
        *,
        fresh: bool,
        fresh_judge: bool,
    ) -> MadeCalls:
        """Print the quote, make the calls that are missing, write and print the results."""
        with ExitStack() as open_journals:  # locked: no other run adds to them
            journal = open_journals.enter_context(self.run.open_journal(fresh=fresh))
            history = self.run.history()
            spent, judged = history, None
            if self.judging is not None:
                judged = open_journals.enter_context(self.judging.open_journal(fresh=fresh_judge))
                spent = history.and_costs_of(self.judging.history())
            pending = self.show_quote(history)
            measured = MeasureProgress.after(spent, len(pending), budget_usd)

            async def work(stages: Stages) -> None:
                await measure(pending, requests, journal, measured, stages)
                if self.judging is not None and asking is not None and judged is not None:
                    cap = measured.spend_cap
                    await self.judging.judge_answers(self.run.calls, asking, judged, cap, stages)

            try:
                with progress(as_json=self.as_json) as stages:
                    asyncio.run(work(stages))
            finally:
                made = self._write(measured)
        return made

    def _write(self, measured: MeasureProgress) -> MadeCalls:
        """Write the results of all runs, whether or not this one failed, and print them."""
        run, judging = self.run, self.judging
        rows, n_unjudged, judge = EarlierResults.read(run.folder).rows, 0, None
        if judging is not None:
            rows, n_unjudged = judging.score(run.calls, rows)
            replies = judging.history()
            ungraded = (row.correct is None and row.error is None for row in rows.values())
            measured.ungradable = sum(ungraded)
            judge = {
                "model": judging.judge.name,
                "replies": sum(row.error is None for row in replies.rows.values()),
                "without_score": n_unjudged,
                "usd": replies.usd,
            }
        write_outcomes(run.folder, rows.values())
        write_anchor_results(run.folder, rows.values())
        arms = [call.model.id for call in run.calls]
        known = dict.fromkeys((*arms, *sorted({row.model for row in rows.values()})))
        show_summary(summary(rows.values(), list(known)), measured, judge, as_json=self.as_json)
        made = [rows.get(call.key) for call in run.calls]
        n_failed = sum(row is not None and row.error is not None for row in made)
        return MadeCalls(rows, n_failed, made.count(None), n_unjudged)
