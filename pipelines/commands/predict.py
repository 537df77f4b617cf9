"""``scope predict``: flags in, predictions out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.options import (
    Checkpoint,
    Dataset,
    Json,
    LlmReplicas,
    NoCache,
    NumGpus,
    Pool,
    Predictor,
    Prices,
    Reasoning,
    Replicas,
    Revision,
    Samples,
    Split,
    TensorParallel,
    cache_folder,
    encoder_settings,
    question_source_from_flags,
)
from pipelines.reasoner import ReasonerFlags, ReasonerOptions, answer_cache_folder, uses_reasoner
from pipelines.terminal import err, print_result, progress
from scope import EMBEDDED_BANK
from scope.pool import load_pool

if TYPE_CHECKING:
    from pipelines.predict.merge import PredictionSummary


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
    config: Annotated[Path | None, typer.Option(help="YAML file of settings.")] = None,
    replicas: Replicas = None,
    num_gpus: NumGpus = None,
    predictor: Predictor = "anchors",
    checkpoint: Checkpoint = None,
    revision: Revision = None,
    reasoning: Reasoning = None,
    samples: Samples = None,
    tensor_parallel: TensorParallel = None,
    llm_replicas: LlmReplicas = None,
    no_cache: NoCache = False,
    fresh: Annotated[bool, typer.Option(help="Replace predictions already there.")] = False,
    as_json: Json = False,
) -> None:
    """Predict p(correct), tokens and cost of every model on every question."""
    source = question_source_from_flags("--query-file", query_file, dataset, split, "test")
    settings = encoder_settings(config, replicas, num_gpus)
    models = load_pool(pool) if pool else None
    flags = ReasonerFlags(checkpoint, revision, reasoning, samples, tensor_parallel, llm_replicas)
    asked = None
    if uses_reasoner(predictor, flags):
        asked = ReasonerOptions(flags, settings, None if no_cache else answer_cache_folder())

    from pipelines.predict.run import PredictInputs
    from pipelines.predict.run import predict as run

    inputs = PredictInputs(
        bank,
        source,
        models,
        prices,
        limit,
        settings,
        split=None if dataset else split,
        cache=None if no_cache else cache_folder(),
        reasoner=asked,
    )
    with progress(as_json=as_json) as stages:
        done = run(inputs, output, fresh=fresh, stages=stages)
    _report(done, output, as_json=as_json)


def _report(done: "PredictionSummary", output: Path, *, as_json: bool) -> None:
    """Say what was predicted; exit 1 if something has to be tried again."""
    unlike = (
        f"; {done.n_out_of_distribution:,} are unlike the anchors"
        if done.n_out_of_distribution
        else ""
    )
    facts: dict[str, Any] = {
        "questions": done.n_questions,
        "unlike_anchors": done.n_out_of_distribution,
        "failed": done.n_failed,
        "output": str(output),
    }
    if done.tally:
        facts |= {"unanswered": done.n_unanswered, "asked": done.tally.to_json()}
    told = f"predicted {done.n_questions - done.n_failed:,} questions into {output}{unlike}"
    print_result(facts, f"{told}\n{done.tally}" if done.tally else told, as_json=as_json)
    if done.n_failed:
        err.print(
            f"{done.n_failed:,} of {done.n_questions:,} questions failed, the first "
            f"{done.first_error}; run again to retry them",
            markup=False,
        )
    if done.n_unanswered:
        err.print(
            f"{done.n_unanswered:,} answers are missing, and the anchors speak alone there; the "
            f"first {done.first_unanswered}; run again to ask them again",
            markup=False,
        )
    if done.n_failed or done.n_unanswered:
        raise typer.Exit(1)
