"""Supervised fine-tuning: the reply that states the outcome becomes probable."""

from pathlib import Path
from typing import Any

from pipelines.finetune.job import FinetuneFolder
from pipelines.finetune.trainer import (
    SAVE_SHARE,
    common_arguments,
    load_network,
    load_tokenizer,
    lora_config,
    run_trainer,
)
from pipelines.train.loop import Report
from scope.reasoner import PromptTokenizer

IGNORED = -100
"""Label of tokens without a loss: those of the prompt."""


def train_sft(folder: Path, report: Report) -> None:
    """Train the job in `folder` by the log loss of its replies, from its last checkpoint.

    Every process of a distributed job calls it. The weights with the lowest loss of the
    validation rows are kept.

    Parameters
    ----------
    folder : Path
        Of `FinetuneFolder`; on a disk that all processes share.
    report : callable
        Receives the progress.

    Raises
    ------
    ConfigError
        If the checkpoint cannot be loaded.
    OutputWriteError
        If the disk is full.
    """
    from datasets import Dataset
    from transformers import EarlyStoppingCallback, set_seed
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    files = FinetuneFolder(folder)
    job = files.job()
    set_seed(job.settings.seed)
    tokenizer = load_tokenizer(job)
    tokens = PromptTokenizer(tokenizer, job.reasoner.checkpoint)
    trainer = SFTTrainer(
        model=load_network(job),
        args=SFTConfig(
            **common_arguments(job.settings, folder),
            per_device_eval_batch_size=job.settings.rows_at_a_time,
            eval_strategy="steps",
            eval_steps=SAVE_SHARE,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            loss_type="chunked_nll",
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
        ),
        train_dataset=Dataset.from_list(_token_rows(files.rows("train"), tokens)),
        eval_dataset=Dataset.from_list(_token_rows(files.rows("validation"), tokens)),
        processing_class=tokenizer,
        peft_config=lora_config(job.settings),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=job.settings.patience)],
    )
    run_trainer(trainer, files, report)


def _token_rows(rows: list[dict[str, Any]], tokens: PromptTokenizer) -> list[dict[str, list[int]]]:
    """Return the tokens of prompts and replies; only those of replies have a loss."""
    token_rows = []
    for row in rows:
        prompt, reply = tokens.encode(row["prompt"]), tokens.encode_reply(row["reply"])
        token_rows.append({"input_ids": prompt + reply, "labels": [IGNORED] * len(prompt) + reply})
    return token_rows
