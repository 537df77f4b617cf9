"""How a reasoner was trained: ``training.json`` in the folder of its checkpoint."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from scope.config import StrictModel, parse
from scope.reasoner.spec import PromptForm, Reasoning
from scope.storage import read_json

TRAINING_RECORD = "training.json"
TRAINED_TEMPLATE = "prompt.jinja"
"""The template of the prompts that a checkpoint was trained on, in its folder."""


class TrainingRecord(StrictModel):
    """The data and the settings that a checkpoint was trained with."""

    method: Literal["sft", "grpo"]
    base_checkpoint: str
    base_revision: str | None
    """Commit, or digest of a local folder; None if unpinned."""
    bank: str
    """Version of the bank that the data comes from."""
    data: str
    """SHA-256 of the rows."""
    models: tuple[str, ...]
    form: PromptForm
    reasoning: Reasoning
    n_examples: int
    max_context_tokens: int
    settings: dict[str, Any]
    """Of the trainer."""
    n_train: int
    n_validation: int
    """Prompts."""
    trained_texts: tuple[str, ...]
    """Sorted SHA-256 of the texts of all questions that training has seen an outcome of."""

    @classmethod
    def read(cls, checkpoint: str) -> "TrainingRecord | None":
        """Return the record in a checkpoint's folder; None without one.

        Raises
        ------
        ScopeError
            If the record is damaged.
        """
        path = Path(checkpoint).expanduser() / TRAINING_RECORD
        return parse(cls, read_json(path), str(path)) if path.is_file() else None

    def seen(self, texts: Iterable[str]) -> list[bool]:
        """Return for each question whether its outcomes were part of the training."""
        trained = set(self.trained_texts)
        return [text_digest(text) in trained for text in texts]


def text_digest(text: str) -> str:
    """Return the SHA-256 of a question's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def text_digests(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the sorted SHA-256 of the texts of questions, each once."""
    return tuple(sorted({text_digest(text) for text in texts}))
