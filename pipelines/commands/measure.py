"""``scope measure``: run the arms of a pool on questions; record outcomes and costs."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.endpoint_options import (
    ATTEMPTS,
    CONCURRENCY,
    KEY_VARIABLE,
    TIMEOUT_S,
    Attempts,
    BaseUrl,
    BudgetUsd,
    Concurrency,
    Default,
    Drop,
    Fresh,
    KeyVariable,
    MaxTokens,
    Rate,
    Rename,
    Temperature,
    Timeout,
    check_positive,
    endpoint_from_flags,
    names_in,
)
from pipelines.commands.measure_display import show_missing, show_quote, show_summary
from pipelines.commands.options import OnTooLong, Pool
from pipelines.measure import (
    ANCHOR_RESULTS,
    OUTCOMES,
    Call,
    CallKey,
    CallResult,
    EarlierResults,
    MeasurementRequest,
    MeasureProgress,
    MeasureRun,
    ParameterFlags,
    Quote,
    RequestSettings,
    check_folder_collisions,
    measure,
    plan_calls,
    summary,
    write_anchor_results,
    write_outcomes,
)
from pipelines.terminal import out, progress
from scope.errors import ConfigError
from scope.pool import load_pool
from scope.questions import GRADER_NAMES, REFUSE
from scope.upstream import OPENROUTER

MeasuredQuestions = Annotated[
    Path, typer.Option(help="Questions (.jsonl, .csv, .parquet, … or .gz), or a bank with prompts.")
]
ResultFolder = Annotated[
    Path, typer.Option(help="Folder for the results; continued if it has any.")
]
Models = Annotated[
    str | None,
    typer.Option(help="Models or arms (m#high, m@3: majority of 3), separated by commas."),
]
Plan = Annotated[
    Path | None, typer.Option(help="Only the anchors of a `scope bank add-model --plan` file.")
]
KnownPrices = Annotated[
    Path | None, typer.Option(help="Price file; else the bank's and the published ones.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first questions.")]
GraderName = Annotated[
    str, typer.Option(help=f"{GRADER_NAMES}; a question's own `grader` goes first.")
]
KeepAnswers = Annotated[
    bool, typer.Option("--keep-answers", help="Keep the text of answers in the journal.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the expected cost and call no model.")
]
JsonLines = Annotated[bool, typer.Option("--json", help="Print two JSON lines: quote and done.")]


def measure_pool(
    questions: MeasuredQuestions,
    output: ResultFolder,
    models: Models = None,
    pool: Pool = None,
    plan: Plan = None,
    prices: KnownPrices = None,
    limit: Limit = None,
    on_too_long: OnTooLong = REFUSE,
    grader: GraderName = "auto",
    max_tokens: MaxTokens = 4096,
    temperature: Temperature = 0.0,
    concurrency: Concurrency = CONCURRENCY,
    rate: Rate = None,
    timeout: Timeout = TIMEOUT_S,
    attempts: Attempts = ATTEMPTS,
    budget_usd: BudgetUsd = None,
    drop: Drop = None,
    rename: Rename = None,
    default: Default = None,
    base_url: BaseUrl = OPENROUTER,
    key_variable: KeyVariable = KEY_VARIABLE,
    keep_answers: KeepAnswers = False,
    dry_run: DryRun = False,
    fresh: Fresh = False,
    as_json: JsonLines = False,
) -> None:
    """Run the models of a pool on questions; record their outcomes and costs."""
    check_positive(budget_usd=budget_usd, rate=rate, timeout=timeout)
    arms = _names(models, pool)
    parameters = ParameterFlags.parse(drop or (), rename or (), default or ())
    request = MeasurementRequest(
        questions,
        arms,
        prices,
        plan,
        limit,
        grader,
        max_tokens,
        temperature,
        base_url,
        on_too_long=on_too_long,
        parameters=parameters,
    )
    run = MeasureRun(output, plan_calls(request), request.settings())
    check_folder_collisions(call.model.id for call in run.calls)
    if dry_run:
        _show_quote(run, EarlierResults({}) if fresh else run.history(), as_json=as_json)
        return
    endpoint = endpoint_from_flags(base_url, key_variable, concurrency, rate, timeout, attempts)
    requests = RequestSettings(endpoint, temperature, keep_answers, parameters=parameters)
    rows = _measure(run, requests, budget_usd, fresh=fresh, as_json=as_json)
    if not as_json:
        out.print(f"results in {output}: {OUTCOMES}, {ANCHOR_RESULTS}/", soft_wrap=True)
    n_failed = sum(call.key in rows and rows[call.key].error is not None for call in run.calls)
    n_unmade = sum(call.key not in rows for call in run.calls)
    show_missing(n_unmade, budget_usd)
    if n_unmade or n_failed:
        raise typer.Exit(1)


def _measure(
    run: MeasureRun,
    requests: RequestSettings,
    budget_usd: float | None,
    *,
    fresh: bool,
    as_json: bool,
) -> dict[CallKey, CallResult]:
    """Make the calls still to make; return the latest results of all calls in the folder."""
    with run.open_journal(fresh=fresh) as journal:  # locked: no other run adds to it
        history = run.history()
        pending = _show_quote(run, history, as_json=as_json)
        measured = MeasureProgress.after(history, len(pending), budget_usd)
        try:
            with progress(as_json=as_json) as stages:
                asyncio.run(measure(pending, requests, journal, measured, stages))
        finally:
            rows = _write(run, measured, as_json=as_json)
    return rows


def _show_quote(run: MeasureRun, history: EarlierResults, *, as_json: bool) -> list[Call]:
    """Print the expected cost of the calls still to make; return them."""
    check_folder_collisions(
        [call.model.id for call in run.calls] + [row.model for row in history.rows.values()]
    )
    pending = history.pending(run.calls)
    show_quote(Quote.from_calls(pending), len(run.calls) - len(pending), as_json=as_json)
    return pending


def _write(
    run: MeasureRun, measured: MeasureProgress, *, as_json: bool
) -> dict[CallKey, CallResult]:
    """Write the results of all runs, whether or not this one failed, and print them."""
    rows = EarlierResults.read(run.folder).rows
    write_outcomes(run.folder, rows.values())
    write_anchor_results(run.folder, rows.values())
    arms = [call.model.id for call in run.calls]
    known = dict.fromkeys((*arms, *sorted({row.model for row in rows.values()})))
    show_summary(summary(rows.values(), list(known)), measured, as_json=as_json)
    return rows


def _names(models: str | None, pool: str | None) -> tuple[str, ...]:
    if models is not None and pool is not None:
        raise ConfigError("--models and --pool exclude each other; pass one of them")
    return load_pool(pool) if pool is not None else names_in(models or "")
