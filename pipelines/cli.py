"""The command line ``scope``: flags in, exit code out; the work is done elsewhere.

Exit codes: 0 done, 1 done but the demand was not met, 2 the input was wrong.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands import bank as bank_commands
from pipelines.commands import evaluate as eval_command
from pipelines.commands import frontier as frontiers
from pipelines.commands import measure as measure_command
from pipelines.commands import predict as predict_command
from pipelines.commands import replay as replay_command
from pipelines.commands.options import Allow, Alpha, Budget, Deny, Json, MaxCost, MinQuality, Pool
from pipelines.commands.two_stage import ReferenceFiles, route_two_stage
from pipelines.terminal import (
    err,
    format_score,
    frontier_table,
    out,
    print_cache_warnings,
    print_result,
    table,
)
from scope.errors import ConfigError, ScopeError
from scope.pool import load_pool
from scope.routing import (
    Objective,
    RoutingSummary,
    StoredPredictions,
    format_usd,
    restrict_models,
    route_to_file,
)
from scope.storage import write_json

app = typer.Typer(
    help="Send each prompt to the model that is worth its price for this prompt.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(bank_commands.app, name="bank")
app.command("eval")(eval_command.evaluate_bank)
app.command("measure")(measure_command.measure_pool)
app.command()(predict_command.predict)
app.command()(replay_command.replay)

PredictionsDir = Annotated[Path, typer.Option(help="Folder written by `scope predict`.")]


@app.command()
def route(
    output: Annotated[Path, typer.Option(help="Routing file to write (JSON).")],
    predictions: Annotated[
        Path | None, typer.Option(help="Folder written by `scope predict`.")
    ] = None,
    policy: Annotated[str, typer.Option(help="expected_value or two_stage.")] = "expected_value",
    alpha: Alpha = None,
    budget: Budget = None,
    min_quality: MinQuality = None,
    max_cost: MaxCost = None,
    pool: Pool = None,
    allow: Allow = None,
    deny: Deny = None,
    selection: Annotated[Path | None, typer.Option(help="two_stage: selection file.")] = None,
    similarity: Annotated[Path | None, typer.Option(help="two_stage: similarity file.")] = None,
    anchor_performance: Annotated[
        Path | None, typer.Option(help="two_stage: anchor-performance file.")
    ] = None,
    alpha_steps: Annotated[
        int | None, typer.Option(min=2, help="two_stage: sweep this many alphas from 0 to 1.")
    ] = None,
    budget_oracle: Annotated[
        list[float] | None,
        typer.Option(help="two_stage: choose alpha on the ground truth; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Choose a model for every question under an alpha, a budget, a floor or a ceiling."""
    if policy == "two_stage":
        files = _reference_files(selection, similarity, anchor_performance)
        alphas = _alphas(alpha, alpha_steps, needed=not budget_oracle)
        result = route_two_stage(files, alphas, budget_oracle or ())
        write_json(output, result)
        print_result({"output": str(output)}, f"routed as published into {output}", as_json=as_json)
        return
    if policy != "expected_value":
        raise ConfigError(f"policy is {policy!r}; expected expected_value or two_stage")
    target = Objective(alpha, budget, min_quality, max_cost)
    summary = route_to_file(output, _predicted(predictions, pool, allow, deny), target)
    _report(summary, output, as_json=as_json)
    if summary.overshoot_usd:
        err.print(
            f"budget {format_usd(budget or 0)} cannot be met: the cheapest models cost "
            f"{format_usd(summary.planned.cost_usd)}, {format_usd(summary.overshoot_usd)} too much"
        )
        raise typer.Exit(1)


@app.command()
def frontier(
    predictions: PredictionsDir,
    output: Annotated[
        Path | None, typer.Option(help="Picture (.png, .svg, .pdf) or numbers (.json) to write.")
    ] = None,
    alpha_steps: Annotated[int, typer.Option(min=2, help="Settings of the dial to try.")] = 11,
    pool: Pool = None,
    allow: Allow = None,
    deny: Deny = None,
    as_json: Json = False,
) -> None:
    """Show what every setting of the dial buys, as a table and a picture."""
    frontiers.check_output(output)
    predicted = _predicted(predictions, pool, allow, deny)
    points = frontiers.points(predicted, _alphas(None, alpha_steps, needed=True))
    numbers = frontiers.to_json(points)
    if output is not None and output.suffix == ".json":
        write_json(output, numbers)
    elif output is not None:
        frontiers.draw(output, predicted, f"{predicted.manifest.n_questions:,} questions")
    if as_json:
        typer.echo(json.dumps(numbers))
    else:
        out.print(frontier_table(points))


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("results/demo"),
) -> None:
    """Run the whole job on the embedded bank: predict, route, draw, explain."""
    from pipelines.commands.demo import run_demo

    run_demo(output)


def _report(summary: RoutingSummary, output: Path, *, as_json: bool) -> None:
    if as_json:
        facts = {key: value for key, value in summary.to_json().items() if key != "routing"}
        typer.echo(json.dumps({**facts, "output": str(output)}))
        return
    n_questions = summary.n_questions
    rows = [
        (model, f"{count:,}", f"{100 * count / n_questions:.1f} %")
        for model, count in summary.distribution.items()
    ]
    out.print(
        table(f"{summary.policy} over {n_questions:,} questions", ("model", "n", "share"), rows)
    )
    accuracy, cost = format_score(summary.planned)
    out.print(f"planned:  accuracy {accuracy}, cost {cost}")
    if summary.realised:
        accuracy, cost = format_score(summary.realised)
        out.print(f"realised: accuracy {accuracy}, cost {cost}")
    out.print(f"decisions in {output}", soft_wrap=True)


def _predicted(
    predictions: Path | None, pool: str | None, allow: list[str] | None, deny: list[str] | None
) -> StoredPredictions:
    if predictions is None:
        raise ConfigError("--predictions is missing; expected a folder written by `scope predict`")
    models = load_pool(pool) if pool else None
    folder = StoredPredictions.open(predictions)
    return restrict_models(folder, models, tuple(allow or ()), tuple(deny or ()))


def _reference_files(*paths: Path | None) -> ReferenceFiles:
    flags = ("--selection", "--similarity", "--anchor-performance")
    if missing := [flag for flag, path in zip(flags, paths, strict=True) if path is None]:
        raise ConfigError(f"policy two_stage needs {', '.join(missing)}")
    return ReferenceFiles(*(path for path in paths if path is not None))


def _alphas(alpha: float | None, steps: int | None, *, needed: bool) -> list[float]:
    """Return the alphas asked for: one, or evenly spaced ones from 0 to 1."""
    if steps is not None and alpha is not None:
        raise ConfigError("--alpha and --alpha-steps exclude each other; pass one of them")
    if steps is not None:
        return [step / (steps - 1) for step in range(steps)]
    if alpha is None and needed:
        raise ConfigError("--alpha is missing; expected a number within 0..1, or --alpha-steps N")
    return [] if alpha is None else [alpha]


def main() -> None:
    """Run a command; a wrong input ends in one sentence and exit code 2."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Ray prints what it says of dead processes to standard output, where our JSON goes.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
    try:
        with print_cache_warnings():
            app()
    except ScopeError as error:
        err.print(f"scope: {error}", markup=False)
        sys.exit(2)
    except OSError as error:  # a disk that is full, read-only or not there
        told = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or error
        err.print(f"scope: {told}", markup=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
