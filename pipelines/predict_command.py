"""``scope predict``: flags in, predictions out."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import err, say
from pipelines.inputs import cache_folder, chosen_source, encoder_settings
from pipelines.options import Dataset, Json, NoCache, NumGpus, Pool, Prices, Replicas, Split
from pipelines.progress import progress
from scope import EMBEDDED_BANK
from scope.pool import load_pool


def predict(
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    query_file: Annotated[
        Path | None,
        typer.Option(
            help="Questions (.jsonl, .json, .parquet), a folder of them, or a labelled bank."
        ),
    ] = None,
    dataset: Dataset = None,
    split: Split = None,
    bank: Annotated[Path, typer.Option(help="Anchor bank.")] = EMBEDDED_BANK,
    pool: Pool = None,
    prices: Prices = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first questions.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with anchors: and encoder:.")] = None,
    replicas: Replicas = None,
    num_gpus: NumGpus = None,
    no_cache: NoCache = False,
    fresh: Annotated[bool, typer.Option(help="Replace predictions already there.")] = False,
    as_json: Json = False,
) -> None:
    """Predict p(correct), tokens and cost of every model on every question."""
    source = chosen_source("--query-file", query_file, dataset, split, "test")
    settings = encoder_settings(config, replicas, num_gpus)
    models = load_pool(pool) if pool else None

    from pipelines.predict import PredictInputs
    from pipelines.predict import predict as run

    inputs = PredictInputs(
        bank,
        source,
        models,
        prices,
        limit,
        settings,
        split=None if dataset else split,
        cache=None if no_cache else cache_folder(),
    )
    with progress(as_json=as_json) as stages:
        done = run(inputs, output, fresh=fresh, stages=stages)
    unlike = f"; {done.n_unlike:,} are unlike the anchors" if done.n_unlike else ""
    say(
        {
            "questions": done.n_questions,
            "unlike_anchors": done.n_unlike,
            "failed": done.n_failed,
            "output": str(output),
        },
        f"predicted {done.n_questions - done.n_failed:,} questions into {output}{unlike}",
        as_json=as_json,
    )
    if done.n_failed:
        err.print(
            f"{done.n_failed:,} of {done.n_questions:,} questions failed, the first "
            f"{done.first_error}; run again to retry them",
            markup=False,
        )
        raise typer.Exit(1)
