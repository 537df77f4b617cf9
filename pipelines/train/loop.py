"""The training loop of one process: transformers' Trainer on the rows of a job folder."""

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.train.job import BEST, JobFolder, TrainJob, TrainResult
from scope.errors import ConfigError
from scope.learned import (
    add_source_token,
    load_encoder,
    load_reward_network,
    make_network,
    make_pair_network,
    pad,
    save_weights,
)

CHECKPOINTS = "checkpoints"
COMPLETE = "complete"
"""File in a checkpoint that every process has finished writing."""

Report = Callable[[int, int], None]
"""Receives the steps done and all steps."""

Rows = list[dict[str, Any]]


def train(folder: Path, report: Report) -> None:
    """Train the job in `folder` from its last checkpoint, and leave the best weights there.

    Every process of a distributed job calls it. The loss that chooses weights and stops the
    training is that of validation, where lower is better.

    Parameters
    ----------
    folder : Path
        Of `JobFolder`; on a disk that all processes share.
    report : callable
        Receives the progress.

    Raises
    ------
    ConfigError
        If a library is missing, or the encoder cannot be loaded.
    """
    require_accelerate()
    from transformers import set_seed

    files = JobFolder(folder)
    job = files.job()
    set_seed(job.settings.seed)
    trainer = _make_trainer(job, files, report)
    trainer.train(resume_from_checkpoint=last_checkpoint(folder / CHECKPOINTS))
    state = trainer.state
    if trainer.is_world_process_zero():
        save_weights(trainer.model, folder / BEST)
        files.finish(
            TrainResult(
                validation_loss=float(state.best_metric),
                epochs=float(state.epoch or 0),
                steps=int(state.global_step),
                still_fell=state.best_global_step == state.global_step,
            )
        )


def require_accelerate() -> None:
    """Raise `ConfigError` if the library that transformers' Trainer needs is not installed."""
    if importlib.util.find_spec("accelerate") is None:
        raise ConfigError(
            "training an encoder needs accelerate; pip install 'scope-router[train]', or pass "
            "--frozen, which needs nothing"
        )


def last_checkpoint(folder: Path) -> str | None:
    """Return the newest checkpoint that all processes have finished writing; None without one."""
    found = [path.parent for path in folder.glob(f"checkpoint-*/{COMPLETE}")]
    newest = sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))[-1:]
    return str(newest[0]) if newest else None


def _make_trainer(job: TrainJob, files: JobFolder, report: Report) -> Any:  # noqa: ANN401
    from transformers import EarlyStoppingCallback, PrinterCallback, Trainer
    from transformers.utils import logging

    report_level: Any = logging
    report_level.set_verbosity_error()
    trainer = Trainer(
        model=initial_network(job),
        args=_arguments(job, files.path / CHECKPOINTS),
        train_dataset=files.rows("train"),
        eval_dataset=files.rows("validation"),
        data_collator=_collator(job),
        callbacks=[
            EarlyStoppingCallback(early_stopping_patience=job.settings.patience),
            progress_callback(report),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def initial_network(job: TrainJob) -> Any:  # noqa: ANN401
    """Return the network of a job before training; its new weights follow the seed."""
    import torch
    from transformers import set_seed

    set_seed(job.settings.seed)
    if job.loss == "pairs":
        return make_pair_network(load_reward_network(job.encoder.name, job.encoder.revision))
    encoder = load_encoder(job.encoder.name, job.encoder.revision)
    add_source_token(encoder)
    torch.manual_seed(job.settings.seed)
    return make_network(encoder, "source_token", job.source_position, job.loss, job.n_logits)


def _arguments(job: TrainJob, folder: Path) -> Any:  # noqa: ANN401
    import torch
    from torch import distributed
    from transformers import TrainingArguments

    settings = job.settings
    on_gpu = settings.gpus_per_worker > 0 and torch.cuda.is_available()
    per_worker = max(settings.batch_size // settings.n_workers, 1)
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=per_worker,
        per_device_eval_batch_size=per_worker,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup_share,
        lr_scheduler_type="linear",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        seed=settings.seed,
        data_seed=settings.seed,
        use_cpu=not on_gpu,
        bf16=on_gpu and torch.cuda.is_bf16_supported(),
        ddp_backend=distributed.get_backend() if distributed.is_initialized() else None,
        ddp_find_unused_parameters=True,
        dataloader_pin_memory=on_gpu,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
        logging_strategy="no",
    )


def _collator(job: TrainJob) -> Callable[[Rows], dict[str, Any]]:
    """Return the function that makes tensors of rows."""
    import torch

    def collate(rows: Rows) -> dict[str, Any]:
        if job.loss == "pairs":
            pairs = [ids for row in rows for ids in (row["chosen"], row["rejected"])]
            shape = (len(rows), 2, -1)
            ids, mask = (part.view(shape) for part in pad(pairs, job.pad_id))
            # The Trainer computes a validation loss only for rows with labels.
            return {"input_ids": ids, "attention_mask": mask, "labels": torch.ones(len(rows))}
        ids, mask = pad([row["input_ids"] for row in rows], job.pad_id)
        labels = [[math.nan if y is None else y for y in row["labels"]] for row in rows]
        return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor(labels)}

    return collate


def progress_callback(report: Report) -> Any:  # noqa: ANN401
    """Return the callback that reports steps, and marks checkpoints that are complete."""
    from torch import distributed
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: object) -> None:  # noqa: ANN401
            if state.is_world_process_zero:
                report(state.global_step, state.max_steps)

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: object) -> None:  # noqa: ANN401
            if distributed.is_initialized():
                distributed.barrier()  # each process writes its own random state
            if state.is_world_process_zero:
                (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()

    return Progress()
