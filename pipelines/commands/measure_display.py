"""What ``scope measure`` prints: the expected cost and the results."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import typer

from pipelines.measure import MeasureProgress, Quote
from pipelines.terminal import err, out, table
from scope.routing import format_usd


def event(name: str, **facts: Any) -> None:  # noqa: ANN401 (JSON is anything)
    """Print one JSON line for a machine."""
    typer.echo(json.dumps({"event": name, **facts}))


def show_quote(quote: Quote, n_answered: int, judge: Quote | None = None, *, as_json: bool) -> None:
    """Print the expected cost before the first call, that of a judge besides."""
    if as_json:
        of_judge = {} if judge is None else {"judge": _judge_quote(judge)}
        event(
            "quote",
            calls=quote.n_calls,
            answered=n_answered,
            expected_usd=quote.expected_usd,
            max_usd=quote.max_usd,
            basis=quote.basis(),
            **of_judge,
        )
        return
    if judge is not None:
        out.print(
            f"judge: {judge.n_calls:,} calls to make, expected bill "
            f"{format_usd(judge.expected_usd)}, at most {format_usd(judge.max_usd)}",
            soft_wrap=True,
        )
    if not quote.n_calls:
        out.print(f"no calls left to make: {n_answered:,} were answered before")
        return
    before = f" ({n_answered:,} answered before)" if n_answered else ""
    out.print(
        f"{quote.n_calls:,} calls to make{before}: expected bill {format_usd(quote.expected_usd)} "
        f"({quote.basis()}), at most {format_usd(quote.max_usd)} before retries",
        soft_wrap=True,
    )


def _judge_quote(quote: Quote) -> dict[str, float]:
    costs = {"expected_usd": quote.expected_usd, "max_usd": quote.max_usd}
    return {"calls": quote.n_calls, **costs}


def show_summary(
    entries: Sequence[dict[str, Any]],
    measured: MeasureProgress,
    judge: dict[str, Any] | None = None,
    *,
    as_json: bool,
) -> None:
    """Print the results of all calls in the folder and their cost, the judge's included."""
    if as_json:
        of_judge = {} if judge is None else {"judge": judge}
        event("done", models=entries, **_facts(measured), **of_judge)
        return
    rows = [
        (
            entry["model"],
            f"{entry['answered']:,}",
            "–" if entry["accuracy"] is None else f"{100 * entry['accuracy']:.1f} %",
            f"{entry['ungradable']:,}",
            f"{sum(entry['errors'].values()):,}",
            format_usd(entry["usd"]),
        )
        for entry in entries
    ]
    headers = ("model", "answered", "right", "ungradable", "failed", "billed")
    out.print(table("Results by model", headers, rows))
    _show_failures(entries)
    if judge is not None:
        out.print(
            f"judge {judge['model']}: {judge['replies']:,} replies, {judge['without_score']:,} "
            f"answers without a score, billed {format_usd(judge['usd'])}",
            soft_wrap=True,
        )
    out.print(f"spent {_cost_text(measured)}", soft_wrap=True)


def _show_failures(entries: Sequence[dict[str, Any]]) -> None:
    """Print what was truncated, what failed, and the efforts that were refused."""
    if n_truncated := sum(entry["truncated"] for entry in entries):
        out.print(f"{n_truncated:,} answers were truncated at --max-tokens, so they are not graded")
    kinds = sum((Counter(entry["errors"]) for entry in entries), Counter())
    if kinds:
        failures = ", ".join(f"{kind} × {count:,}" for kind, count in kinds.most_common())
        out.print(f"failed, retried by the next run: {failures}", soft_wrap=True)
    for entry in entries:
        if entry["refused"]:
            out.print(f"{entry['model']}: {entry['refused']}", soft_wrap=True, markup=False)


def show_missing(n_unmade: int, budget_usd: float | None) -> None:
    """Print how many calls were not made for the budget."""
    if n_unmade and budget_usd is not None:
        err.print(
            f"{n_unmade:,} calls were not made: each could exceed the budget of "
            f"{format_usd(budget_usd)}"
        )


def _facts(measured: MeasureProgress) -> dict[str, Any]:
    return {
        "calls": measured.done,
        "of": measured.total,
        "failed": sum(measured.errors.values()),
        "ungradable": measured.ungradable,
        "usd": measured.spend_cap.usd,
        "possibly_billed_usd": measured.spend_cap.possibly_billed_usd,
    }


def _cost_text(measured: MeasureProgress) -> str:
    doubt = (
        f", perhaps {format_usd(measured.spend_cap.possibly_billed_usd)} more"
        if measured.spend_cap.possibly_billed_usd
        else ""
    )
    return f"{format_usd(measured.spend_cap.usd)}{doubt}"
