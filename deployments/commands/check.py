"""``scope check``: find mistakes in a configuration before Serve reads it."""

from pathlib import Path
from typing import Annotated

import typer


def check(file: Annotated[Path, typer.Argument(help="Serve configuration (YAML).")]) -> None:
    """Check a Serve configuration: unknown keys, settings, bank and engines."""
    from deployments.checks import check_config, read_config

    typer.echo(check_config(read_config(file)))
