"""``scope samples``: make the data of learned routers, one command a step."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.commands.options import Json
from pipelines.commands.samples_draw import draw
from pipelines.commands.samples_labels import labels
from pipelines.commands.samples_options import (
    SHARES,
    SampleFiles,
    Scorer,
    Shares,
    read_sample_files,
)
from pipelines.terminal import out, print_result, progress, table
from scope.errors import ConfigError
from scope.questions import GRADER_NAMES
from scope.samples import check_suffix, make_pairs, write_pairs, write_samples

app = typer.Typer(
    help="Make the data of learned routers: prompts, responses, scores, pairs, labels.",
    no_args_is_help=True,
)
app.command()(draw)
app.command()(labels)

SamplesOutput = Annotated[Path, typer.Option(help="File to write: .jsonl or .parquet.")]


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
    as_json: Json = False,
) -> None:
    """Draw prompts from several sources into one file, with ids SOURCE/ROW."""
    from pipelines.samples import PromptSource, mix_prompts

    if output.suffix != ".jsonl":
        raise ConfigError(f"{output} has suffix {output.suffix!r}; expected .jsonl")
    sources = [PromptSource.parse(text) for text in source]
    with progress(as_json=as_json) as stages:
        mixed = mix_prompts(sources, output, seed=seed, stages=stages)
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
def score(
    samples: SampleFiles,
    output: SamplesOutput,
    reward: Annotated[
        str | None, typer.Option(help="Reward model: a folder or a Hugging Face name.")
    ] = None,
    scorer: Annotated[str, typer.Option(help="Name of the reward model's scores.")] = "proxy",
    form: Annotated[
        Literal["human_assistant", "chat"],
        typer.Option(help="Text that the reward model reads; chat for ArmoRM."),
    ] = "human_assistant",
    revision: Annotated[str | None, typer.Option(help="Commit of a Hugging Face name.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=4, help="Tokens that are read; else the model's, at most 512.")
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that comes with the model.")
    ] = False,
    replicas: Annotated[int, typer.Option(min=1, help="Most reward models at a time.")] = 1,
    num_gpus: Annotated[float, typer.Option(min=0, help="GPUs of one reward model.")] = 0.0,
    grader: Annotated[
        str | None, typer.Option(help=f"Grade instead, as `correct`: {GRADER_NAMES}.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Gold answers of --grader, by the same ids.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what an interrupted run has scored.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Score responses by a reward model, or grade them against gold answers."""
    from pipelines.samples.score import (
        RewardSource,
        remove_unfinished,
        score_by_grader,
        score_by_reward,
        unfinished_folder,
    )

    check_suffix(output)
    if (reward is None) == (grader is None):
        raise ConfigError("pass one of --reward, and --grader with --questions")
    if (grader is None) != (questions is None):
        raise ConfigError("--grader and --questions belong together; pass both")
    with progress(as_json=as_json) as stages:
        stages.begin("reading")
        read = read_sample_files(samples)
        if grader is not None and questions is not None:
            name = "correct"
            result = score_by_grader(read, questions, grader, stages=stages)
        else:
            name = scorer
            result = score_by_reward(
                read,
                RewardSource(str(reward), form, revision, max_tokens, trust_remote_code),
                scorer,
                unfinished_folder(output),
                replicas=replicas,
                num_gpus=num_gpus,
                fresh=fresh,
                stages=stages,
            )
        stages.begin("writing")
        write_samples(output, result.samples)
        remove_unfinished(output)
    facts = {
        "scorer": name,
        "scored": result.n_scored,
        "unscored": result.n_unscored,
        "output": str(output),
    }
    without = f"; {result.n_unscored:,} responses have no score" if result.n_unscored else ""
    text = f"{result.n_scored:,} scores {name!r} in {output}{without}"
    print_result(facts, text, as_json=as_json)


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
