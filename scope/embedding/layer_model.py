"""A middle layer of a causal language model as a sentence-transformers model."""

from typing import TYPE_CHECKING

from scope.errors import ConfigError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor


def load_layer(source: str, revision: str | None, layer: int) -> "SentenceTransformer":
    """Return a model whose vector is the mean over the tokens of one layer's hidden states.

    The first token is left out: in these models it is an attention sink, whose state is a hundred
    times as long as that of any other and says nothing about the text. The layers above are not
    kept, and neither is the last normalisation, which belongs to them. The weights are in bfloat16.

    Parameters
    ----------
    source : str
        Folder or Hugging Face name of a causal language model.
    revision : str or None
        Commit of a Hugging Face name.
    layer : int
        From 1, the output of the first block, to the number of blocks.

    Raises
    ------
    ConfigError
        If the model has no list of blocks, or not so many.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    options = {"revision": revision, "trust_remote_code": False}
    transformer = Transformer(
        source,
        model_kwargs={**options, "dtype": torch.bfloat16},
        # The text itself, without the frame of a chat.
        processor_kwargs={**options, "chat_template": None},
        config_kwargs=dict(options),
    )
    network, tokenizer = transformer.model, transformer.tokenizer
    blocks = getattr(network, "layers", None)
    if not isinstance(blocks, torch.nn.ModuleList) or not hasattr(network, "norm"):
        raise ConfigError(
            f"{source} has no layers that can be told apart; expected a causal language model of "
            "the form of Llama, Qwen, Mistral or Gemma"
        )
    if layer > len(blocks):
        raise ConfigError(f"{source} has {len(blocks)} layers; layer {layer} was asked for")
    network.layers, network.norm = blocks[:layer], torch.nn.Identity()
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    transformer.register_forward_hook(_leave_out_first_token)
    width = int(network.config.hidden_size)
    return SentenceTransformer(modules=[transformer, Pooling(width, pooling_mode="mean")])


def _leave_out_first_token(
    _module: object, _inputs: object, features: "dict[str, Tensor]"
) -> "dict[str, Tensor]":
    """Return the states in single precision, with a mask that pooling obeys; one token stays."""
    mask_qt = features["attention_mask"].clone()
    mask_qt[:, 0] = mask_qt.sum(dim=1) == 1
    state_qtd = features["token_embeddings"].float()
    return {**features, "token_embeddings": state_qtd, "attention_mask": mask_qt}
