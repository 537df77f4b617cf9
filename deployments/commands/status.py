"""``scope status``: what is going on, in a terminal or as JSON.

Ray reads its environment when it is imported, so that only functions import it.
"""

import json
import os
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scope.errors import ConfigError

if TYPE_CHECKING:
    from deployments.operate.cluster_client import ClusterClient
    from deployments.operate.metric_samples import MetricSamples
    from deployments.operate.status_reader import StatusReader

REFRESH_S = 2.0
INTERVAL_S = 10.0
"""Replicas export their metrics every 10 s: a shorter interval would show no request, or twice."""

Address = Annotated[
    str | None,
    typer.Option(
        envvar="RAY_DASHBOARD_ADDRESS",
        help="Ray's dashboard, as http://127.0.0.1:8265; else that of the Ray on this machine.",
    ),
]
Endpoint = Annotated[
    str | None, typer.Option(help="URL of the endpoint; else the one that Serve listens at.")
]
KeyVariable = Annotated[
    str | None, typer.Option(help="Environment variable with an API key of the endpoint.")
]


def status(
    address: Address = None,
    endpoint: Endpoint = None,
    key_variable: KeyVariable = None,
    config: Annotated[
        Path | None, typer.Option(help="File to check, beside what is deployed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, once.")] = False,
) -> None:
    """Show the state of a running application; exit code 1 if it is unhealthy."""
    with connect(address) as cluster:
        from deployments.operate.status_reader import StatusReader, api_key

        def check(deployed: Mapping[str, Any]) -> tuple[str, ...]:
            return _findings(deployed, config)

        key = api_key(key_variable)
        reader = StatusReader(cluster, endpoint=endpoint, key=key, check=check)
        is_live = _is_terminal() and not as_json
        if not (_live(reader) if is_live else _once(reader, as_json=as_json)):
            raise typer.Exit(1)


def connect(address: str | None) -> "ClusterClient":
    """Return a client of the cluster at an address, or of the one on this machine.

    Call it before Ray is imported: Ray's part of it uses the same token.

    Raises
    ------
    ConfigError
        If there is no Ray on this machine, or several.
    """
    from deployments.operate.cluster_client import ClusterClient, cluster_token

    token = cluster_token()
    return ClusterClient(address or _local_dashboard(has_token=token is not None), token)


def _local_dashboard(*, has_token: bool) -> str:
    if has_token:  # Ray reads it once, when it is loaded
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    from deployments.protocol.ray_internals import local_dashboards

    found = local_dashboards()
    if len(found) == 1:
        return found[0]
    what = f"the Rays on this machine have {', '.join(found)}" if found else "no Ray runs here"
    raise ConfigError(f"{what}; name the dashboard by --address, as http://127.0.0.1:8265")


def _once(reader: "StatusReader", *, as_json: bool) -> bool:
    """Print the status once; return whether it is healthy."""
    from rich.console import Console

    from deployments.operate.status_view import render_status

    reader.service()  # a wrong address need not wait
    before = reader.scrape()
    time.sleep(INTERVAL_S)
    now, _ = reader.read(before)
    if as_json:
        typer.echo(json.dumps(now.to_json(), indent=1, allow_nan=False))
    else:
        Console(width=140, highlight=False).print(render_status(now), soft_wrap=True)
    return now.is_healthy


def _live(reader: "StatusReader") -> bool:
    """Show the status until ctrl-c; return whether it was healthy at last."""
    from rich.console import Console
    from rich.live import Live

    from deployments.operate.status_view import render_status

    past: deque[MetricSamples] = deque([reader.scrape()])
    now, samples = reader.read()
    console = Console(highlight=False)
    with (
        suppress(KeyboardInterrupt),
        Live(render_status(now), console=console, auto_refresh=False) as live,
    ):
        while True:
            past.append(samples)
            while past[-1].at_s - past[0].at_s > INTERVAL_S:
                past.popleft()
            time.sleep(REFRESH_S)
            is_long_enough = past[-1].at_s - past[0].at_s >= INTERVAL_S - REFRESH_S
            now, samples = reader.read(past[0] if is_long_enough else None)
            live.update(render_status(now), refresh=True)
    return now.is_healthy


def _findings(deployed: Mapping[str, Any], file: Path | None) -> tuple[str, ...]:
    """Return what is wrong with the deployed configuration, and with a file if there is one."""
    from deployments.checks.serve_config import inspect_config
    from deployments.manifests import check_files

    # The command may run on a machine without the nodes' banks.
    checked = inspect_config(deployed, here=False)
    found = [f"deployed: {mistake.level}: {mistake.sentence}" for mistake in checked.mistakes]
    return (*found, *(map(str, check_files([file])) if file else ()))


def _is_terminal() -> bool:
    import sys

    return sys.stdout.isatty()
