"""From texts to rows of token ids that no text can fake, and to batches of similar length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scope.errors import ConfigError, first_line
from scope.learned.foreign_types import Module, Tensor, Tokenizer

BATCH_TOKENS = 2_048
"""Tokens in one forward pass, padding included, on a CPU."""

GPU_BATCH_TOKENS = 65_536

MAX_BATCH_TEXTS = 256


@dataclass(frozen=True, slots=True)
class TokenRow:
    """The token ids of one text.

    Attributes
    ----------
    ids : list of int
        With special tokens, cut on the right; empty if the text cannot be encoded.
    n_tokens : int
        Tokens of the whole text, without special tokens.
    truncated : bool
    error : str
        Why the text cannot be encoded; empty if it can.
    """

    ids: list[int]
    n_tokens: int
    truncated: bool
    error: str = ""


class TextTokenizer:
    """A tokenizer that reads special tokens in a text as plain characters.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerBase
    max_tokens : int
        Tokens of a row, special tokens included.
    source_id : int, optional
        Id of the token before the text whose hidden state is read. It is no word of the
        tokenizer, so that no text contains it.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, source_id: int | None = None) -> None:
        self.tokenizer = tokenizer
        self.pad_id = int(tokenizer.pad_token_id or 0)
        framed = tokenizer("a", add_special_tokens=True)["input_ids"]
        bare = self.plain_ids("a")
        start = next(
            (i for i in range(len(framed)) if framed[i : i + len(bare)] == bare), len(framed)
        )
        self._prefix = framed[:start] + ([] if source_id is None else [source_id])
        self._suffix = framed[start + len(bare) :]
        self.room = max_tokens - len(self._prefix) - len(self._suffix)
        """Tokens of a text that fit."""
        if self.room < 1:
            raise ConfigError(f"max_tokens is {max_tokens}; no token of a text fits")

    @property
    def source_position(self) -> int:
        """Position of the source token in every row."""
        return len(self._prefix) - 1

    def plain_ids(self, text: str) -> list[int]:
        """Return the tokens of a text; a special token in it is read as its characters."""
        ids: list[int] = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        return ids

    def frame(self, ids: Sequence[int]) -> list[int]:
        """Return the tokens of a text between the special tokens of a row."""
        return [*self._prefix, *ids, *self._suffix]

    def rows(self, texts: Sequence[str]) -> list[TokenRow]:
        """Return one row for each text; a text that cannot be encoded has an error."""
        return [self._row(text) for text in texts]

    def _row(self, text: str) -> TokenRow:
        try:
            text.encode()
            ids = self.plain_ids(text)
        except UnicodeEncodeError as error:
            return TokenRow([], 0, False, f"the text is not valid Unicode: {first_line(error)}")
        return TokenRow(self.frame(ids[: self.room]), len(ids), len(ids) > self.room)


def load_tokenizer(
    source: str | Path, revision: str | None = None, *, trusted: bool = False
) -> Tokenizer:
    """Load the tokenizer of a folder or a Hugging Face name.

    Raises
    ------
    ConfigError
        If it cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            str(source), revision=revision, trust_remote_code=trusted
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ConfigError(
            f"the tokenizer of {str(source)!r} cannot be loaded; expected a folder or a Hugging "
            f"Face name: {first_line(error)}"
        ) from error


def default_max_tokens(tokenizer: Tokenizer, config: Module) -> int:
    """Return how many tokens an encoder reads: the least of its limits, at most 512."""
    limits = [tokenizer.model_max_length, getattr(config, "max_position_embeddings", 512), 512]
    return int(min(limit for limit in limits if limit and limit > 0))


def batches(rows: Sequence[Sequence[int]], batch_tokens: int) -> Iterator[list[int]]:
    """Yield indices of rows of similar length, longest first; empty rows are left out.

    The size of a batch times the length of its longest row is at most `batch_tokens`; a batch
    has at least one row.

    Examples
    --------
    >>> list(batches([[1] * 3, [1] * 10, [], [1] * 4], batch_tokens=10))
    [[1], [3, 0]]
    """
    order = sorted((i for i in range(len(rows)) if rows[i]), key=lambda i: -len(rows[i]))
    start = 0
    while start < len(order):
        size = min(max(batch_tokens // len(rows[order[start]]), 1), MAX_BATCH_TEXTS)
        yield order[start : start + size]
        start += size


def pad(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Return ids and mask as tensors of shape (n_rows, longest), padded on the right."""
    import torch

    length = max(len(row) for row in rows)
    input_ids = torch.full((len(rows), length), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for n, row in enumerate(rows):
        input_ids[n, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[n, : len(row)] = 1
    return input_ids, mask
