"""Flags that several commands share, each worded once."""

from pathlib import Path
from typing import Annotated

import typer

Pool = Annotated[str | None, typer.Option(help="Published pool, or file with one model id a line.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Allow = Annotated[list[str] | None, typer.Option(help="Only these models; repeatable.")]
Deny = Annotated[list[str] | None, typer.Option(help="Never these models; repeatable.")]
Alpha = Annotated[float | None, typer.Option(help="0 = cheapest … 1 = most accurate.")]
Budget = Annotated[float | None, typer.Option(help="USD for all questions together.")]
MinQuality = Annotated[
    float | None, typer.Option(help="Cheapest model with at least this p(correct).")
]
MaxCost = Annotated[
    float | None, typer.Option(help="Likeliest model within this many USD a question.")
]
Prices = Annotated[Path | None, typer.Option(help="Price file that replaces the bank's.")]
Dataset = Annotated[
    str | None, typer.Option(help="Hugging Face data set: id, ood, owner/name, or a folder.")
]
Split = Annotated[
    str | None, typer.Option(help="Split of the data set, or only rows of a file with this one.")
]
Replicas = Annotated[
    str | None, typer.Option(metavar="N|MIN,MAX", help="Encoder processes: at most, or from, to.")
]
NumGpus = Annotated[float | None, typer.Option(help="GPUs of one encoder process.")]
Predictor = Annotated[str, typer.Option(help="anchors, or scope: a reasoner is asked beside them.")]
Checkpoint = Annotated[
    str | None, typer.Option(help="scope: the LLM asked, a Hugging Face name or a folder.")
]
Revision = Annotated[str | None, typer.Option(help="scope: commit of a Hugging Face name.")]
Reasoning = Annotated[
    str | None, typer.Option(help="scope: full, short or none: how long a reply may reason.")
]
Samples = Annotated[int | None, typer.Option(min=1, help="scope: replies to one prompt, averaged.")]
TensorParallel = Annotated[
    int | None, typer.Option(min=1, help="scope: GPUs of one engine, all on one node.")
]
LlmReplicas = Annotated[int | None, typer.Option(min=1, help="scope: engines at the same time.")]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Neither look up nor keep embeddings or answers.")
]
