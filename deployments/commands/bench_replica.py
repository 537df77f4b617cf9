"""``scope bench-replica``: time one replica of each deployment on this machine."""

import sys
from pathlib import Path
from typing import Annotated

import typer

SERVE = "import typer; from deployments.commands.serve import serve; typer.run(serve)"
"""``scope serve`` without the rest of the command line, for a process of its own."""


def bench_replica(
    output: Annotated[Path, typer.Option(help="File of service times to write (JSON).")],
    config: Annotated[
        Path | None, typer.Option(help="Serve configuration (YAML); else the built-in one.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, help="For all measurements together, beside starting Serve.")
    ] = 120.0,
    prompt_tokens: Annotated[
        int, typer.Option(min=4, help="Length of the prompts that are sent through Serve.")
    ] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print the times as JSON.")] = False,
) -> None:
    """Time one replica of each deployment on this machine, and Serve around them."""
    from deployments.checks import check_config, read_config
    from deployments.commands.serve import default_config
    from deployments.planning import service_times_table
    from deployments.profiling import application_of, bench_replicas
    from scope.storage import write_json

    settings = read_config(config or default_config())
    check_config(settings)
    times = bench_replicas(
        application_of(settings),
        [sys.executable, "-c", SERVE],
        prompt_tokens=prompt_tokens,
        seconds=seconds,
        tell=lambda line: typer.echo(line, err=True),
    )
    write_json(output, times.model_dump(mode="json"))
    if as_json:
        typer.echo(times.model_dump_json())
    else:
        typer.echo(service_times_table(times))
        typer.echo(f"written to {output}")
