"""``scope measure``: run the arms of a pool on questions; record outcomes and costs."""

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
from pipelines.commands.measure_display import show_missing
from pipelines.commands.measuring import Measuring
from pipelines.commands.options import OnTooLong, Pool
from pipelines.measure import (
    ANCHOR_RESULTS,
    JUDGEMENTS,
    OUTCOMES,
    EarlierResults,
    MeasurementRequest,
    MeasureRun,
    ParameterFlags,
    PlanFile,
    RequestSettings,
    check_folder_collisions,
    plan_calls,
)
from pipelines.terminal import out
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
    arms = arms_from_flags(models, pool)
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
    measuring = Measuring(run, judging, as_json)
    if endpoint is None:
        measuring.show_quote(EarlierResults({}) if fresh else run.history())
        return
    keep_answers = keep_answers or judging is not None
    requests = RequestSettings(endpoint, temperature, keep_answers, parameters=parameters)
    fresh_judge = fresh and judge_check is None
    made = measuring.make_calls(requests, asking, budget_usd, fresh=fresh, fresh_judge=fresh_judge)
    if not as_json:
        names = f"{OUTCOMES}, {ANCHOR_RESULTS}/" + (f", {JUDGEMENTS}" if judging else "")
        out.print(f"results in {output}: {names}", soft_wrap=True)
    show_missing(made.n_unmade, budget_usd)
    if made.n_unmade or made.n_failed or made.n_unjudged:
        raise typer.Exit(1)


def _questions_of(plan: Path | None) -> Path | None:
    """Return where the texts of a plan are."""
    return None if plan is None else PlanFile.read(plan).questions(plan)


def arms_from_flags(models: str | None, pool: str | None) -> tuple[str, ...]:
    """Return the names of the arms; empty without any."""
    if models is not None and pool is not None:
        raise ConfigError("--models and --pool exclude each other; pass one of them")
    return load_pool(pool) if pool is not None else names_in(models or "")
