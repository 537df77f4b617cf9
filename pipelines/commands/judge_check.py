"""``scope measure --judge-check``: ask a judge about labelled answers and report agreement."""

import asyncio
from pathlib import Path

from pipelines.commands.measure_display import event
from pipelines.measure import (
    EarlierResults,
    JudgeReport,
    Judging,
    Quote,
    RequestSettings,
    SpendCap,
    ask_judge,
    check_parses,
    judge_report,
    read_labelled,
)
from pipelines.terminal import err, out, progress, table
from scope.routing import format_usd


def check_judge(
    judging: Judging,
    labelled: Path,
    requests: RequestSettings | None,
    budget_usd: float | None,
    *,
    fresh: bool,
    as_json: bool,
) -> JudgeReport | None:
    """Ask the judge about labelled answers; return None without `requests`, after the quote."""
    items = read_labelled(labelled)
    parts = [part for item in items for part in item.calls(judging.judge)]
    calls = list({call.key: call for part in parts for call in part}.values())
    if requests is None:
        history = EarlierResults({}) if fresh else judging.history()
        _show_quote(Quote.from_calls(history.pending(calls)), as_json=as_json)
        return None
    with judging.open_journal(fresh=fresh) as journal:
        # The cap is on the total of the folder, answers included.
        spent = judging.history().and_costs_of(EarlierResults.read(judging.output))
        _show_quote(Quote.from_calls(spent.pending(calls)), as_json=as_json)
        cap = SpendCap.after(spent, budget_usd)
        with progress(as_json=as_json) as stages:
            asyncio.run(ask_judge(calls, requests, journal, judging.folder, cap, stages))
        replies = judging.history().rows
    check_parses(calls, replies)
    report = judge_report(judging.judge, items, replies)
    _show_report(judging.judge.name, report, cap.usd - spent.usd, as_json=as_json)
    return report


def is_below(report: JudgeReport, floor: float, name: str) -> bool:
    """Return whether the agreement is below the floor, and say so."""
    if report.kappa is not None and report.kappa >= floor:
        return False
    found = "unknown" if report.kappa is None else f"{report.kappa:.2f}"
    err.print(
        f"judge {name}: kappa is {found}, below the floor of {floor:g}, so it grades nothing; name "
        "another judge, change --judge-rubric, or pass a lower --judge-floor",
        soft_wrap=True,
    )
    return True


def _show_quote(quote: Quote, *, as_json: bool) -> None:
    if as_json:
        costs = {"expected_usd": quote.expected_usd, "max_usd": quote.max_usd}
        event("judge_quote", calls=quote.n_calls, **costs)
        return
    out.print(
        f"judge check: {quote.n_calls:,} calls to make, expected bill "
        f"{format_usd(quote.expected_usd)}, at most {format_usd(quote.max_usd)}",
        soft_wrap=True,
    )


def _show_report(name: str, report: JudgeReport, usd: float, *, as_json: bool) -> None:
    if as_json:
        event("judge_check", judge=name, **report.as_json(), usd=usd)
        return
    rows = [
        ("labelled answers", f"{report.n:,}"),
        ("without a verdict", f"{report.n_failed:,}"),
        ("agreement", _share(report.agreement)),
        ("Cohen's kappa, 95 % interval", _kappa(report)),
        ("verdict changes when swapped", _share(report.swap_changes)),
        ("answer shown first wins (50 % is fair)", _share(report.first_preferred)),
        ("longer answer wins: judge", _share(report.longer_preferred)),
        ("longer answer wins: labels", _share(report.longer_labelled)),
        ("longer answer wins where labels tie", _share(report.longer_at_ties)),
        ("correlation of length and score minus label", _number(report.length_correlation)),
        ("billed", format_usd(usd)),
    ]
    shown = [row for row in rows if row[1] != "–"]
    out.print(table(f"Judge {name} against labels", ("", ""), shown))


def _kappa(report: JudgeReport) -> str:
    return f"{_number(report.kappa)} [{_number(report.kappa_low)}, {_number(report.kappa_high)}]"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
