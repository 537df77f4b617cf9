"""``scope serve``: the endpoint on this machine.

Ray reads its environment when it is imported, so that only functions import it.
"""

import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Annotated, Any

import typer
import yaml

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # They halve the work of a request and open no further port (docs/online.md).
    "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(64 * 2**20),
}
"""Defaults of variables that every process of Ray reads; the user's environment overrides them."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    config: Annotated[
        Path | None, typer.Option(help="Serve configuration (YAML); else the built-in one.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to bind, in place of the file's.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to bind, in place of the file's.")
    ] = None,
) -> None:
    """Serve the OpenAI-compatible endpoint until ctrl-c or SIGTERM."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from ray.serve.schema import ServeDeploySchema

    from deployments.checks import check_config, read_config

    path = config or default_config()
    settings = read_config(path)
    http_options = settings.setdefault("http_options", {})
    if isinstance(http_options, dict):  # anything else fails the check
        http_options |= {
            name: value for name, value in (("host", host), ("port", port)) if value is not None
        }
    typer.echo(f"{path} is {check_config(settings)}")
    http = ServeDeploySchema.model_validate(settings).http_options
    typer.echo(
        "ctrl-c stops it; once it is ready, try:\n"
        f"  curl -s http://{http.host}:{http.port}/v1/route "
        """-H 'content-type: application/json' -d '{"prompt": "2+2?"}'"""
    )
    if not _serve_until_stopped(settings, path):
        raise typer.Exit(1)


def default_config() -> Path:
    """Return the built-in configuration: a wheel has it in its package, a checkout one above."""
    packaged = Path(__file__).parents[1] / "serve_config.yaml"
    return packaged if packaged.exists() else packaged.parents[1] / packaged.name


def _serve_until_stopped(settings: dict[str, Any], path: Path) -> bool:
    """Serve until a signal; return False if Serve ended without one.

    It says how `path` is deployed again: Ray's command asks for no token by itself.
    Serve's command line is its only public way to deploy a file with settings of deployments.
    """
    import ray
    from click import Abort
    from ray.serve.scripts import cli

    stopped = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        for signal_number in STOP_SIGNALS:  # the shutdown is bounded, and ends only once
            signal.signal(signal_number, signal.SIG_IGN)
        raise KeyboardInterrupt

    with TemporaryDirectory(prefix="scope-serve-") as folder:
        file = Path(folder) / "serve_config.yaml"
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        try:
            signal.signal(signal.SIGINT, stop)  # a shell's background job ignores it otherwise
            # A Ray of its own, unless the user names one; it sets a SIGTERM handler.
            context = ray.init(address=os.environ.get("RAY_ADDRESS", "local"), namespace="serve")
            signal.signal(signal.SIGTERM, stop)
            deploy = f"serve deploy --address http://{context.dashboard_url} {path}"
            typer.echo(
                "to change it while it runs, edit the file and, as the same user:\n"
                f"  RAY_AUTH_MODE=token {deploy}"
            )
            cli.main(["run", "--address", "auto", str(file)], standalone_mode=False)
        except (KeyboardInterrupt, Abort, SystemExit):
            pass  # `serve run` ends with SystemExit, whether stopped or failed
        finally:
            ray.shutdown()
    return stopped
