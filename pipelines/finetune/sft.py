"""Supervised fine-tuning: the reply that states the outcome becomes probable."""

from functools import partial
from pathlib import Path
from typing import Any

from pipelines.finetune.trainer import (
    SAVE_SHARE,
    common_arguments,
    load_network,
    lora_config,
    open_job,
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
    from transformers import EarlyStoppingCallback
    from trl.trainer.sft_config import SFTConfig

    files, job, tokenizer = open_job(folder)
    tokens = PromptTokenizer(tokenizer, job.reasoner.checkpoint)
    trainer = reply_trainer()(
        model=load_network(job),
        args=SFTConfig(
            **common_arguments(job.settings, folder),
            per_device_eval_batch_size=job.settings.rows_at_a_time,
            eval_strategy="steps",
            eval_steps=SAVE_SHARE,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
        ),
        train_dataset=Dataset.from_list(_token_rows(files.rows("train"), tokens)),
        eval_dataset=Dataset.from_list(_token_rows(files.rows("validation"), tokens)),
        data_collator=partial(pad_left, pad_id=tokenizer.pad_token_id),
        processing_class=tokenizer,
        peft_config=lora_config(job.settings),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=job.settings.patience)],
    )
    run_trainer(trainer, files, report)


def reply_trainer() -> Any:  # noqa: ANN401 (a class of TRL, which has no types)
    """Return TRL's trainer with a loss that computes no logits for the tokens of prompts.

    They are most of a row and have no loss; with a large vocabulary, computing them takes as long
    as the rest of the network.
    """
    from torch.nn.functional import cross_entropy
    from trl.trainer.sft_trainer import SFTTrainer

    class ReplyTrainer(SFTTrainer):
        def compute_loss(
            self,
            model: Any,  # noqa: ANN401
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,  # noqa: ANN401 (a tensor, or None)
        ) -> Any:  # noqa: ANN401
            labels = inputs.pop("labels")
            longest = int((labels != IGNORED).sum(dim=1).max())
            outputs = model(**inputs, logits_to_keep=longest + 1)
            logits, target = outputs.logits[:, :-1].float(), labels[:, -longest:]
            total = cross_entropy(
                logits.flatten(0, 1), target.flatten(), ignore_index=IGNORED, reduction="sum"
            )
            if num_items_in_batch is None:
                loss = total / (target != IGNORED).sum()
            else:  # the tokens of all processes, whose gradients are averaged
                loss = total * self.accelerator.num_processes / num_items_in_batch
            return (loss, outputs) if return_outputs else loss

    return ReplyTrainer


def pad_left(rows: list[dict[str, list[int]]], pad_id: int) -> dict[str, Any]:
    """Return the tensors of a batch, padded on the left: all replies end at the last position."""
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    padded = {"input_ids": pad_id, "labels": IGNORED}
    batch = {
        name: torch.tensor([[value] * (width - len(row[name])) + row[name] for row in rows])
        for name, value in padded.items()
    }
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    mask = torch.arange(width)[None, :] >= width - lengths[:, None]
    return {**batch, "attention_mask": mask.long()}


def _token_rows(rows: list[dict[str, Any]], tokens: PromptTokenizer) -> list[dict[str, list[int]]]:
    """Return the tokens of prompts and replies; only those of replies have a loss."""
    token_rows = []
    for row in rows:
        prompt, reply = tokens.encode(row["prompt"]), tokens.encode_reply(row["reply"])
        token_rows.append({"input_ids": prompt + reply, "labels": [IGNORED] * len(prompt) + reply})
    return token_rows
