"""Flags that the commands of ``scope train`` share, and the values they stand for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scope.embedding import MINILM
from scope.errors import ConfigError

if TYPE_CHECKING:
    from pipelines.train.job import TrainSettings

Encoder = Annotated[str, typer.Option(help=f"Encoder: {MINILM}, a folder, or a Hugging Face name.")]
Revision = Annotated[str | None, typer.Option(help="Commit of a Hugging Face name.")]
MaxTokens = Annotated[
    int | None, typer.Option(min=4, help="Tokens that are read; else the encoder's, at most 512.")
]
Epochs = Annotated[int, typer.Option(min=1, help="Most passes over the training data.")]
LearningRate = Annotated[float, typer.Option(help="Highest learning rate.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Rows of one step, all workers together.")]
Seed = Annotated[int, typer.Option(help="Of new weights and the order of the rows.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes that train together.")]
NumGpus = Annotated[float, typer.Option(min=0, help="GPUs of one worker.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Replace what is there, and start over.")]
SamplesFile = Annotated[
    Path | None,
    typer.Option(help="Samples of models (.jsonl, .parquet), or a folder of them."),
]


def train_settings(
    epochs: int, learning_rate: float, batch_size: int, seed: int, workers: int, num_gpus: float
) -> "TrainSettings":
    """Return the settings that the flags name.

    Raises
    ------
    ConfigError
        If the learning rate is not positive, or workers cannot share a batch evenly.
    """
    from pipelines.train.job import TrainSettings

    if learning_rate <= 0:
        raise ConfigError(f"--learning-rate is {learning_rate:g}; expected more than 0")
    if batch_size % workers:
        raise ConfigError(f"--batch-size {batch_size} is no multiple of --workers {workers}")
    return TrainSettings(
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        seed=seed,
        n_workers=workers,
        gpus_per_worker=num_gpus,
    )
