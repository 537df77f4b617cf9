"""What SFT and GRPO share in one process: the network, the arguments of TRL, and the end."""

import errno
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

from pipelines.finetune.job import BEST, LOG, FinetuneFolder, FinetuneJob, FinetuneSettings
from pipelines.train.loop import CHECKPOINTS, Report, last_checkpoint, progress_callback
from scope.errors import ConfigError, OutputWriteError, first_line
from scope.storage import atomic_file

SAVE_SHARE = 0.1
"""Share of all steps after which a checkpoint is written: a kill loses at most so much."""

LORA_ALPHA_PER_RANK = 2
"""Scale of LoRA's update, in ranks."""

NO_SPACE = "No space left on device"


def require_trl() -> None:
    """Raise `ConfigError` if a library that fine-tuning needs is not installed."""
    missing = [name for name in ("trl", "peft") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"training a reasoner needs {' and '.join(missing)}; pip install 'scope-router[train]'"
        )


def open_job(folder: Path) -> tuple[FinetuneFolder, FinetuneJob, Any]:
    """Return the folder, its job and the tokenizer of the checkpoint; draws follow the seed."""
    from transformers import set_seed

    files = FinetuneFolder(folder)
    job = files.job()
    set_seed(job.settings.seed)
    return files, job, load_tokenizer(job)


def on_gpu(settings: FinetuneSettings) -> bool:
    """Return whether this process trains on a GPU."""
    import torch

    return settings.gpus_per_worker > 0 and torch.cuda.is_available()


def load_network(job: FinetuneJob) -> Any:  # noqa: ANN401 (a transformers model)
    """Return the checkpoint as a causal language model.

    Raises
    ------
    ConfigError
        If it cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = job.reasoner
    # A small step would be lost in the rounding of a trained bfloat16 weight.
    dtype = job.settings.dtype if job.settings.lora_rank else "float32"
    try:
        return AutoModelForCausalLM.from_pretrained(
            config.checkpoint,
            revision=config.revision,
            trust_remote_code=config.trust_remote_code,
            dtype=getattr(torch, dtype),
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ConfigError(
            f"checkpoint {config.checkpoint!r} cannot be loaded: {first_line(error)}"
        ) from error


def load_tokenizer(job: FinetuneJob) -> Any:  # noqa: ANN401 (a transformers tokenizer)
    """Return the tokenizer of the checkpoint, with a token for padding."""
    from transformers import AutoTokenizer

    config = job.reasoner
    tokenizer = AutoTokenizer.from_pretrained(
        config.checkpoint,
        revision=config.revision,
        trust_remote_code=config.trust_remote_code,
    )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def lora_config(settings: FinetuneSettings) -> Any:  # noqa: ANN401 (peft has no types)
    """Return the configuration of LoRA; None if all weights are trained."""
    if not settings.lora_rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=LORA_ALPHA_PER_RANK * settings.lora_rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def common_arguments(settings: FinetuneSettings, folder: Path) -> dict[str, Any]:
    """Return the arguments that TRL's trainers share.

    Parameters
    ----------
    settings : FinetuneSettings
    folder : Path
        Working folder.
    """
    import torch
    from torch import distributed

    gpu = on_gpu(settings)
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "per_device_train_batch_size": settings.rows_at_a_time,
        "gradient_accumulation_steps": settings.accumulation_steps,
        "weight_decay": settings.weight_decay,
        "warmup_steps": settings.warmup_share,
        "lr_scheduler_type": "linear",
        "save_strategy": "steps",
        "save_steps": SAVE_SHARE,
        "save_total_limit": 2,
        "logging_steps": 1,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "use_cpu": not gpu,
        "bf16": gpu and torch.cuda.is_bf16_supported(),
        "gradient_checkpointing": gpu,
        "ddp_backend": distributed.get_backend() if distributed.is_initialized() else None,
        "ddp_find_unused_parameters": False,
        "dataloader_pin_memory": gpu,
        "disable_tqdm": True,
        "report_to": "none",
    }


def run_trainer(trainer: Any, files: FinetuneFolder, report: Report) -> None:  # noqa: ANN401
    """Train from the last checkpoint, and leave weights, tokenizer and log in the folder.

    Raises
    ------
    OutputWriteError
        If the disk is full.
    """
    from transformers import PrinterCallback, ProgressCallback

    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(progress_callback(report))
    try:
        trainer.train(resume_from_checkpoint=last_checkpoint(files.path / CHECKPOINTS))
        if trainer.is_world_process_zero():
            _finish(trainer, files.path)
    except (OSError, RuntimeError) as error:  # torch and safetensors tell a full disk their own way
        if NO_SPACE in str(error):
            raise OutputWriteError(errno.ENOSPC, NO_SPACE, str(files.path)) from error
        raise


def _finish(trainer: Any, folder: Path) -> None:  # noqa: ANN401
    """Write log, weights and tokenizer; the folder of weights comes last."""
    with atomic_file(folder / LOG) as draft:
        lines = [json.dumps(entry) for entry in trainer.state.log_history]
        draft.write_text("\n".join([*lines, ""]), encoding="utf-8")
    network = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(network, "merge_and_unload"):
        network = network.merge_and_unload()
    draft_folder = folder / f".{BEST}"
    shutil.rmtree(draft_folder, ignore_errors=True)
    network.save_pretrained(draft_folder)
    trainer.processing_class.save_pretrained(draft_folder)
    draft_folder.rename(folder / BEST)
