"""``scope samples draw``: draw responses of models to prompts."""

import json
from dataclasses import asdict
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
from pipelines.commands.measure_display import show_missing, show_quote
from pipelines.commands.options import Json, OnTooLong
from pipelines.config import JobConfig
from pipelines.measure import ParameterFlags, PricedArm, Quote, RequestSettings
from pipelines.samples import (
    RESPONSES,
    SAMPLES,
    DrawRequest,
    DrawRun,
    DrawSummary,
    check_models,
    plan_draws,
    priced_models,
)
from pipelines.terminal import out, progress, table
from scope.arms import Arm
from scope.errors import ConfigError
from scope.pool import ModelSpec
from scope.questions import REFUSE
from scope.routing import format_usd
from scope.upstream import OPENROUTER

Prompts = Annotated[Path, typer.Option(help="Prompts (.jsonl, .json, .parquet, .csv).")]
SampleFolder = Annotated[
    Path, typer.Option(help="Folder for the samples; continued if it has any.")
]
Models = Annotated[str, typer.Option(help="Models, as m or m#high, separated by commas.")]
NSamples = Annotated[int, typer.Option("-n", "--n", min=1, help="Samples of a model on a prompt.")]
TopP = Annotated[float, typer.Option(min=0, max=1, help="Nucleus of the sampling.")]
Seed = Annotated[
    int | None, typer.Option(help="Sample i is drawn with seed + i; else no seed is sent.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first prompts.")]
KnownPrices = Annotated[Path | None, typer.Option(help="Price file; else the published ones.")]
LocalCheckpoint = Annotated[
    str | None, typer.Option(help="Draw locally by vLLM: a Hugging Face name or a folder.")
]
JobFile = Annotated[Path | None, typer.Option(help="Job file whose `engine` says how vLLM runs.")]
Engines = Annotated[int, typer.Option(min=1, help="Engines at the same time.")]


def draw(
    prompts: Prompts,
    output: SampleFolder,
    models: Models,
    n: NSamples = 1,
    temperature: Temperature = 1.0,
    top_p: TopP = 1.0,
    max_tokens: MaxTokens = 500,
    seed: Seed = None,
    limit: Limit = None,
    on_too_long: OnTooLong = REFUSE,
    prices: KnownPrices = None,
    budget_usd: BudgetUsd = None,
    drop: Drop = None,
    rename: Rename = None,
    default: Default = None,
    base_url: BaseUrl = OPENROUTER,
    key_variable: KeyVariable = KEY_VARIABLE,
    concurrency: Concurrency = CONCURRENCY,
    rate: Rate = None,
    timeout: Timeout = TIMEOUT_S,
    attempts: Attempts = ATTEMPTS,
    checkpoint: LocalCheckpoint = None,
    config: JobFile = None,
    llm_replicas: Engines = 1,
    fresh: Fresh = False,
    as_json: Json = False,
) -> None:
    """Draw n responses of each model to each prompt, from an API or a local vLLM."""
    check_positive(budget_usd=budget_usd, rate=rate, timeout=timeout)
    names = names_in(models)
    request = DrawRequest(
        prompts,
        names,
        n,
        temperature,
        top_p,
        max_tokens,
        seed,
        prices=prices,
        limit=limit,
        parameters=ParameterFlags.parse(drop or (), rename or (), default or ()),
        on_too_long=on_too_long,
    )
    if checkpoint is not None:
        run = _local_run(request, output, checkpoint)
        engines = (checkpoint, config, llm_replicas)
        summary = _draw_locally(run, request, engines, fresh=fresh, as_json=as_json)
    else:
        calls = plan_draws(request, priced_models(request))
        run = DrawRun(output, calls, request.settings(base_url))
        endpoint = endpoint_from_flags(base_url, key_variable, concurrency, rate, timeout, attempts)
        requests = request.of_endpoint(endpoint)
        summary = _draw_from(run, requests, budget_usd, fresh=fresh, as_json=as_json)
    show_missing(summary.n_unmade, None if checkpoint else budget_usd)
    if summary.n_unmade or summary.errors:
        raise typer.Exit(1)


def _draw_from(
    run: DrawRun,
    requests: RequestSettings,
    budget_usd: float | None,
    *,
    fresh: bool,
    as_json: bool,
) -> DrawSummary:
    """Draw from an endpoint; return what all runs have drawn."""
    pending = run.calls if fresh else run.history().pending(run.calls)
    show_quote(Quote.from_calls(pending), len(run.calls) - len(pending), as_json=as_json)
    with run.open_journal(fresh=fresh) as journal:
        try:
            with progress(as_json=as_json) as stages:
                run.from_endpoint(journal, requests, budget_usd, stages)
        finally:
            summary = _report(run, as_json=as_json)
    return summary


def _local_run(request: DrawRequest, output: Path, checkpoint: str) -> DrawRun:
    check_models(request.models)
    if len(request.models) > 1:
        raise ConfigError(
            f"--checkpoint is one model, and --models names {len(request.models)}; name the one"
        )
    (name,) = request.models
    if (arm := Arm.parse(name)) != Arm(name):
        raise ConfigError(
            f"--checkpoint is a model without settings, and --models names arm {name!r}; "
            f"expected {arm.model!r}, and --n for several samples"
        )
    free = PricedArm(Arm(name), ModelSpec(id=name, usd_per_mtok_in=0, usd_per_mtok_out=0))
    return DrawRun(output, plan_draws(request, [free]), request.settings(checkpoint))


def _draw_locally(
    run: DrawRun,
    request: DrawRequest,
    where: tuple[str, Path | None, int],
    *,
    fresh: bool,
    as_json: bool,
) -> DrawSummary:
    """Draw by a checkpoint, a job file and a number of engines; return what all runs have drawn."""
    from pipelines.cluster.capacity import check_vllm

    check_vllm("--checkpoint")
    checkpoint, config, n_engines = where
    engine = (JobConfig.load(config) if config else JobConfig()).engine
    from pipelines.samples.local import LocalEngines, draw_locally

    engines = LocalEngines(checkpoint, engine, n_engines)
    with run.open_journal(fresh=fresh) as journal:
        try:
            with progress(as_json=as_json) as stages:
                draw_locally(run, journal, request, engines, stages)
        finally:
            summary = _report(run, as_json=as_json)
    return summary


def _report(run: DrawRun, *, as_json: bool) -> DrawSummary:
    """Write the samples of all runs, whether or not this one failed, and print them."""
    summary = run.write()
    if not as_json:
        _print_summary(run, summary)
        return summary
    facts = [asdict(part) for part in summary.models]
    done = {"models": facts, "unmade": summary.n_unmade, "errors": dict(summary.errors)}
    typer.echo(json.dumps({"event": "done", **done, "output": str(run.folder)}))
    return summary


def _print_summary(run: DrawRun, summary: DrawSummary) -> None:
    rows = [
        (
            part.model,
            f"{part.drawn:,}",
            f"{part.failed:,}",
            f"{part.truncated:,}",
            format_usd(part.usd),
        )
        for part in summary.models
    ]
    out.print(table("Samples by model", ("model", "drawn", "failed", "cut", "billed"), rows))
    if summary.errors:
        kinds = ", ".join(f"{kind} × {n:,}" for kind, n in summary.errors.most_common())
        out.print(f"failed, retried by the next run: {kinds}", soft_wrap=True)
    out.print(f"samples in {run.folder}: {SAMPLES}, {RESPONSES}/", soft_wrap=True)
