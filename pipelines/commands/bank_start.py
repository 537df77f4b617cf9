"""``scope bank start``: measure a pool on shipped questions, and make a bank of the answers."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pipelines.bank import NamedEncoder, check_new, save_bank_now, with_findings_of_both
from pipelines.commands.bank_table import models_table
from pipelines.commands.endpoint_options import (
    ATTEMPTS,
    CONCURRENCY,
    KEY_VARIABLE,
    TIMEOUT_S,
    Attempts,
    BaseUrl,
    Concurrency,
    Default,
    Drop,
    KeyVariable,
    MaxTokens,
    Rate,
    Rename,
    Temperature,
    Timeout,
    check_positive,
    endpoint_from_flags,
)
from pipelines.commands.measure import (
    DryRun,
    GraderName,
    KnownPrices,
    Models,
    arms_from_flags,
)
from pipelines.commands.measure_display import event, show_missing
from pipelines.commands.measuring import MadeCalls, Measuring
from pipelines.commands.options import (
    Embedders,
    NoCache,
    OnTooLong,
    Pool,
    Revisions,
    cache_folder,
    encoders_from_flags,
)
from pipelines.measure import (
    OUTCOMES,
    MeasurementRequest,
    MeasureRun,
    ParameterFlags,
    RequestSettings,
    check_folder_collisions,
    plan_calls,
    within_budget,
)
from pipelines.terminal import Stages, choice_table, out, progress
from scope import STARTER_QUESTIONS
from scope.bank import Bank, BankManifest
from scope.config import AnchorConfig, EncoderConfig
from scope.errors import BankError, ConfigError
from scope.outcomes import Outcomes, read_outcomes_table
from scope.predictor import fit_bank
from scope.questions import JUDGE_PREFIX, REFUSE, read_questions
from scope.routing import format_usd
from scope.upstream import OPENROUTER

MIN_QUESTIONS = 20
"""Fewer tell nothing about models: the interval of an accuracy would be ± 20 points."""
MAX_FAILED = 0.1
"""Share of a model's calls that may fail; with more, those that are left may be the easy ones."""


def start(
    output: Annotated[
        Path, typer.Option(help="Bank to create; its measurements go to OUTPUT-measured.")
    ],
    budget_usd: Annotated[float, typer.Option(help="Most to spend, earlier runs included, USD.")],
    pool: Pool = None,
    models: Models = None,
    questions: Annotated[
        Path, typer.Option(help="Questions, the most useful first; the first are measured.")
    ] = STARTER_QUESTIONS,
    prices: KnownPrices = None,
    on_too_long: OnTooLong = REFUSE,
    grader: GraderName = "auto",
    max_tokens: MaxTokens = 4096,
    temperature: Temperature = 0.0,
    concurrency: Concurrency = CONCURRENCY,
    rate: Rate = None,
    timeout: Timeout = TIMEOUT_S,
    attempts: Attempts = ATTEMPTS,
    drop: Drop = None,
    rename: Rename = None,
    default: Default = None,
    base_url: BaseUrl = OPENROUTER,
    key_variable: KeyVariable = KEY_VARIABLE,
    embedder: Embedders = None,
    revision: Revisions = None,
    dry_run: DryRun = False,
    no_cache: NoCache = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON lines: quote, done and bank.")
    ] = False,
) -> None:
    """Measure a pool on questions that come with the package, and make a fitted bank of it."""
    check_positive(budget_usd=budget_usd, rate=rate, timeout=timeout)
    check_new(output)
    encoders = encoders_from_flags(embedder, revision)
    request = MeasurementRequest(
        questions,
        arms_from_flags(models, pool),
        prices,
        grader=grader,
        max_tokens=max_tokens,
        temperature=temperature,
        base_url=base_url,
        on_too_long=on_too_long,
        parameters=ParameterFlags.parse(drop or (), rename or (), default or ()),
    )
    run = _run(request, output.with_name(f"{output.name}-measured"), budget_usd)
    measuring = Measuring(run, None, as_json)
    if dry_run:
        measuring.show_quote(run.history())
        return
    endpoint = endpoint_from_flags(base_url, key_variable, concurrency, rate, timeout, attempts)
    requests = RequestSettings(endpoint, temperature, parameters=request.parameters)
    made = measuring.make_calls(requests, None, budget_usd, fresh=False, fresh_judge=False)
    show_missing(made.n_unmade, budget_usd)
    _check_enough(run, made)
    with progress(as_json=as_json) as stages:
        cache = None if no_cache else cache_folder()
        bank = _bank(run, request, encoders, cache, stages)
        stages.begin("writing")
        source = f"{questions.name}: {len(bank.ids):,} questions, measured at {base_url}"
        manifest = save_bank_now(
            bank, output, (source,), command="scope bank start", inputs=[("questions", questions)]
        )
    if as_json:
        event("bank", **manifest.model_dump(mode="json"))
    else:
        _show(bank, manifest, output)


def _run(request: MeasurementRequest, folder: Path, budget_usd: float) -> MeasureRun:
    """Return the calls that the budget allows.

    Raises
    ------
    ConfigError
        If a judge is asked for, or these are fewer than `MIN_QUESTIONS` questions or two models.
    """
    calls = plan_calls(request)
    judged = (call.question.grader.name.startswith(JUDGE_PREFIX) for call in calls)
    if request.grader.startswith(JUDGE_PREFIX) or any(judged):
        raise ConfigError(
            f"{request.questions} needs a judge, which `scope bank start` does not ask; pass "
            "questions with gold answers, or use `scope measure` and `scope bank build`"
        )
    models = dict.fromkeys(call.model.id for call in calls)
    if len(models) < 2:
        raise ConfigError(f"the pool has one model, {next(iter(models))}; a router needs two")
    check_folder_collisions(models)
    affordable = within_budget(calls, budget_usd)
    n_questions = len({call.question.id for call in affordable})
    if n_questions < MIN_QUESTIONS:
        least = list(dict.fromkeys(call.question.id for call in calls))[:MIN_QUESTIONS]
        if len(least) < MIN_QUESTIONS:
            raise ConfigError(
                f"{request.questions} has {len(least)} questions; expected {MIN_QUESTIONS} or more"
            )
        usd = sum(call.expected_usd for call in calls if call.question.id in set(least))
        raise ConfigError(
            f"--budget-usd {budget_usd:g} pays for about {n_questions} questions × {len(models)} "
            f"models; {MIN_QUESTIONS} questions cost about {format_usd(usd)}"
        )
    return MeasureRun(folder, affordable, request.settings())


def _check_enough(run: MeasureRun, made: MadeCalls) -> None:
    """Raise `BankError` if too little of a model is known for a bank."""
    rows = [(call.model.id, made.rows.get(call.key)) for call in run.calls]
    n_made = Counter(model for model, row in rows if row is not None)
    n_failed = Counter(model for model, row in rows if row is not None and row.error is not None)
    n_graded = Counter(model for model, row in rows if row is not None and row.correct is not None)
    again = f"run the same command to try again, or leave it out; {run.folder} keeps all answers"
    for model in dict.fromkeys(model for model, _ in rows):
        if n_failed[model] > MAX_FAILED * n_made[model]:
            first = next(row.message for name, row in rows if name == model and row and row.error)
            raise BankError(
                f"{n_failed[model]:,} of {n_made[model]:,} calls of {model} failed, the first: "
                f"{first}; {again}"
            )
        if n_graded[model] < MIN_QUESTIONS:
            raise BankError(
                f"{n_graded[model]:,} of {n_made[model]:,} answers of {model} could be graded; "
                f"expected {MIN_QUESTIONS} or more: see --max-tokens and --grader; {again}"
            )


def _bank(
    run: MeasureRun,
    request: MeasurementRequest,
    encoders: tuple[NamedEncoder, ...],
    cache: Path | None,
    stages: Stages,
) -> Bank:
    """Return a fitted bank of the questions that were asked."""
    from pipelines.bank.build import ASSEMBLING, assemble_bank

    stages.plan("reading", *ASSEMBLING, "choosing", "writing")
    stages.begin("reading")
    specs = {call.model.id: call.model for call in run.calls}
    questions = read_questions(request.questions, on_too_long=request.on_too_long)
    source = run.folder / OUTCOMES
    table = read_outcomes_table(source)
    outcomes = Outcomes.from_table(table, questions.ids, tuple(specs), str(source))
    known_q = ~np.isnan(outcomes.correct_am).all(axis=1)
    asked = np.flatnonzero(known_q)
    bank = assemble_bank(
        questions.select(asked.tolist()),
        outcomes.select_questions(asked),
        tuple(specs.values()),
        [each.spec(EncoderConfig(), cache) for each in encoders],
        AnchorConfig(),
        stages,
    )
    return with_findings_of_both(fit_bank(bank), stages)


def _show(bank: Bank, manifest: BankManifest, output: Path) -> None:
    """Print what the bank knows, what it is good for, and what to do with it."""
    out.print(models_table(bank))
    if manifest.forecast_choice is not None:
        out.print(choice_table(manifest.forecast_choice))
    if manifest.routing_gain is None:
        out.print("Too few questions have outcomes of all models to tell whether routing pays.")
    for finding in manifest.findings:
        out.print(finding, soft_wrap=True, markup=False)
    out.print(
        f"built {output}: {len(bank.ids):,} anchors × {len(bank.models)} models\n"
        f"next: scope predict --bank {output} --query-file questions.jsonl --output results, "
        f"then scope route; or scope serve with this bank",
        soft_wrap=True,
        markup=False,
    )
