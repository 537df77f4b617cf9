"""``scope train reasoner``: make training data of a bank, and train a checkpoint on it."""

import math
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import Json
from pipelines.commands.train_options import BatchSize, Epochs, Fresh, NumGpus, Seed, Workers
from pipelines.commands.train_reasoner_data import data
from pipelines.finetune.job import FULL_RATE, LORA_RATE, FinetuneSettings
from pipelines.terminal import print_result, progress
from scope.config import parse
from scope.reasoner import ReasonerConfig

app = typer.Typer(help="Train a reasoner on the outcomes of a bank.", no_args_is_help=True)
app.command()(data)

Data = Annotated[Path, typer.Option("--data", help="Folder of scope train reasoner data.")]
BaseCheckpoint = Annotated[
    str, typer.Option(help="Checkpoint to train: a Hugging Face name or a local folder.")
]
CheckpointRevision = Annotated[str | None, typer.Option(help="Commit of a Hugging Face name.")]
ReplyReasoning = Annotated[
    str, typer.Option("--reasoning", help="none: the answer at once; short, full: analysis first.")
]
MaxContextTokens = Annotated[int, typer.Option(min=1, help="Tokens of prompt and reply together.")]
LoraRank = Annotated[int, typer.Option(min=0, help="Rank of LoRA; 0 trains all weights.")]
Rate = Annotated[
    float | None,
    typer.Option(
        help=f"Highest learning rate; else {LORA_RATE:g} with LoRA, {FULL_RATE:g} without."
    ),
]
MicroBatchSize = Annotated[
    int, typer.Option(min=1, help="Most prompts that a worker computes at a time.")
]
Dtype = Annotated[str, typer.Option(help="Of weights that LoRA leaves: bfloat16 or float32.")]


@app.command()
def sft(
    data_folder: Data,
    checkpoint: BaseCheckpoint,
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    revision: CheckpointRevision = None,
    reasoning: ReplyReasoning = "none",
    max_context_tokens: MaxContextTokens = 2_048,
    lora_rank: LoraRank = 16,
    epochs: Epochs = 1,
    learning_rate: Rate = None,
    batch_size: BatchSize = 16,
    micro_batch_size: MicroBatchSize = 4,
    dtype: Dtype = "bfloat16",
    seed: Seed = 0,
    workers: Workers = 1,
    num_gpus: NumGpus = 0.0,
    fresh: Fresh = False,
    as_json: Json = False,
) -> None:
    """Train a checkpoint to write the outcomes: supervised fine-tuning (SFT).

    Killed, the same command continues from the last checkpoint.
    """
    from pipelines.finetune.run import Training, finetune
    from pipelines.finetune.sft import train_sft

    settings = parse(
        FinetuneSettings,
        {
            "epochs": epochs,
            "learning_rate": learning_rate or (LORA_RATE if lora_rank else FULL_RATE),
            "batch_size": batch_size,
            "micro_batch_size": micro_batch_size,
            "lora_rank": lora_rank,
            "dtype": dtype,
            "seed": seed,
            "n_workers": workers,
            "gpus_per_worker": num_gpus,
        },
        "the training",
    )
    config = base_reasoner(checkpoint, revision, reasoning, max_context_tokens)

    def total_steps(n_rows: int) -> int:
        return epochs * math.ceil(n_rows / batch_size)

    training = Training("sft", train_sft, settings, total_steps)
    with progress(as_json=as_json) as stages:
        result = finetune(data_folder, config, training, output, fresh=fresh, stages=stages)
    losses = [entry["eval_loss"] for entry in result.log if "eval_loss" in entry]
    facts = {**result.record.model_dump(exclude={"trained_texts"}), "validation_loss": min(losses)}
    text = (
        f"trained {output} on {result.record.n_train:,} prompts; loss of "
        f"{result.record.n_validation:,} validation prompts {losses[0]:.4f} after a tenth, "
        f"{min(losses):.4f} at best"
    )
    print_result(facts, text, as_json=as_json)


def base_reasoner(
    checkpoint: str, revision: str | None, reasoning: str, max_context_tokens: int
) -> ReasonerConfig:
    """Return the checkpoint to train as a reasoner; raises `ConfigError` for a wrong value."""
    from scope.reasoner import is_local_path

    if is_local_path(checkpoint):  # workers have another working directory
        checkpoint = str(Path(checkpoint).expanduser().resolve())
    return parse(
        ReasonerConfig,
        {
            "checkpoint": checkpoint,
            "revision": revision,
            "reasoning": reasoning,
            "max_context_tokens": max_context_tokens,
        },
        "the reasoner",
    )
