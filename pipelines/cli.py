"""The command line ``scope``: finds its commands, runs one, turns errors into exit codes.

A command is an entry point of the group ``scope.commands``: a function, which becomes a command,
or a `typer.Typer` app, which becomes a command with sub-commands. Any installed package can add
one; nothing here imports a command by name.

Exit codes: 0 done, 1 done but a target was missed or work is left, 2 the input is wrong.
"""

import os
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from pipelines.terminal import err, print_warnings
from scope.errors import ConfigError, ScopeError, one_line

GROUP = "scope.commands"


class SortedGroup(TyperGroup):
    """Shows its commands in alphabetical order, those with sub-commands among the others."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 (a private class of typer)
        """Return the names of the commands."""
        return sorted(self.commands)


def build_app(points: Mapping[str, EntryPoint]) -> typer.Typer:
    """Return the application with the commands of `points`.

    Raises
    ------
    ConfigError
        If the only command cannot be loaded. Among several, such a command is left out and
        named on standard error.
    """
    app = typer.Typer(
        cls=SortedGroup,
        help="Send each prompt to the model that is worth its price for this prompt.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(lambda: None)  # else a single command would take the place of the group
    for name, point in points.items():
        try:
            _add_command(app, name, point)
        except ConfigError as error:
            if len(points) == 1:
                raise
            print_error(error)
    return app


def _add_command(app: typer.Typer, name: str, point: EntryPoint) -> None:
    """Load `point` and check that typer can make a command of it before `app` gets it."""
    package = f" of package {point.dist.name}" if point.dist else ""
    try:
        command = point.load()
        if isinstance(command, typer.Typer):
            typer.main.get_command(command)
            app.add_typer(command, name=name)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command(name)(command)
            typer.main.get_command(alone)
            app.command(name)(command)
    except Exception as error:  # whatever the code of another package raises
        raise ConfigError(
            f"command {name!r}{package} cannot be loaded from {point.value}: "
            f"{type(error).__name__}: {one_line(error)}"
        ) from error


def print_error(error: ScopeError | str) -> None:
    """Print one sentence to standard error."""
    err.print(f"scope: {error}", markup=False)


def main() -> None:
    """Run one command; wrong input ends in one sentence and exit code 2.

    Only the module of the command that runs is imported; ``scope --help`` imports all of them.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Ray prints messages about dead processes to standard output, where our JSON goes.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
    # Of two packages with the same command the first on the path has it.
    points = {point.name: point for point in reversed(tuple(entry_points(group=GROUP)))}
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        with print_warnings():
            build_app({name: points[name]} if name in points else points)()
    except ScopeError as error:
        print_error(error)
        sys.exit(2)
    except OSError as error:  # a disk that is full, read-only or missing
        cause = error.strerror or str(error)
        print_error(f"{error.filename}: {cause}" if error.filename else cause)
        sys.exit(2)


if __name__ == "__main__":
    main()
