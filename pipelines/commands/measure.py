"""``scope measure``: run the models of a pool on questions; record outcomes and costs."""

import asyncio
import math
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.commands.measure_display import show_quote, show_summary
from pipelines.commands.options import Pool
from pipelines.measure import (
    ANCHOR_RESULTS,
    OUTCOMES,
    Call,
    CallKey,
    CallResult,
    EarlierResults,
    Journal,
    MeasurementRequest,
    MeasureProgress,
    Quote,
    RequestSettings,
    SpendCap,
    check_folder_collisions,
    check_questions,
    check_settings,
    measure,
    plan_calls,
    summary,
    write_anchor_results,
    write_outcomes,
)
from pipelines.terminal import err, out, progress
from scope.errors import ConfigError
from scope.pool import load_pool
from scope.questions import GRADER_NAMES
from scope.routing import format_usd
from scope.upstream import OPENROUTER, EndpointConfig, RetryPolicy

KEY_VARIABLE = "OPENROUTER_API_KEY"


def measure_pool(
    questions: Annotated[
        Path, typer.Option(help="Questions (.jsonl, .json, .parquet), or a bank with prompts.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the results; continued if it has any.")],
    models: Annotated[str | None, typer.Option(help="Model ids, separated by commas.")] = None,
    pool: Pool = None,
    plan: Annotated[
        Path | None, typer.Option(help="Only the anchors of a `scope bank add-model --plan` file.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="Price file; else the bank's and the published ones.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first questions.")] = None,
    grader: Annotated[
        str, typer.Option(help=f"{GRADER_NAMES}; a question's own `grader` goes first.")
    ] = "auto",
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer in tokens.")] = 4096,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="Sampling temperature.")] = 0.0,
    concurrency: Annotated[int, typer.Option(min=1, help="Most calls in flight.")] = 16,
    rate: Annotated[float | None, typer.Option(help="Most requests per second.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds per attempt.")] = 300.0,
    attempts: Annotated[
        int, typer.Option(min=1, help="Attempts in one run before a call fails.")
    ] = 5,
    budget_usd: Annotated[
        float | None,
        typer.Option(
            help="Start no call that could exceed this total, earlier runs included, USD."
        ),
    ] = None,
    base_url: Annotated[str, typer.Option(help="URL of an OpenAI-compatible API.")] = OPENROUTER,
    key_variable: Annotated[
        str, typer.Option(help="Environment variable with the API key.")
    ] = KEY_VARIABLE,
    keep_answers: Annotated[
        bool, typer.Option("--keep-answers", help="Keep the text of answers in the journal.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the expected cost and call no model.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Set earlier results aside and make every call again.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print two JSON lines: quote and done.")
    ] = False,
) -> None:
    """Run the models of a pool on questions; record their outcomes and costs."""
    check_positive(budget_usd=budget_usd, rate=rate, timeout=timeout)
    request = MeasurementRequest(
        questions=questions,
        models=_models(models, pool),
        prices=prices,
        plan=plan,
        limit=limit,
        grader=grader,
        max_tokens=max_tokens,
    )
    calls = plan_calls(request)
    check_folder_collisions(call.model.id for call in calls)
    settings = {
        "base_url": base_url,
        "grader": grader,
        "max_tokens": max_tokens,
        "temperature": temperature,
    }
    if dry_run:
        history = EarlierResults({}) if fresh else _history(output, settings, calls)
        _show_quote(calls, history, as_json=as_json)
        return
    endpoint = EndpointConfig(
        base_url,
        api_key(key_variable),
        concurrency=concurrency,
        rate=rate,
        timeout_s=timeout,
        retries=RetryPolicy(attempts=attempts),
    )
    request_settings = RequestSettings(
        endpoint=endpoint, temperature=temperature, keep_answers=keep_answers
    )
    with Journal(output, settings, fresh=fresh) as journal:  # locked: no other run adds to it
        history = _history(output, settings, calls)
        pending = _show_quote(calls, history, as_json=as_json)
        cap_usd = math.inf if budget_usd is None else budget_usd
        spend_cap = SpendCap(cap_usd, history.usd, history.possibly_billed_usd)
        try:
            with progress(as_json=as_json) as stages:
                measured = MeasureProgress(len(pending), spend_cap)
                asyncio.run(measure(pending, request_settings, journal, measured, stages))
        finally:
            rows = _write(output, calls, measured, as_json=as_json)
    _report(output, calls, rows, budget_usd, as_json=as_json)


def _show_quote(calls: list[Call], history: EarlierResults, *, as_json: bool) -> list[Call]:
    """Print the expected cost of the calls still to make; return them."""
    check_folder_collisions(
        [call.model.id for call in calls] + [row.model for row in history.rows.values()]
    )
    pending = history.pending(calls)
    show_quote(Quote.from_calls(pending), len(calls) - len(pending), as_json=as_json)
    return pending


def _write(
    output: Path, calls: list[Call], measured: MeasureProgress, *, as_json: bool
) -> dict[CallKey, CallResult]:
    """Write the results of all runs, whether or not this one failed, and print them."""
    rows = EarlierResults.read(output).rows
    write_outcomes(output, rows.values())
    write_anchor_results(output, rows.values())
    models = [call.model.id for call in calls]
    known = dict.fromkeys((*models, *sorted({row.model for row in rows.values()})))
    show_summary(summary(rows.values(), list(known)), measured, as_json=as_json)
    return rows


def _report(
    output: Path,
    calls: list[Call],
    rows: dict[CallKey, CallResult],
    budget_usd: float | None,
    *,
    as_json: bool,
) -> None:
    """Print where the results are; exit code 1 if calls failed or were not made."""
    n_unmade = sum(call.key not in rows for call in calls)
    n_failed = sum(call.key in rows and rows[call.key].error is not None for call in calls)
    if not as_json:
        out.print(f"results in {output}: {OUTCOMES}, {ANCHOR_RESULTS}/", soft_wrap=True)
    if n_unmade:
        err.print(
            f"{n_unmade:,} calls were not made: each could exceed the budget of "
            f"{format_usd(budget_usd or 0)}",
        )
    if n_unmade or n_failed:
        raise typer.Exit(1)


def _history(output: Path, settings: dict[str, Any], calls: list[Call]) -> EarlierResults:
    check_settings(output, settings)
    history = EarlierResults.read(output)
    check_questions(output, history.rows, calls)
    return history


def _models(models: str | None, pool: str | None) -> tuple[str, ...]:
    if models is not None and pool is not None:
        raise ConfigError("--models and --pool exclude each other; pass one of them")
    if pool is not None:
        return load_pool(pool)
    return tuple(name.strip() for name in (models or "").split(",") if name.strip())


def api_key(variable: str) -> str:
    """Return the key in an environment variable.

    Raises
    ------
    ConfigError
        If there is none.
    """
    key = os.environ.get(variable, "")
    if not key.strip():
        raise ConfigError(
            f"the environment variable {variable} is not set; put the key of the API there, or "
            "name another with --key-variable (a server without keys takes any text)"
        )
    return key


def check_positive(**values: float | None) -> None:
    """Raise `ConfigError` for the first flag whose number is not above 0; None is not given."""
    for name, value in values.items():
        if value is not None and not 0 < value < math.inf:
            flag = name.replace("_", "-")
            raise ConfigError(f"--{flag} is {value:g}; expected a number above 0")
