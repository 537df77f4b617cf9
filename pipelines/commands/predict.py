"""``scope predict``: predict the pool on a question set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.options import (
    Checkpoint,
    Dataset,
    Json,
    KnownFact,
    LlmReplicas,
    NoCache,
    NumGpus,
    OnTooLong,
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
from scope.errors import ConfigError
from scope.pool import load_pool
from scope.questions import REFUSE

if TYPE_CHECKING:
    from pipelines.predict.summary import PredictionSummary


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
    on_too_long: OnTooLong = REFUSE,
    known_fact: KnownFact = False,
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
    query_all: Annotated[
        bool,
        typer.Option(
            "--query-all",
            help="scope: also query about models where answers have no weight, to compare "
            "reasoners by `scope eval --reasoner`.",
        ),
    ] = False,
    no_cache: NoCache = False,
    router: Annotated[
        Path | None, typer.Option(help="router: folder of `scope train router`.")
    ] = None,
    reference_files: Annotated[
        bool,
        typer.Option(
            "--reference-files",
            help="Also write selection.json and similarity.json, the published code's form.",
        ),
    ] = False,
    fresh: Annotated[bool, typer.Option(help="Replace predictions already there.")] = False,
    as_json: Json = False,
) -> None:
    """Predict p(correct), tokens and cost of every model on every question."""
    source = question_source_from_flags("--query-file", query_file, dataset, split, "test")
    settings = encoder_settings(config, replicas, num_gpus)
    models = load_pool(pool) if pool else None
    flags = ReasonerFlags(
        checkpoint=checkpoint,
        revision=revision,
        reasoning=reasoning,
        samples=samples,
        tensor_parallel=tensor_parallel,
        llm_replicas=llm_replicas,
    )
    if router is not None or predictor == "router":
        folder = _router_folder(router, predictor, models, prices, flags)
        if known_fact:
            raise ConfigError("--known-fact is for a bank; a learned router reads texts only")
        if reference_files:
            raise ConfigError(
                "a learned router has no anchors, of which similarity.json tells; drop "
                "--reference-files"
            )
        from pipelines.predict.learned import RouterInputs, predict_by_router

        asked = RouterInputs(
            folder, source, None if dataset else split, limit, settings, on_too_long
        )
        with progress(as_json=as_json) as stages:
            summary = predict_by_router(asked, output, fresh=fresh, stages=stages)
        _report(summary, output, as_json=as_json)
        return
    reasoner = None
    if query_all and predictor != "scope":
        raise ConfigError("--query-all needs --predictor scope")
    if uses_reasoner(predictor, flags):
        reasoner = ReasonerOptions(flags, settings, None if no_cache else answer_cache_folder())

    from pipelines.predict.run import PredictInputs
    from pipelines.predict.run import predict as run

    inputs = PredictInputs(
        bank=bank,
        query_file=source,
        pool=models,
        prices=prices,
        limit=limit,
        config=settings,
        split=None if dataset else split,
        cache=None if no_cache else cache_folder(),
        reasoner=reasoner,
        query_all=query_all,
        on_too_long=on_too_long,
        known_fact=known_fact,
        reference_files=reference_files,
    )
    with progress(as_json=as_json) as stages:
        summary = run(inputs, output, fresh=fresh, stages=stages)
    _report(summary, output, as_json=as_json)


def _router_folder(
    router: Path | None,
    predictor: str,
    models: tuple[str, ...] | None,
    prices: Path | None,
    flags: ReasonerFlags,
) -> Path:
    """Return the folder of the router, and refuse flags that it has no use for."""
    if router is None or predictor != "router":
        raise ConfigError("--predictor router and --router DIR belong together; pass both")
    if models is not None or prices is not None or flags.given():
        raise ConfigError(
            "a learned router has its own arms and prices, and no reasoner; drop --pool, "
            "--prices and the reasoner's flags"
        )
    return router


def _report(summary: "PredictionSummary", output: Path, *, as_json: bool) -> None:
    """Print what was predicted; exit 1 if the next run has something to retry."""
    fields: dict[str, Any] = {
        "n_questions": summary.n_questions,
        "n_out_of_distribution": summary.n_out_of_distribution,
        "n_failed": summary.n_failed,
        "output": str(output),
    }
    n_predicted = summary.n_questions - summary.n_failed
    text = f"predicted {n_predicted:,} questions into {output}"
    if summary.n_out_of_distribution:
        text += f"; {summary.n_out_of_distribution:,} are out of distribution"
    if summary.n_known is not None:
        fields["n_known"] = summary.n_known
        text += f"; what is known of {summary.n_known:,} of them was used, the others were guessed"
    if summary.usage:
        fields |= {
            "n_missing_answers": summary.n_missing_answers,
            "reasoner_usage": summary.usage.to_json(),
        }
        text += f"\n{summary.usage}"
    print_result(fields, text, as_json=as_json)
    if summary.n_failed:
        err.print(
            f"{summary.n_failed:,} of {summary.n_questions:,} questions failed, the first "
            f"{summary.first_error}; run again to retry them",
            markup=False,
        )
    if summary.n_missing_answers:
        err.print(
            f"{summary.n_missing_answers:,} answers are missing, and the anchors alone predict "
            f"there; the first {summary.first_missing_answer}; run again to retry them",
            markup=False,
        )
    if summary.n_failed or summary.n_missing_answers:
        raise typer.Exit(1)
