"""``scope bank import``: a bank from evaluation logs of other programs."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from pipelines.commands.options import (
    Embedders,
    Json,
    NoCache,
    NumGpus,
    OnTooLong,
    Replicas,
    Revisions,
    cache_folder,
    encoder_settings,
    encoders_from_flags,
)
from pipelines.imports import FORMATS, LogSource, TokenSources, join_records, write_tables
from pipelines.terminal import out, progress
from scope.arms import select_arms
from scope.pool import ModelSpec
from scope.prices import list_prices, load_prices
from scope.questions import REFUSE, LongPrompts


def import_logs(
    log_format: Annotated[str, typer.Argument(metavar="FORMAT", help=f"{', '.join(FORMATS)}.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Logs, or folders.")],
    output: Annotated[Path, typer.Option(help="Folder to create.")],
    prices: Annotated[
        Path | None, typer.Option(help="Price file; default: list prices by name.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="Which score, where the logs have several.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Questions by id: openai-batch and swe-bench.")
    ] = None,
    grader: Annotated[
        str | None, typer.Option(help="Grades openai-batch, as in scope measure.")
    ] = None,
    drop_prompts: Annotated[
        bool, typer.Option("--drop-prompts", help="Store no question and no answer text.")
    ] = False,
    on_too_long: OnTooLong = REFUSE,
    embedder: Embedders = None,
    revision: Revisions = None,
    config: Annotated[Path | None, typer.Option(help="YAML with anchors: and encoder:.")] = None,
    replicas: Replicas = None,
    num_gpus: NumGpus = None,
    no_cache: NoCache = False,
    as_json: Json = False,
) -> None:
    """Build a bank from evaluation logs, joined by the texts of their questions."""
    from pipelines.bank import InputKind, check_new
    from pipelines.bank.build import BankInputs, build_bank

    check_new(output)
    job = encoder_settings(config, replicas, num_gpus)
    encoders = encoders_from_flags(embedder, revision)
    long_prompts = LongPrompts(on_too_long)
    source = LogSource(log_format, paths, metric, questions, grader)
    logs = join_records(source.records(), long_prompts)
    long_prompts.warn(", ".join(map(str, paths)))
    specs = _specs(logs.models, prices)
    made_from: tuple[tuple[InputKind, Path], ...] = tuple(("logs", path) for path in paths)
    if questions is not None:
        made_from += (("questions", questions),)
    with TemporaryDirectory(prefix="scope-import-") as folder:
        questions_file, outcomes_file, tokens = write_tables(logs, specs, Path(folder))
        inputs = BankInputs(
            questions=questions_file,
            outcomes=outcomes_file,
            prices=specs,
            made_from=made_from,
            command="scope bank import",
            keep_prompts=not drop_prompts,
            encoders=encoders,
            sources=tuple(f"{log_format}: {path.name}" for path in paths),
            config=job,
            cache=None if no_cache else cache_folder(),
        )
        with progress(as_json=as_json) as stages:
            manifest = build_bank(inputs, output, stages)
    if as_json:
        typer.echo(manifest.model_dump_json())
        return
    out.print(
        f"built {output}: {manifest.n_questions:,} anchors × {manifest.n_models} models, "
        f"{manifest.n_outcomes:,} outcomes",
        soft_wrap=True,
    )
    out.print(_tokens_text(tokens, logs.n_repeated), soft_wrap=True)


def _specs(models: tuple[str, ...], prices: Path | None) -> Mapping[str, ModelSpec]:
    """Return the prices of the models, from a file or from the list prices of their names."""
    if prices is None:
        return list_prices(models)
    return dict(zip(models, select_arms(load_prices(prices), models, str(prices)), strict=True))


def _tokens_text(tokens: TokenSources, n_repeated: int) -> str:
    """Return one line about where the token counts come from."""
    parts = {
        "of the logs": tokens.logged,
        "from the cost": tokens.from_cost,
        "estimated from the answer": tokens.counted,
        "unknown": tokens.unknown,
    }
    text = ", ".join(f"{n:,} {name}" for name, n in parts.items() if n)
    repeated = f"; {n_repeated:,} repeated answers averaged" if n_repeated else ""
    return f"completion tokens: {text}{repeated}"
