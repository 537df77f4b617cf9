"""Flags that several commands of ``scope samples`` share."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.terminal import err
from scope.samples import Samples, missing_ids, missing_sentences, read_samples

SampleFiles = Annotated[
    list[Path],
    typer.Option(help="Samples (.jsonl, .parquet); repeatable, files are joined by id."),
]
SamplesOutput = Annotated[Path, typer.Option(help="File to write: .jsonl or .parquet.")]
Scorer = Annotated[str, typer.Option(help="Name of the scores that measure quality.")]
Shares = Annotated[str, typer.Option(help="Shares of training, validation and test prompts.")]
SHARES = "0.8,0.1,0.1"


def read_sample_files(files: list[Path]) -> Samples:
    """Return the samples of all files; say which models lack prompts."""
    samples = read_samples(*files)
    for sentence in missing_sentences(missing_ids(samples)):
        err.print(f"scope: {sentence}", markup=False)
    return samples
