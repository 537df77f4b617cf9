"""``scope measure``: run the arms of a pool on questions; record outcomes and costs."""

import asyncio
from contextlib import ExitStack
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
from pipelines.commands.judge_check import check_judge, is_below
from pipelines.commands.judge_options import (
    FLOOR,
    JudgeBaseUrl,
    JudgeCheck,
    JudgeFlags,
    JudgeFloor,
    JudgeItself,
    JudgeKeyVariable,
    JudgeRubric,
    JudgeVotes,
)
from pipelines.commands.measure_display import show_missing, show_quote, show_summary
from pipelines.commands.options import OnTooLong, Pool
from pipelines.measure import (
    ANCHOR_RESULTS,
    JUDGEMENTS,
    OUTCOMES,
    Call,
    CallKey,
    CallResult,
    EarlierResults,
    Judging,
    MeasurementRequest,
    MeasureProgress,
    MeasureRun,
    ParameterFlags,
    PlanFile,
    Quote,
    RequestSettings,
    check_folder_collisions,
    measure,
    plan_calls,
    summary,
    write_anchor_results,
    write_outcomes,
)
from pipelines.terminal import Stages, out, progress
from scope.errors import ConfigError
from scope.pool import load_pool
from scope.questions import GRADER_NAMES, REFUSE
from scope.upstream import OPENROUTER

MeasuredQuestions = Annotated[
    Path | None,
    typer.Option(
        help="Questions (.jsonl, .csv, .parquet, … or .gz), or a bank with prompts; else those of "
        "the plan."
    ),
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
    Path | None, typer.Option(help="Price file; else the plan's, the bank's and published ones.")
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
    output: ResultFolder,
    questions: MeasuredQuestions = None,
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
    judge_base_url: JudgeBaseUrl = None,
    judge_key_variable: JudgeKeyVariable = None,
    judge_rubric: JudgeRubric = None,
    judge_votes: JudgeVotes = 1,
    judge_check: JudgeCheck = None,
    judge_floor: JudgeFloor = FLOOR,
    judge_itself: JudgeItself = False,
    keep_answers: KeepAnswers = False,
    dry_run: DryRun = False,
    fresh: Fresh = False,
    as_json: JsonLines = False,
) -> None:
    """Run the models of a pool on questions; record their outcomes and costs."""
    check_positive(budget_usd=budget_usd, rate=rate, timeout=timeout)
    arms = _names(models, pool)
    parameters = ParameterFlags.parse(drop or (), rename or (), default or ())
    questions = questions or _questions_of(plan)
    if questions is None and judge_check is None:
        raise ConfigError("no questions to measure; pass --questions, --plan or --judge-check")
    request = MeasurementRequest(
        questions or Path(),
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
    run = MeasureRun(output, plan_calls(request) if questions else [], request.settings())
    check_folder_collisions(call.model.id for call in run.calls)
    flags = JudgeFlags(
        judge_base_url,
        judge_key_variable,
        judge_rubric,
        judge_votes,
        judge_check,
        judge_floor,
        judge_itself,
    )
    judging, asking, endpoint = flags.judging(request, run.calls, output), None, None
    if not dry_run:
        endpoint = endpoint_from_flags(base_url, key_variable, concurrency, rate, timeout, attempts)
    if judging is not None and endpoint is not None:
        asking = flags.requests(judging.judge, request, endpoint, key_variable)
    if judging is not None and judge_check is not None:
        report = check_judge(judging, judge_check, asking, budget_usd, fresh=fresh, as_json=as_json)
        if report is not None and is_below(report, judge_floor, judging.judge.name):
            raise typer.Exit(1)
    if not questions:
        return
    if endpoint is None:
        _show_quote(run, EarlierResults({}) if fresh else run.history(), judging, as_json=as_json)
        return
    keep_answers = keep_answers or judging is not None
    requests = RequestSettings(endpoint, temperature, keep_answers, parameters=parameters)
    fresh_judge = fresh and judge_check is None
    rows, n_unjudged = _measure(
        run,
        requests,
        budget_usd,
        judging,
        asking,
        fresh=fresh,
        fresh_judge=fresh_judge,
        as_json=as_json,
    )
    if not as_json:
        names = f"{OUTCOMES}, {ANCHOR_RESULTS}/" + (f", {JUDGEMENTS}" if judging else "")
        out.print(f"results in {output}: {names}", soft_wrap=True)
    n_failed = sum(call.key in rows and rows[call.key].error is not None for call in run.calls)
    n_unmade = sum(call.key not in rows for call in run.calls)
    show_missing(n_unmade, budget_usd)
    if n_unmade or n_failed or n_unjudged:
        raise typer.Exit(1)


def _measure(
    run: MeasureRun,
    requests: RequestSettings,
    budget_usd: float | None,
    judging: Judging | None,
    asking: RequestSettings | None,
    *,
    fresh: bool,
    fresh_judge: bool,
    as_json: bool,
) -> tuple[dict[CallKey, CallResult], int]:
    """Make the calls still to make; return the latest results, and the answers without score."""
    with ExitStack() as open_journals:  # locked: no other run adds to them
        journal = open_journals.enter_context(run.open_journal(fresh=fresh))
        history = run.history()
        spent, judged = history, None
        if judging is not None:
            judged = open_journals.enter_context(judging.open_journal(fresh=fresh_judge))
            spent = history.and_costs_of(judging.history())
        pending = _show_quote(run, history, judging, as_json=as_json)
        measured = MeasureProgress.after(spent, len(pending), budget_usd)

        async def work(stages: Stages) -> None:
            await measure(pending, requests, journal, measured, stages)
            if judging is not None and asking is not None and judged is not None:
                cap = measured.spend_cap
                await judging.judge_answers(run.calls, asking, judged, cap, stages)

        try:
            with progress(as_json=as_json) as stages:
                asyncio.run(work(stages))
        finally:
            written = _write(run, measured, judging, as_json=as_json)
    return written


def _show_quote(
    run: MeasureRun, history: EarlierResults, judging: Judging | None, *, as_json: bool
) -> list[Call]:
    """Print the expected cost of the calls still to make; return them."""
    check_folder_collisions(
        [call.model.id for call in run.calls] + [row.model for row in history.rows.values()]
    )
    pending = history.pending(run.calls)
    judge = None
    if judging is not None:
        judge = judging.quote(run.calls, history.rows, judging.history())
    show_quote(Quote.from_calls(pending), len(run.calls) - len(pending), judge, as_json=as_json)
    return pending


def _write(
    run: MeasureRun, measured: MeasureProgress, judging: Judging | None, *, as_json: bool
) -> tuple[dict[CallKey, CallResult], int]:
    """Write the results of all runs, whether or not this one failed, and print them."""
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
    show_summary(summary(rows.values(), list(known)), measured, judge, as_json=as_json)
    return rows, n_unjudged


def _questions_of(plan: Path | None) -> Path | None:
    """Return where the texts of a plan are."""
    return None if plan is None else PlanFile.read(plan).questions(plan)


def _names(models: str | None, pool: str | None) -> tuple[str, ...]:
    if models is not None and pool is not None:
        raise ConfigError("--models and --pool exclude each other; pass one of them")
    return load_pool(pool) if pool is not None else names_in(models or "")
