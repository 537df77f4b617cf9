"""Flags that several commands share, and the values they stand for."""

import os
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from pipelines.bank import DEFAULT_ENCODER, NamedEncoder
from pipelines.config import JobConfig
from pipelines.terminal import err
from scope.arms import assumed_arms
from scope.config import EncoderConfig
from scope.errors import ConfigError, join_names
from scope.pool import load_pool
from scope.questions import MAX_PROMPT_CHARS, PUBLISHED_DATASETS, HubDataset
from scope.routing import StoredPredictions, restrict_models

CACHE = "~/.cache/scope-router/embeddings"


def question_source_from_flags(
    flag: str, path: Path | None, dataset: str | None, split: str | None, published_split: str
) -> Path | HubDataset:
    """Return the source of questions that the flags name.

    Parameters
    ----------
    flag : str
        The flag that gives `path`.
    path, dataset, split
        Values of the flags; a published data set without a split means `published_split`.

    Raises
    ------
    ConfigError
        If the flags name no source, or two.
    """
    if (path is None) == (dataset is None):
        how = "are both given" if path else "are both missing"
        raise ConfigError(f"{flag} and --dataset {how}; pass one of them")
    if dataset is None:
        return path or Path()
    if split is None and dataset in PUBLISHED_DATASETS:
        split = published_split
    return HubDataset(dataset, split)


def encoder_settings(
    config: Path | None, replicas: str | None, num_gpus: float | None
) -> JobConfig:
    """Return the settings of a configuration file, overridden by the flags.

    Raises
    ------
    ConfigError
        If the file or a flag has an invalid value.
    """
    settings = JobConfig.load(config) if config else JobConfig()
    encoder = settings.encoder
    if replicas is not None:
        expected = "N or MIN,MAX, whole numbers with 1 <= MIN <= MAX"
        encoder = _override(
            encoder, "--replicas", "replicas", replicas, _numbers(replicas), expected
        )
    if num_gpus is not None:
        expected = "a share of one GPU, as 0.5, or a whole number >= 0"
        encoder = _override(encoder, "--num-gpus", "num_gpus", num_gpus, num_gpus, expected)
    return settings.model_copy(update={"encoder": encoder})


def open_predictions(
    path: Path, pool: str | None, allow: list[str] | None, deny: list[str] | None
) -> StoredPredictions:
    """Open what ``scope predict`` wrote, narrowed to the permitted models.

    Raises
    ------
    ScopeError
        If there are no predictions, or a model is unknown or none is left.
    """
    models = load_pool(pool) if pool else None
    predicted = restrict_models(
        StoredPredictions.open(path), models, tuple(allow or ()), tuple(deny or ())
    )
    if assumed := assumed_arms(predicted.models):
        err.print(
            f"note: what several samples are worth is assumed, not fitted: {join_names(assumed)}",
            markup=False,
        )
    return predicted


def encoders_from_flags(
    embedders: list[str] | None, revisions: list[str] | None
) -> tuple[NamedEncoder, ...]:
    """Return the first and, if there is one, the second encoder of a bank.

    Parameters
    ----------
    embedders, revisions : list of str, optional
        Values of the flags; without any the first encoder is the default one.

    Raises
    ------
    ConfigError
        If there are more than two, more commits than encoders, or a name is not valid.
    """
    embedders, revisions = embedders or [DEFAULT_ENCODER.name], revisions or []
    if len(embedders) > 2:
        raise ConfigError(f"a bank has at most two encoders, --embedder names {len(embedders)}")
    if len(revisions) > len(embedders):
        raise ConfigError("--revision is repeated more often than --embedder")
    return tuple(
        NamedEncoder.parse(name, revision) for name, revision in zip_longest(embedders, revisions)
    )


def evenly_spaced_alphas(n: int) -> list[float]:
    """Return `n` alphas from 0 to 1."""
    return [step / (n - 1) for step in range(n)]


def cache_folder() -> Path:
    """Return the folder of the embedding cache: ``SCOPE_CACHE``, else `CACHE`.

    Raises
    ------
    ConfigError
        If there is no home folder.
    """
    try:
        return Path(os.environ.get("SCOPE_CACHE") or CACHE).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            "there is no home folder for the embedding cache; set SCOPE_CACHE to a folder, or "
            "pass --no-cache"
        ) from error


def _numbers(text: str) -> object:
    """Return the number or the two numbers in `text`; None if it is neither."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        return None
    return numbers[0] if len(numbers) == 1 else numbers


def _override(
    encoder: EncoderConfig, flag: str, name: str, given: object, value: object, expected: str
) -> EncoderConfig:
    try:
        return EncoderConfig(**{**dict(encoder), name: value})
    except ValidationError as error:
        raise ConfigError(f"{flag} is {given!r}; expected {expected}") from error


Pool = Annotated[str | None, typer.Option(help="Published pool, or file with one model id a line.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Allow = Annotated[list[str] | None, typer.Option(help="Only these models; repeatable.")]
Deny = Annotated[list[str] | None, typer.Option(help="Never these models; repeatable.")]
Alpha = Annotated[float | None, typer.Option(help="0 = cheapest … 1 = most accurate.")]
Budget = Annotated[float | None, typer.Option(help="Most to spend on all questions together, USD.")]
MinQuality = Annotated[
    float | None, typer.Option(help="Cheapest model whose p(correct) is at least this.")
]
MaxCost = Annotated[
    float | None,
    typer.Option(help="Most accurate model that costs at most this per question, USD."),
]
Prices = Annotated[Path | None, typer.Option(help="Price file that replaces the bank's.")]
Dataset = Annotated[
    str | None, typer.Option(help="Hugging Face data set: id, ood, owner/name, or a folder.")
]
Split = Annotated[
    str | None, typer.Option(help="Split of the data set, or only rows of a file with this one.")
]
Replicas = Annotated[
    str | None,
    typer.Option(metavar="N|MIN,MAX", help="Encoder processes: maximum, or minimum and maximum."),
]
KnownFact = Annotated[
    bool,
    typer.Option(
        "--known-fact",
        help="The category of each question, or the fact that the bank was built with, is known.",
    ),
]
NumGpus = Annotated[float | None, typer.Option(help="GPUs of one encoder process.")]
OnTooLong = Annotated[
    str,
    typer.Option(
        help=f"Prompts above {MAX_PROMPT_CHARS:,} characters: refuse, cut (keep the beginning), "
        "or skip the row."
    ),
]
Embedders = Annotated[
    list[str] | None,
    typer.Option(
        "--embedder",
        help="The default, a folder, or a Hugging Face name. A second one is an encoder of its "
        "own: NAME, or NAME#LAYER of a causal LM.",
    ),
]
Revisions = Annotated[
    list[str] | None,
    typer.Option("--revision", help="Commit of a Hugging Face name; one for each --embedder."),
]
Predictor = Annotated[str, typer.Option(help="anchors, scope: anchors and a reasoner, or router.")]
Checkpoint = Annotated[
    str | None, typer.Option(help="scope: the reasoner's model, a Hugging Face name or a folder.")
]
Revision = Annotated[str | None, typer.Option(help="scope: commit of a Hugging Face name.")]
Reasoning = Annotated[
    str | None, typer.Option(help="scope: length of the reasoning in a reply: full, short or none.")
]
Samples = Annotated[
    int | None, typer.Option(min=1, help="scope: replies per prompt, which are averaged.")
]
TensorParallel = Annotated[
    int | None, typer.Option(min=1, help="scope: GPUs of one engine, all on one node.")
]
LlmReplicas = Annotated[int | None, typer.Option(min=1, help="scope: engines at the same time.")]
NoCache = Annotated[
    bool,
    typer.Option("--no-cache", help="Neither read nor write the caches of embeddings and answers."),
]


def parse_margin(text: str) -> float | None:
    """Return the value of ``--margin``; None for ``best``.

    Raises
    ------
    ConfigError
        If it is neither ``best`` nor a number of at least 0.
    """
    if text == "best":
        return None
    try:
        margin = float(text)
    except ValueError:
        margin = -1.0
    if not 0 <= margin < float("inf"):
        raise ConfigError(f"--margin is {text!r}; expected a number of at least 0, or best")
    return margin
