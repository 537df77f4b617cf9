"""``scope plan``: how many replicas a load needs, what to expect of them, and what they cost."""

import json
from pathlib import Path
from typing import Annotated

import typer

TOKENS = "tokens, at four characters each"


def plan(
    service_times: Annotated[Path, typer.Option(help="File of `scope bench-replica`.")],
    requests_per_s: Annotated[float, typer.Option(help="Decisions per second, one prompt each.")],
    p95_ms: Annotated[float, typer.Option(help="95th percentile of a decision to stay within.")],
    prompt_tokens: Annotated[float, typer.Option(help=f"Mean length of a prompt, {TOKENS}.")] = 64,
    cache_hit_rate: Annotated[
        float, typer.Option(help="Share of prompts that were asked before, 0 to 1.")
    ] = 0.0,
    answer_s: Annotated[
        float, typer.Option(help="Mean seconds of an upstream's answer, which the Router waits.")
    ] = 0.0,
    cores: Annotated[
        int | None, typer.Option(help="CPU cores that there are; else as many as it takes.")
    ] = None,
    questions: Annotated[
        int | None, typer.Option(help="Questions to score offline with the reasoner.")
    ] = None,
    models: Annotated[int | None, typer.Option(help="Models of each of these questions.")] = None,
    query_tokens: Annotated[float, typer.Option(help="Tokens of a query with examples.")] = 1500,
    answer_tokens: Annotated[float, typer.Option(help="Tokens of the reasoner's answer.")] = 10,
    engine_tokens_per_s: Annotated[
        float | None, typer.Option(help="Tokens that one engine processes in a second.")
    ] = None,
    gpus_per_engine: Annotated[int, typer.Option(help="GPUs of one engine.")] = 1,
    prices: Annotated[
        Path | None,
        typer.Option(help="usd_per_cpu_hour and usd_per_gpu_hour, or node_types (JSON or YAML)."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Serve configuration (YAML); else the built-in one.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="File for the configuration with the planned values.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Plan replicas, batches and limits of a load, with expected latency and price."""
    from deployments.checks import read_config
    from deployments.commands.serve import default_config
    from deployments.planning import (
        UNKNOWN_PRICES,
        ComputePrices,
        Load,
        PricedPlan,
        Target,
        check_bank_measured,
        check_load,
        gpu_shares,
        make_plan,
        offline_scoring,
        write_config,
    )
    from deployments.profiling import ServiceTimes, application_of

    load = Load(requests_per_s, prompt_tokens, cache_hit_rate)
    target = Target(p95_ms / 1e3, cores, answer_s)
    check_load(load, target)
    times = ServiceTimes.load(service_times)
    source = config or default_config()
    application = application_of(read_config(source))
    check_bank_measured(application, times)
    rate = engine_tokens_per_s or times.engine_tokens_per_s(query_tokens, answer_tokens)
    priced = PricedPlan(
        plan=make_plan(times, load, target),
        prices=UNKNOWN_PRICES if prices is None else ComputePrices.load(prices),
        gpu_shares=gpu_shares(application, times),
        offline=offline_scoring(
            questions, models, query_tokens, answer_tokens, rate, gpus_per_engine
        ),
    )
    typer.echo(json.dumps(priced.to_json()) if as_json else priced.to_text())
    if write is not None:
        write_config(priced.plan, source, write)
        typer.echo(f"written to {write}", err=True)
