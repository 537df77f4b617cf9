"""``scope replay``: route logged predictions again under another policy, pool or price list."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pipelines.commands.options import Allow, Alpha, Budget, Deny, Json, MaxCost, MinQuality, Pool
from pipelines.terminal import err, format_score, out, table
from scope import EMBEDDED_BANK
from scope.arms import reprice
from scope.bank import load_bank
from scope.errors import ConfigError, join_names
from scope.pool import load_pool
from scope.prices import load_prices
from scope.routing import (
    DecisionHistory,
    LoggedDecisions,
    Objective,
    PredictionSet,
    ReplayComparison,
    RoutingResult,
    format_usd,
    load_predictions,
    restrict_models,
    route,
)


@dataclass(frozen=True, slots=True)
class ReplayInput:
    """Logged decisions, the predictions behind them, and the function that routes them again."""

    logged: LoggedDecisions
    predicted: PredictionSet
    decide: Callable[[PredictionSet, Objective], RoutingResult]
    log: DecisionHistory | None = None

    @classmethod
    def from_flags(
        cls,
        routing: Path | None,
        predictions: Path | None,
        decisions: Path | None,
        bank: Path | None,
    ) -> "ReplayInput":
        """Read the kind of log that the flags name."""
        _check_flags(routing, predictions, decisions, bank)
        if decisions is None:
            assert routing is not None  # checked
            assert predictions is not None
            return cls(LoggedDecisions.load(routing), load_predictions(predictions), route)
        log = DecisionHistory.read(decisions)
        read = load_bank(bank or EMBEDDED_BANK)
        if other_banks := [version[:12] for version in log.banks if version != read.version]:
            err.print(
                f"note: decided with bank {join_names(other_banks)}; prices and the alpha "
                f"scale are now those of bank {read.version[:12]}",
                markup=False,
            )
        return cls(log.logged, log.predicted(read), log.eligible.route, log)


def _check_flags(
    routing: Path | None, predictions: Path | None, decisions: Path | None, bank: Path | None
) -> None:
    """Raise `ConfigError` unless the flags are those of one kind of log."""
    offline = {"--routing": routing, "--predictions": predictions}
    missing = [flag for flag, path in offline.items() if path is None]
    if decisions is not None and len(missing) < len(offline):
        raise ConfigError(f"--decisions excludes {' and '.join(offline)}; replay one of the two")
    if decisions is None and missing:
        raise ConfigError(
            f"{' and '.join(missing)} missing; replay needs --routing with --predictions, or "
            "the --decisions of an endpoint"
        )
    if decisions is None and bank is not None:
        raise ConfigError("--bank goes with --decisions; --predictions name their bank")


def _with_arms(predicted: PredictionSet, arms: tuple[str, ...]) -> PredictionSet:
    """Return the predictions with the columns of all `arms`, new ones last."""
    known = predicted.model_ids
    return predicted.select_models((*known, *(arm for arm in arms if arm not in known)))


def warn_other_prices(predicted: PredictionSet) -> None:
    """Print a note if logged costs are not at the prices of `predicted`, as its alpha scale is."""
    logged_qm = predicted.predictions.estimates.cost_usd_qm
    here_qm = predicted.with_prices(predicted.models).predictions.estimates.cost_usd_qm
    other_m = (np.abs(logged_qm - here_qm) > 1e-6 * here_qm).any(axis=0)
    if other_m.any():
        models = join_names(np.array(predicted.model_ids)[other_m].tolist())
        err.print(
            f"note: the costs of {models} were logged at other prices than the bank's, which "
            "the alpha scale uses; --prices gives it those of the endpoint",
            markup=False,
        )


def replay(
    routing: Annotated[
        Path | None, typer.Option(help="Routing file of `scope route` to compare with.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Predictions that it was routed from.")
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option(help="Or: decision log of the endpoint, a folder or file.")
    ] = None,
    bank: Annotated[
        Path | None, typer.Option(help="Bank of the decision log; default: the embedded one.")
    ] = None,
    alpha: Alpha = None,
    budget: Budget = None,
    min_quality: MinQuality = None,
    max_cost: MaxCost = None,
    pool: Pool = None,
    allow: Allow = None,
    deny: Deny = None,
    prices: Annotated[
        Path | None, typer.Option(help="Price file that replaces the prices of the predictions.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Routing file to write with the new decisions.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Route logged predictions again and compare; no model is called.

    Objective, pool and prices stay as logged where no flag changes them.
    """
    past = ReplayInput.from_flags(routing, predictions, decisions, bank)
    wanted = load_pool(pool) if pool else past.logged.models
    # Several samples of a model may be in the log, or in the new pool, and not predicted.
    before = _with_arms(past.predicted, past.logged.models)
    after = _with_arms(before, wanted)
    if prices is not None:
        after = after.with_prices(reprice(after.models, load_prices(prices), str(prices)))
    narrow = restrict_models(after, wanted, tuple(allow or ()), tuple(deny or ()))
    given = (alpha, budget, min_quality, max_cost)
    target = (
        Objective(*given) if any(value is not None for value in given) else past.logged.objective
    )
    if past.log and prices is None and target.alpha is not None:
        warn_other_prices(before)
    replayed = past.decide(narrow, target)
    result = ReplayComparison.compare(past.logged, before, after, replayed)
    if output is not None:
        truth = narrow.truth()
        replayed.summary(truth).write(output, replayed.decisions(truth))
    if as_json:
        typer.echo(json.dumps({**result.to_json(), **(past.log.to_json() if past.log else {})}))
    else:
        _show(result, replayed)
        if past.log:
            _show_log(past.log)
    if replayed.overshoot_usd:
        err.print(f"the budget cannot be met: {format_usd(replayed.overshoot_usd)} too much")
        raise typer.Exit(1)


def _show(result: ReplayComparison, replayed: RoutingResult) -> None:
    rows = [
        (side.name, *format_score(side.planned), *format_score(side.realised))
        for side in result.sides
    ]
    headers = ("", "expected accuracy", "planned USD", "accuracy ± s.e.", "real USD")
    derived = ("trade_off", "optimal_alpha")
    given = [f"{k} {v:g}" for k, v in replayed.settings.items() if k not in derived]
    out.print(
        table(f"{result.n_questions:,} questions, now with {', '.join(given)}", headers, rows)
    )
    first, last = result.sides[0].planned, result.sides[-1].planned
    out.print(
        f"expected accuracy {100 * (last.accuracy - first.accuracy):+.1f} points, cost "
        f"{'-' if last.cost_usd < first.cost_usd else '+'}"
        f"{format_usd(abs(last.cost_usd - first.cost_usd))}; "
        f"{result.n_changed:,} of {result.n_questions:,} decisions change",
        soft_wrap=True,
    )
    if n_without := int((replayed.choices.model_q < 0).sum()):
        out.print(f"{n_without:,} have no model left; the last line leaves them out")


def _show_log(log: DecisionHistory) -> None:
    """Print the real cost of the logged decisions, and what the comparison leaves out."""
    n_decided = len(log.logged.model_of)
    if log.n_with_cost:
        out.print(
            f"real cost as logged: {format_usd(log.real_cost_usd)} for {log.n_with_cost:,} of "
            f"{n_decided:,} requests"
            + ("; the others are unknown" if log.n_with_cost < n_decided else "")
        )
    if log.n_skipped:
        out.print(f"left out: {log.n_skipped:,} requests for which no policy chose")
    if log.n_truncated:
        out.print(f"skipped: {log.n_truncated:,} truncated lines")
