"""``scope replay``: what another policy, pool or price list would have decided."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import err, format_score, out, table
from pipelines.options import Allow, Alpha, Budget, Deny, Json, MaxCost, MinQuality, Pool
from pipelines.past import ReplayInput, warn_other_prices
from scope.decision_log import DecisionHistory
from scope.pool import load_pool
from scope.prices import load_prices, select_specs
from scope.replay import ReplayComparison
from scope.router import Objective, restrict_models
from scope.routing import RoutingResult, format_usd


def replay(
    routing: Annotated[
        Path | None, typer.Option(help="Decisions to compare with, by `scope route`.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Predictions they were made from.")
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option(help="Decision log of the endpoint instead: folder or file.")
    ] = None,
    bank: Annotated[
        Path | None, typer.Option(help="Bank the log was decided with; default: the embedded one.")
    ] = None,
    alpha: Alpha = None,
    budget: Budget = None,
    min_quality: MinQuality = None,
    max_cost: MaxCost = None,
    pool: Pool = None,
    allow: Allow = None,
    deny: Deny = None,
    prices: Annotated[
        Path | None, typer.Option(help="Price file that replaces the one predicted with.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Routing file to write with the new decisions.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Decide logged predictions anew, calling nothing; what is not changed stays as it was."""
    past = ReplayInput.from_flags(routing, predictions, decisions, bank)
    before = after = past.predicted
    if prices is not None:
        models = before.model_ids
        after = before.with_prices(select_specs(load_prices(prices), models, str(prices)))
    wanted = load_pool(pool) if pool else past.logged.models
    narrow = restrict_models(after, wanted, tuple(allow or ()), tuple(deny or ()))
    given = (alpha, budget, min_quality, max_cost)
    target = Objective(*given) if any(value is not None for value in given) else past.logged.target
    if past.log and prices is None and target.alpha is not None:
        warn_other_prices(before)
    anew = past.decide(narrow, target)
    result = ReplayComparison.compare(past.logged, before, after, anew)
    if output is not None:
        anew.summary(narrow.truth()).write(output, anew.decisions())
    if as_json:
        typer.echo(json.dumps({**result.to_json(), **(past.log.to_json() if past.log else {})}))
    else:
        _show(result, anew)
        if past.log:
            _show_log(past.log)
    if anew.overshoot_usd:
        err.print(f"the budget cannot be met: {format_usd(anew.overshoot_usd)} too much")
        raise typer.Exit(1)


def _show(result: ReplayComparison, anew: RoutingResult) -> None:
    rows = [
        (side.name, *format_score(side.planned), *format_score(side.realised))
        for side in result.sides
    ]
    headers = ("", "expected accuracy", "planned USD", "accuracy ± s.e.", "real USD")
    asked = ", ".join(f"{k} {v:g}" for k, v in anew.settings.items() if k != "trade_off")
    out.print(table(f"{result.n_questions:,} questions, now with {asked}", headers, rows))
    first, last = result.sides[0].planned, result.sides[-1].planned
    out.print(
        f"expected accuracy {100 * (last.accuracy - first.accuracy):+.1f} points, cost "
        f"{'-' if last.cost_usd < first.cost_usd else '+'}"
        f"{format_usd(abs(last.cost_usd - first.cost_usd))}; "
        f"{result.n_changed:,} of {result.n_questions:,} decisions change",
        soft_wrap=True,
    )
    if n_without := int((anew.choices.model_q < 0).sum()):
        out.print(f"{n_without:,} have no model left: the last line is without them")


def _show_log(log: DecisionHistory) -> None:
    """Print the real bill of what was decided, and what the comparison leaves out."""
    n_decided = len(log.logged.model_of)
    if log.n_billed:
        out.print(
            f"real bill as decided: {format_usd(log.bill_usd)} for {log.n_billed:,} of {n_decided:,} "
            "requests" + ("; nobody knows the rest" if log.n_billed < n_decided else "")
        )
    if log.n_left_out:
        out.print(f"left out: {log.n_left_out:,} requests for which no policy chose")
    if log.n_truncated:
        out.print(f"skipped: {log.n_truncated:,} half lines, torn by a kill")
