"""``scope train reasoner``: make training data of a bank, and train a checkpoint on it."""

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

    settings = finetune_settings(
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        micro_batch_size=micro_batch_size,
        lora_rank=lora_rank,
        dtype=dtype,
        seed=seed,
        n_workers=workers,
        gpus_per_worker=num_gpus,
    )
    config = base_reasoner(checkpoint, revision, reasoning, max_context_tokens)
    training = Training("sft", train_sft, settings)
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


@app.command()
def grpo(
    data_folder: Data,
    checkpoint: BaseCheckpoint,
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    revision: CheckpointRevision = None,
    reasoning: ReplyReasoning = "none",
    max_context_tokens: MaxContextTokens = 2_048,
    score: Annotated[
        str, typer.Option(help="Of the answer: brier and log are proper, hard as published.")
    ] = "brier",
    correct_weight: Annotated[float, typer.Option(help="Of the answer's score.")] = 1.0,
    length_weight: Annotated[float, typer.Option(help="Of the length reward.")] = 0.25,
    form_weight: Annotated[float, typer.Option(help="Of a reply that can be parsed.")] = 0.25,
    group_size: Annotated[int, typer.Option(help="Replies to one prompt.")] = 8,
    kl: Annotated[float, typer.Option(help="Weight of the divergence from the checkpoint.")] = 0.0,
    vllm: Annotated[
        str | None, typer.Option(help="Replies by vLLM: colocate (same GPU) or server.")
    ] = None,
    vllm_url: Annotated[str | None, typer.Option(help="Address of trl vllm-serve.")] = None,
    lora_rank: LoraRank = 16,
    epochs: Epochs = 1,
    learning_rate: Rate = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Replies of one step, all workers together.")
    ] = 32,
    micro_batch_size: MicroBatchSize = 8,
    dtype: Dtype = "bfloat16",
    seed: Seed = 0,
    workers: Workers = 1,
    num_gpus: NumGpus = 0.0,
    fresh: Fresh = False,
    as_json: Json = False,
) -> None:
    """Train a checkpoint by rewards of its own replies: group relative policy optimisation (GRPO).

    Begin with a checkpoint of scope train reasoner sft: one that rarely writes a reply that can be
    parsed is rarely rewarded. Killed, the same command continues from the last checkpoint.
    """
    from pipelines.finetune.grpo import check_policy, train_grpo
    from pipelines.finetune.job import PolicySettings
    from pipelines.finetune.run import Training, finetune

    settings = finetune_settings(
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        micro_batch_size=micro_batch_size,
        lora_rank=lora_rank,
        dtype=dtype,
        seed=seed,
        n_workers=workers,
        gpus_per_worker=num_gpus,
    )
    policy = parse(
        PolicySettings,
        {
            "group_size": group_size,
            "score": score,
            "weights": {"correct": correct_weight, "length": length_weight, "form": form_weight},
            "kl": kl,
            "vllm": vllm,
            "vllm_url": vllm_url,
        },
        "the reward",
    )
    check_policy(policy, workers, num_gpus)
    config = base_reasoner(checkpoint, revision, reasoning, max_context_tokens)
    training = Training("grpo", train_grpo, settings, policy)
    with progress(as_json=as_json) as stages:
        result = finetune(data_folder, config, training, output, fresh=fresh, stages=stages)
    rewards = [entry["reward"] for entry in result.log if "reward" in entry]
    tenth = max(len(rewards) // 10, 1)
    first, last = (sum(part) / tenth for part in (rewards[:tenth], rewards[-tenth:]))
    facts = {
        **result.record.model_dump(exclude={"trained_texts"}),
        "first_reward": first,
        "last_reward": last,
    }
    text = (
        f"trained {output} on replies to {result.record.n_train:,} prompts; mean reward "
        f"{first:.3f} in the first tenth, {last:.3f} in the last"
    )
    print_result(facts, text, as_json=as_json)


def finetune_settings(**given: float | int | str | None) -> FinetuneSettings:
    """Return the settings that the flags name; without a learning rate, that of the method.

    Raises
    ------
    ConfigError
        If a value is wrong.
    """
    if given["learning_rate"] is None:
        given["learning_rate"] = LORA_RATE if given["lora_rank"] else FULL_RATE
    return parse(FinetuneSettings, given, "the training")


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
