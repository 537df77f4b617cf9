"""The actor that builds prompts: questions in, a prompt per question, or per model of it, out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ray

from pipelines.embedding.encoder_actor import Batch
from scope.arrays import BoolArray, Float32Array, IntArray
from scope.bank import Bank, BankPrompts, StoredFeatures
from scope.embedding import AnchorIndex
from scope.errors import ScopeError
from scope.predictor import N_REPORTED_ANCHORS
from scope.reasoner import PromptTokenizer, ReasonerConfig


@dataclass(frozen=True, slots=True)
class PromptTask:
    """The input that all prompt actors share."""

    bank: Bank
    config: ReasonerConfig
    wanted_qm: BoolArray
    """Cells to query; shape (n_questions, n_models)."""
    stored: Path | None
    """The bank that holds the questions; None if they are raw texts."""


class PromptActor:
    """Builds the prompts of whole blocks; holds one bank, index and tokenizer for all of them."""

    def __init__(self, task: "ray.ObjectRef[PromptTask]") -> None:
        self._task = ray.get(task)
        self._index = AnchorIndex(self._task.bank.embedding_ad)
        self._stored = None if self._task.stored is None else StoredFeatures(self._task.stored)
        # Ray turns an error in a constructor into text and retries it: raise it with the block.
        self._prompts: BankPrompts | ScopeError
        try:
            self._prompts = load_prompts(self._task.bank, self._task.config)
        except ScopeError as error:
            self._prompts = error

    def __call__(self, batch: Batch) -> Batch:
        """Return ``row``, ``column`` (index of the model) and ``prompt`` of each wanted cell.

        With form ``pool`` a question with a wanted cell has one prompt, about all models of the
        bank from column 0 on.
        Sorted by prompt, so that prompts with a common prefix follow each other and the engine's
        prefix cache serves them.
        """
        if isinstance(self._prompts, ScopeError):
            raise self._prompts
        wanted_qm = self._task.wanted_qm[batch["row"]]
        if "error" in batch:  # without a vector there are no nearest anchors
            wanted_qm = wanted_qm & (batch["error"] == "")[:, None]
        anchor_k_of = self._nearest(batch, np.flatnonzero(wanted_qm.any(axis=1)))
        queries = sorted(
            (self._prompts.build(str(batch["prompt"][q]), anchor_k, m), int(batch["row"][q]), m)
            for q, anchor_k in anchor_k_of.items()
            for m in _first_columns(self._prompts, wanted_qm[q])
        )
        return {
            "row": np.array([row for _, row, _ in queries], dtype=np.int64),
            "column": np.array([m for *_, m in queries], dtype=np.int64),
            "prompt": np.array([prompt for prompt, *_ in queries], dtype=object),
        }

    def _nearest(self, batch: Batch, wanted: IntArray) -> dict[int, IntArray]:
        """Return the nearest anchors of the `wanted` questions of a batch, themselves excluded."""
        if not wanted.size:
            return {}
        embedding_qd = self._vectors(batch, wanted)
        if "self_anchor" in batch:
            self_index_q = batch["self_anchor"][wanted]
            _, anchor_qk = self._index.search_excluding_self(
                embedding_qd, N_REPORTED_ANCHORS, self_index_q
            )
        else:
            _, anchor_qk = self._index.search(embedding_qd, N_REPORTED_ANCHORS)
        return dict(zip(wanted.tolist(), anchor_qk, strict=True))

    def _vectors(self, batch: Batch, wanted: IntArray) -> Float32Array:
        if self._stored is not None:
            return self._stored.read(batch["row"][wanted])[0]
        return np.stack(list(batch["embedding"]))[wanted]


def load_prompts(bank: Bank, config: ReasonerConfig) -> BankPrompts:
    """Return the prompts of a reasoner about the models of a bank.

    Raises
    ------
    ConfigError
        If its template or its tokenizer cannot be used, or the context has no room for a prompt.
    """
    tokens = PromptTokenizer.load(config.checkpoint, config.revision, config.trust_remote_code)
    return BankPrompts(bank, config, tokens)


def _first_columns(prompts: BankPrompts, wanted_m: BoolArray) -> list[int]:
    """Return the first column of each prompt that the wanted models of a question take."""
    return sorted({prompts.columns(m)[0] for m in np.flatnonzero(wanted_m).tolist()})
