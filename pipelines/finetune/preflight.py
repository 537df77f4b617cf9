"""Checks of checkpoint and disk before a training starts."""

import shutil
from pathlib import Path
from typing import Any

from pipelines.finetune.job import FinetuneSettings
from scope.errors import ConfigError
from scope.reasoner import ReasonerConfig
from scope.storage import check_writable

BYTES_PER_TRAINED_WEIGHT = 12
"""Of a checkpoint: a weight and the two moments of its optimizer, float32."""
N_CHECKPOINTS = 3
"""At a time: the last, the best, and the one being written."""


def check_network(reasoner: ReasonerConfig) -> int:
    """Return the number of weights of the checkpoint, whose configuration alone is read.

    Raises
    ------
    ConfigError
        If it is no language model, or reads fewer tokens than `ReasonerConfig.max_context_tokens`.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    auto: Any = AutoModelForCausalLM
    try:
        config = AutoConfig.from_pretrained(
            reasoner.checkpoint,
            revision=reasoner.revision,
            trust_remote_code=reasoner.trust_remote_code,
        )
        with torch.device("meta"):
            network = auto.from_config(config)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"checkpoint {reasoner.checkpoint!r} is no causal language model: {error}"
        ) from error
    longest = getattr(config, "max_position_embeddings", None)
    if longest is not None and longest < reasoner.max_context_tokens:
        raise ConfigError(
            f"max_context_tokens is {reasoner.max_context_tokens:,}, but checkpoint "
            f"{reasoner.checkpoint!r} reads at most {longest:,}; lower --max-context-tokens"
        )
    return int(network.num_parameters())


def check_disk(output: Path, settings: FinetuneSettings, n_weights: int) -> None:
    """Raise `ConfigError` if the checkpoints and the weights will not fit beside `output`.

    With LoRA, checkpoints hold only the trained matrices, and the merged weights are written
    once more.
    """
    folder = output.resolve().parent
    check_writable(folder)
    needed = 2 * 4 * n_weights
    if not settings.lora_rank:
        needed += N_CHECKPOINTS * BYTES_PER_TRAINED_WEIGHT * n_weights
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ConfigError(
            f"the training of {n_weights:,} weights needs {needed / 1e6:,.0f} MB beside {output}, "
            f"where {free / 1e6:,.0f} MB are free; expected more room, or --lora-rank above 0"
        )
