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
