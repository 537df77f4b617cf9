"""``scope check``: find mistakes in configurations and manifests before a cluster reads them."""

import json
from pathlib import Path
from typing import Annotated

import typer

ERROR_CODE = 2


def check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="Serve configurations, manifests, Dockerfiles, or folders."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check Serve configurations and manifests: keys, settings, resources, timeouts, secrets."""
    from deployments.checks import inspect_files

    checked = inspect_files(paths)
    if as_json:
        findings = [finding.as_json() for finding in checked.findings]
        summaries = [{"file": file, "summary": line} for file, line in checked.summaries]
        typer.echo(json.dumps({"findings": findings, "summaries": summaries}, indent=2))
    else:
        for finding in checked.findings:
            typer.echo(str(finding))
        for file, line in checked.summaries:
            typer.echo(f"{file}: {line}")
    if checked.has_error:
        raise typer.Exit(ERROR_CODE)
