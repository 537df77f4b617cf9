"""Networks in torch: an encoder with heads, and a reward model; made, trained, saved, loaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scope.arrays import FloatArray
from scope.embedding import resolve_model
from scope.errors import ConfigError, first_line
from scope.learned.foreign_types import Module, Tensor, Tokenizer
from scope.learned.losses import head_loss
from scope.learned.spec import Loss, Pooling
from scope.learned.token_rows import BATCH_TOKENS, GPU_BATCH_TOKENS, TextTokenizer, batches, pad

DROPOUT = 0.05
"""Before the heads, as published."""

WEIGHTS = "model.safetensors"


def load_encoder(name: str, revision: str | None = None) -> Module:
    """Load an encoder in single precision, without its pooling layer.

    Parameters
    ----------
    name : str
        The packaged MiniLM, a folder, or a Hugging Face name.
    revision : str, optional
        Commit of a Hugging Face name.

    Raises
    ------
    ConfigError
        If it cannot be loaded.
    """
    import torch
    from transformers import AutoModel

    return _load(AutoModel, resolve_model(name, revision)[0], revision, dtype=torch.float32)


def load_reward_network(name: str, revision: str | None = None, *, trusted: bool = False) -> Module:
    """Load a sequence-classification network; one without a head gets a new one of one output."""
    import torch
    from transformers import AutoModelForSequenceClassification

    options: dict[str, Any] = {"dtype": torch.float32, "trust_remote_code": trusted}
    if not trusted:
        options["num_labels"] = 1
    source, _ = resolve_model(name, revision)
    return _load(AutoModelForSequenceClassification, source, revision, **options)


def _load(kind: Module, source: str, revision: str | None, **options: object) -> Module:
    from transformers.utils import logging

    report: Any = logging  # its functions have no types
    shown, level = report.is_progress_bar_enabled(), report.get_verbosity()
    report.disable_progress_bar()
    report.set_verbosity_error()  # it would name each layer that is left out
    try:
        network = kind.from_pretrained(source, revision=revision, **options)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ConfigError(
            f"encoder {source!r} cannot be loaded; expected a folder or a Hugging Face name: "
            f"{first_line(error)}"
        ) from error
    finally:
        report.set_verbosity(level)
        if shown:
            report.enable_progress_bar()
    return _without_pooler(network)


def _without_pooler(network: Module) -> Module:
    """Drop the layer of sentence classification that no head of ours reads."""
    if type(network).__name__.endswith("Model") and getattr(network, "pooler", None) is not None:
        network.pooler = None
    return network


def add_source_token(encoder: Module) -> int:
    """Add a row to the embedding matrix, the mean of the others; return its index."""
    import torch

    source_id = int(encoder.get_input_embeddings().num_embeddings)
    encoder.resize_token_embeddings(source_id + 1, mean_resizing=False)
    weight = encoder.get_input_embeddings().weight
    with torch.no_grad():
        weight[source_id] = weight[:source_id].mean(dim=0)
    return source_id


def make_network(
    encoder: Module,
    pooling: Pooling,
    position: int,
    loss: Loss,
    n_logits: int,
) -> Module:
    """Return a module from ``input_ids`` and ``attention_mask`` to logits, and to the loss.

    Parameters
    ----------
    encoder : torch.nn.Module
    pooling : Pooling
    position : int
        Of the source token in every row.
    loss : Loss
    n_logits : int
    """
    from torch import nn

    class Network(nn.Module):  # torch is loaded here only
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.dropout = nn.Dropout(DROPOUT)
            self.heads = nn.Linear(encoder.config.hidden_size, n_logits)

        def embed(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            hidden = self.encoder(
                input_ids=input_ids, attention_mask=attention_mask
            ).last_hidden_state
            if pooling == "source_token":
                return hidden[:, position]
            weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
            return (hidden * weight).sum(dim=1) / weight.sum(dim=1)

        def forward(
            self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor = None
        ) -> dict[str, Tensor]:
            logits = self.heads(self.dropout(self.embed(input_ids, attention_mask)))
            if labels is None:
                return {"logits": logits}
            return {"loss": head_loss(loss, logits, labels), "logits": logits}

    return Network()


def make_pair_network(scorer: Module) -> Module:
    """Return a module from pairs (chosen, rejected) to their scores and the logistic loss.

    ``input_ids`` and ``attention_mask`` have shape (n_pairs, 2, n_tokens); the loss is the mean
    of ``-log sigmoid(score_chosen - score_rejected)``.
    """
    from torch import nn
    from torch.nn import functional

    class PairNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scorer = scorer

        def forward(
            self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor = None
        ) -> dict[str, Tensor]:
            flat = self.scorer(
                input_ids=input_ids.flatten(0, 1), attention_mask=attention_mask.flatten(0, 1)
            ).logits
            scores = flat[:, 0].view(-1, 2)
            loss = -functional.logsigmoid(scores[:, 0] - scores[:, 1]).mean()
            return {"loss": loss, "logits": scores}

    return PairNetwork()


def network_from_config(folder: Path) -> Module:
    """Return an encoder with the architecture of ``config.json`` and random weights."""
    from transformers import AutoConfig, AutoModel

    kind: Any = AutoModel
    try:
        return _without_pooler(kind.from_config(AutoConfig.from_pretrained(str(folder))))
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ConfigError(f"{folder} holds no encoder: {first_line(error)}") from error


def save_weights(network: Module, path: Path) -> None:
    """Write the weights of a network as safetensors."""
    from safetensors.torch import save_file

    tensors = {name: value.contiguous().cpu() for name, value in network.state_dict().items()}
    save_file(tensors, str(path), metadata={"format": "pt"})


def load_weights(network: Module, path: Path) -> None:
    """Read weights that `save_weights` wrote; all names and shapes must agree.

    Raises
    ------
    ConfigError
        If they do not.
    """
    from safetensors.torch import load_file

    try:
        network.load_state_dict(load_file(str(path)))
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"{path} holds other weights: {first_line(error)}") from error


def run_rows(
    network: Module,
    rows: Sequence[Sequence[int]],
    pad_id: int,
    width: int,
    *,
    embed: bool = False,
) -> FloatArray:
    """Return the logits of rows of token ids, shape (n_rows, width); NaN for an empty row.

    Parameters
    ----------
    network : torch.nn.Module
        Maps ids and mask to a mapping or an object with ``logits``.
    rows : sequence of sequence of int
    pad_id : int
    width : int
        Number of logits, or of dimensions.
    embed : bool
        Return the pooled hidden states instead.
    """
    import torch

    device = next(network.parameters()).device
    network.eval()
    result_nx = np.full((len(rows), width), np.nan)
    budget = BATCH_TOKENS if device.type == "cpu" else GPU_BATCH_TOKENS
    with torch.inference_mode():
        for batch in batches(rows, budget):
            ids, mask = (part.to(device) for part in pad([rows[n] for n in batch], pad_id))
            values = network.embed(ids, mask) if embed else _logits(network(ids, mask))
            result_nx[batch] = values.double().cpu().numpy()
    return result_nx


def _logits(output: Tensor) -> Tensor:
    if "score" in output:  # ArmoRM's form
        return output["score"].reshape(-1, 1)
    return output["logits"]


def best_device() -> str:
    """Return ``cuda`` if torch sees a GPU, else ``cpu``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def source_tokenizer(
    tokenizer: Tokenizer,
    encoder: Module,
    pooling: Pooling,
    max_tokens: int,
) -> TextTokenizer:
    """Return the tokenizer of rows; the last row of the matrix is the source token."""
    source_id = int(encoder.get_input_embeddings().num_embeddings) - 1
    return TextTokenizer(tokenizer, max_tokens, source_id if pooling == "source_token" else None)
