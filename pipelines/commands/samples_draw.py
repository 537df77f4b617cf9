"""``scope samples draw``: draw responses of models to prompts."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.measure import KEY_VARIABLE, api_key, check_positive
from pipelines.commands.measure_display import show_quote
from pipelines.commands.options import Json
from pipelines.config import JobConfig
from pipelines.measure import Quote, RequestSettings
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
from pipelines.terminal import err, out, progress, table
from scope.errors import ConfigError
from scope.pool import ModelSpec
from scope.routing import format_usd
from scope.upstream import OPENROUTER, EndpointConfig, RetryPolicy


def draw(
    prompts: Annotated[Path, typer.Option(help="Prompts (.jsonl, .json, .parquet, .csv).")],
    output: Annotated[Path, typer.Option(help="Folder for the samples; continued if it has any.")],
    models: Annotated[str, typer.Option(help="Model ids, separated by commas.")],
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="Samples of a model on a prompt.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="Sampling temperature.")] = 1.0,
    top_p: Annotated[float, typer.Option(min=0, max=1, help="Nucleus of the sampling.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest response in tokens.")] = 500,
    seed: Annotated[
        int | None, typer.Option(help="Sample i is drawn with seed + i; else no seed is sent.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first prompts.")] = None,
    prices: Annotated[
        Path | None, typer.Option(help="Price file; else the published ones.")
    ] = None,
    budget_usd: Annotated[
        float | None,
        typer.Option(help="Start no call that could exceed this, earlier runs included, USD."),
    ] = None,
    base_url: Annotated[str, typer.Option(help="URL of an OpenAI-compatible API.")] = OPENROUTER,
    key_variable: Annotated[
        str, typer.Option(help="Environment variable with the API key.")
    ] = KEY_VARIABLE,
    concurrency: Annotated[int, typer.Option(min=1, help="Most calls in flight.")] = 16,
    rate: Annotated[float | None, typer.Option(help="Most requests per second.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds per attempt.")] = 300.0,
    attempts: Annotated[
        int, typer.Option(min=1, help="Attempts in one run before a call fails.")
    ] = 5,
    checkpoint: Annotated[
        str | None, typer.Option(help="Draw locally by vLLM: a Hugging Face name or a folder.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Job file whose `engine` says how vLLM runs.")
    ] = None,
    llm_replicas: Annotated[int, typer.Option(min=1, help="Engines at the same time.")] = 1,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Set earlier samples aside and draw all again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Draw n responses of each model to each prompt, from an API or a local vLLM."""
    check_positive(budget_usd=budget_usd, rate=rate, timeout=timeout)
    names = tuple(name.strip() for name in models.split(",") if name.strip())
    request = DrawRequest(
        prompts, names, n, temperature, top_p, max_tokens, seed, prices=prices, limit=limit
    )
    if checkpoint is not None:
        run = _local_run(request, output, checkpoint)
        _draw_locally(run, request, checkpoint, config, llm_replicas, fresh, as_json)
        return
    run = DrawRun(output, plan_draws(request, priced_models(request)), request.settings(base_url))
    endpoint = EndpointConfig(
        base_url,
        api_key(key_variable),
        concurrency=concurrency,
        rate=rate,
        timeout_s=timeout,
        retries=RetryPolicy(attempts=attempts),
    )
    requests = RequestSettings(
        endpoint, temperature, keep_answers=True, top_p=top_p, seed=seed, stage="drawing"
    )
    pending = run.calls if fresh else run.history().pending(run.calls)
    show_quote(Quote.from_calls(pending), len(run.calls) - len(pending), as_json=as_json)
    with run.open_journal(fresh=fresh) as journal:
        try:
            with progress(as_json=as_json) as stages:
                run.from_endpoint(journal, requests, budget_usd, stages)
        finally:
            summary = _report(run, as_json=as_json)
    _exit_if_missing(summary, budget_usd)


def _local_run(request: DrawRequest, output: Path, checkpoint: str) -> DrawRun:
    check_models(request.models)
    if len(request.models) > 1:
        raise ConfigError(
            f"--checkpoint is one model, and --models names {len(request.models)}; name the one"
        )
    free = [ModelSpec(id=name, usd_per_mtok_in=0, usd_per_mtok_out=0) for name in request.models]
    return DrawRun(output, plan_draws(request, free), request.settings(checkpoint))


def _draw_locally(
    run: DrawRun,
    request: DrawRequest,
    checkpoint: str,
    config: Path | None,
    n_engines: int,
    fresh: bool,
    as_json: bool,
) -> None:
    from pipelines.cluster.capacity import check_vllm

    check_vllm("--checkpoint")
    engine = (JobConfig.load(config) if config else JobConfig()).engine
    from pipelines.samples.local import LocalEngines, draw_locally

    engines = LocalEngines(checkpoint, engine, n_engines)
    with run.open_journal(fresh=fresh) as journal:
        try:
            with progress(as_json=as_json) as stages:
                draw_locally(run, journal, request, engines, stages)
        finally:
            summary = _report(run, as_json=as_json)
    _exit_if_missing(summary, None)


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


def _exit_if_missing(summary: DrawSummary, budget_usd: float | None) -> None:
    """Exit with code 1 if calls failed or were not made."""
    if summary.n_unmade and budget_usd is not None:
        err.print(
            f"{summary.n_unmade:,} calls were not made: each could exceed the budget of "
            f"{format_usd(budget_usd)}"
        )
    if summary.n_unmade or summary.errors:
        raise typer.Exit(1)


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
