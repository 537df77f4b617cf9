"""Names for values of torch and transformers, which no file here imports at its head."""

from typing import Any

Module = Any
"""A `torch.nn.Module`."""

Tensor = Any
"""A `torch.Tensor`."""

Tokenizer = Any
"""A tokenizer of transformers."""
