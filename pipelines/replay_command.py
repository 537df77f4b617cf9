"""``scope replay``: what another policy, pool or price list would have decided."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import err, out, score_cells, table
from pipelines.options import Allow, Alpha, Budget, Deny, Json, MaxCost, MinQuality, Pool
from scope.logged import Logged
from scope.pool import load_pool
from scope.predictions_store import load_predictions
from scope.prices import load_prices, select
from scope.replay import Replay
from scope.router import Target, narrowed, route
from scope.routing import Routing, usd


def replay(
    routing: Annotated[Path, typer.Option(help="Decisions to compare with, by `scope route`.")],
    predictions: Annotated[Path, typer.Option(help="Predictions they were made from.")],
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
    logged = Logged.load(routing)
    before = load_predictions(predictions)
    models = before.predictions.models
    after = before
    if prices is not None:
        after = before.with_prices(select(load_prices(prices), models, str(prices)))
    wanted = load_pool(pool) if pool else logged.models
    narrow = narrowed(after, wanted, tuple(allow or ()), tuple(deny or ()))
    given = (alpha, budget, min_quality, max_cost)
    target = Target(*given) if any(value is not None for value in given) else logged.target
    anew = route(narrow, target)
    result = Replay.of(logged, before, after, anew)
    if output is not None:
        anew.summary(narrow.truth()).write(output, anew.decisions())
    if as_json:
        typer.echo(json.dumps(result.to_json()))
    else:
        _show(result, anew)
    if anew.overshoot_usd:
        err.print(f"the budget cannot be met: {usd(anew.overshoot_usd)} too much")
        raise typer.Exit(1)


def _show(result: Replay, anew: Routing) -> None:
    rows = [
        (side.name, *score_cells(side.planned), *score_cells(side.realised))
        for side in result.sides
    ]
    headers = ("", "expected accuracy", "planned USD", "accuracy ± s.e.", "real USD")
    asked = ", ".join(f"{k} {v:g}" for k, v in anew.settings.items() if k != "trade_off")
    out.print(table(f"{result.n_questions:,} questions, now with {asked}", headers, rows))
    first, last = result.sides[0].planned, result.sides[-1].planned
    out.print(
        f"expected accuracy {100 * (last.accuracy - first.accuracy):+.1f} points, cost "
        f"{'-' if last.cost_usd < first.cost_usd else '+'}"
        f"{usd(abs(last.cost_usd - first.cost_usd))}; "
        f"{result.n_changed:,} of {result.n_questions:,} decisions change",
        soft_wrap=True,
    )
