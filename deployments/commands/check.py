"""``scope check``: find mistakes in configurations and manifests before a cluster reads them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deployments.manifests import CheckedFiles

MISTAKE_CODE = 2


def check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Serve configurations, manifests, files of ray up, Dockerfiles, or folders.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check Serve configurations and manifests: keys, settings, resources, timeouts, secrets.

    Prints FILE:LINE: what is wrong; what to do. Exits with 2 if there is an error; a warning is
    something that works worse than it could.
    """
    from deployments.manifests import inspect_files

    checked = inspect_files(paths)
    if as_json:
        typer.echo(json.dumps(checked.as_json(), indent=2))
    else:
        _print(checked)
    if checked.n_errors:
        raise typer.Exit(MISTAKE_CODE)


def _print(checked: "CheckedFiles") -> None:
    for finding in checked.findings:
        typer.echo(str(finding))
    for file, line in checked.summaries:
        typer.echo(line if checked.n_files == 1 else f"{file}: {line}")
    if checked.n_files != 1:
        n_warnings = len(checked.findings) - checked.n_errors
        typer.echo(f"{checked.n_files} files: {checked.n_errors} errors, {n_warnings} warnings")
