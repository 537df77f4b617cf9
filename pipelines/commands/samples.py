"""``scope samples``: make the data of learned routers, one command a step."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import Json, OnTooLong
from pipelines.commands.samples_draw import draw
from pipelines.commands.samples_labels import labels
from pipelines.commands.samples_options import (
    SHARES,
    SampleFiles,
    SamplesOutput,
    Scorer,
    Shares,
    read_sample_files,
)
from pipelines.commands.samples_score import score
from pipelines.terminal import out, print_result, progress, table
from scope.errors import ConfigError
from scope.questions import REFUSE
from scope.samples import check_suffix, make_pairs, write_pairs, write_samples

app = typer.Typer(
    help="Make the data of learned routers: prompts, responses, scores, pairs, labels.",
    no_args_is_help=True,
)
app.command()(draw)
app.command()(labels)
app.command()(score)


@app.command()
def mix(
    source: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=PLACE[:COUNT]",
            help="Prompts: a file, a folder or hf:OWNER/NAME@SPLIT, and how many; repeatable.",
        ),
    ],
    output: Annotated[Path, typer.Option(help="File to write (.jsonl).")],
    seed: Annotated[int, typer.Option(help="Of the prompts that are drawn.")] = 0,
    on_too_long: OnTooLong = REFUSE,
    as_json: Json = False,
) -> None:
    """Draw prompts from several sources into one file, with ids SOURCE/ROW."""
    from pipelines.samples import PromptSource, mix_prompts

    if output.suffix != ".jsonl":
        raise ConfigError(f"{output} has suffix {output.suffix!r}; expected .jsonl")
    sources = [PromptSource.parse(text) for text in source]
    with progress(as_json=as_json) as stages:
        mixed = mix_prompts(sources, output, seed=seed, on_too_long=on_too_long, stages=stages)
    n = sum(part.written for part in mixed)
    facts = [
        {"name": p.name, "prompts": p.written, "found": p.found, "repeated": p.repeated}
        for p in mixed
    ]
    text = f"{n:,} prompts in {output}"
    print_result({"prompts": n, "sources": facts, "output": str(output)}, text, as_json=as_json)
    if not as_json:
        rows = [(p.name, f"{p.written:,}", f"{p.found:,}", f"{p.repeated:,}") for p in mixed]
        out.print(table("Prompts by source", ("source", "taken", "different", "repeated"), rows))


@app.command()
def count(
    samples: SampleFiles,
    output: SamplesOutput,
    tokenizer: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=NAME", help="Tokenizer of a model: a name or a folder."),
    ] = None,
    recount: Annotated[
        bool, typer.Option("--recount", help="Replace counts that an API reported.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Count tokens of prompts and responses where an API has reported none."""
    from pipelines.samples import count_tokens

    check_suffix(output)
    tokenizers = dict(_name_value("--tokenizer", text) for text in tokenizer or ())
    with progress(as_json=as_json) as stages:
        stages.begin("reading")
        read = read_sample_files(samples)
        result = count_tokens(read, tokenizers, recount=recount, stages=stages)
        stages.begin("writing")
        write_samples(output, result.samples)
    text = f"counted {result.n_counted:,} texts; samples in {output}"
    print_result({"counted": result.n_counted, "output": str(output)}, text, as_json=as_json)


@app.command()
def split(
    samples: SampleFiles,
    output: Annotated[Path, typer.Option(help="Folder for train, validation and test files.")],
    shares: Shares = SHARES,
    suffix: Annotated[str, typer.Option(help="Of the files: .jsonl or .parquet.")] = ".jsonl",
    as_json: Json = False,
) -> None:
    """Split samples by the hash of the prompt, so that one text never is in two files."""
    from pipelines.samples import parse_shares, split_samples

    counts = split_samples(read_sample_files(samples), output, suffix, parse_shares(shares))
    found = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    facts = {**counts, "output": str(output)}
    print_result(facts, f"prompts in {output}: {found}", as_json=as_json)


@app.command()
def pairs(
    samples: SampleFiles,
    output: Annotated[
        Path, typer.Option(help="File (.jsonl), or folder of the `datasets` library.")
    ],
    scorer: Scorer,
    shares: Shares = SHARES,
    as_json: Json = False,
) -> None:
    """Pair responses for a reward model: middle > worst and best > middle of each model."""
    from pipelines.samples import parse_shares

    made = list(make_pairs(read_sample_files(samples), scorer, parse_shares(shares)))
    if not made:
        raise ConfigError(
            f"no pair: of no prompt do two responses of one model have different {scorer!r} scores"
        )
    write_pairs(output, made)
    counts: dict[str, int] = {}
    for pair in made:
        counts[pair.split] = counts.get(pair.split, 0) + 1
    found = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    facts = {"pairs": counts, "output": str(output)}
    print_result(facts, f"pairs in {output}: {found}", as_json=as_json)


def _name_value(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ConfigError(f"{flag} is {text!r}; expected MODEL=NAME")
    return name, value
