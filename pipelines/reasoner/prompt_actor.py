"""The worker that writes prompts: questions in, one prompt for each model out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ray

from pipelines.embedding.encoder_actor import Batch
from scope.arrays import BoolArray, Float32Array, IntArray
from scope.bank import Bank, StoredFeatures, nearest_examples
from scope.embedding import AnchorIndex
from scope.errors import ScopeError
from scope.predictor import N_REPORTED_ANCHORS
from scope.reasoner import PromptBuilder, PromptTokenizer, ReasonerConfig


@dataclass(frozen=True, slots=True)
class PromptTask:
    """What every writer of prompts needs."""

    bank: Bank
    config: ReasonerConfig
    wanted_qm: BoolArray
    """What is to be asked; shape (n_questions, n_models)."""
    stored: Path | None
    """The bank whose questions these are; None if they are raw."""


class PromptActor:
    """Writes the prompts of whole blocks; holds bank, index and tokenizer for all it gets."""

    def __init__(self, task: "ray.ObjectRef[PromptTask]") -> None:
        self._task = ray.get(task)
        self._index = AnchorIndex(self._task.bank.embedding_ad)
        self._stored = None if self._task.stored is None else StoredFeatures(self._task.stored)
        # Ray turns an error in a constructor into text and retries it: raise it with the block.
        self._writer: PromptBuilder | ScopeError
        try:
            self._writer = make_prompt_builder(self._task.config)
        except ScopeError as error:
            self._writer = error

    def __call__(self, batch: Batch) -> Batch:
        """Return ``row``, ``column`` (of the model) and ``prompt`` of all that is to be asked.

        Sorted by their text, so that prompts that begin alike follow each other: an engine
        reads a beginning once.
        """
        if isinstance(self._writer, ScopeError):
            raise self._writer
        wanted_qm = self._task.wanted_qm[batch["row"]]
        if "error" in batch:  # without a vector nothing is similar
            wanted_qm = wanted_qm & (batch["error"] == "")[:, None]
        near_qk = self._near(batch, np.flatnonzero(wanted_qm.any(axis=1)))
        asked = [
            (self._prompt(str(batch["prompt"][q]), near_qk[q], m), int(batch["row"][q]), int(m))
            for q in near_qk
            for m in np.flatnonzero(wanted_qm[q])
        ]
        asked.sort()
        return {
            "row": np.array([row for _, row, _ in asked], dtype=np.int64),
            "column": np.array([m for *_, m in asked], dtype=np.int64),
            "prompt": np.array([prompt for prompt, *_ in asked], dtype=object),
        }

    def _near(self, batch: Batch, asked: IntArray) -> dict[int, IntArray]:
        """Return the anchors nearest to some questions of a batch, themselves left out."""
        if not asked.size:
            return {}
        embedding_qd = self._vectors(batch, asked)
        if "self_anchor" in batch:
            self_index_q = batch["self_anchor"][asked]
            _, anchor_qk = self._index.search_excluding_self(
                embedding_qd, N_REPORTED_ANCHORS, self_index_q
            )
        else:
            _, anchor_qk = self._index.search(embedding_qd, N_REPORTED_ANCHORS)
        return dict(zip(asked.tolist(), anchor_qk, strict=True))

    def _vectors(self, batch: Batch, asked: IntArray) -> Float32Array:
        if self._stored is not None:
            return self._stored.read(batch["row"][asked])[0]
        return np.stack(list(batch["embedding"]))[asked]

    def _prompt(self, question: str, anchor_k: IntArray, m: int) -> str:
        bank, config = self._task.bank, self._task.config
        assert not isinstance(self._writer, ScopeError)
        examples = nearest_examples(bank, anchor_k, m, config.n_examples)
        return self._writer.build(bank.models[m].id, examples, question)


def make_prompt_builder(config: ReasonerConfig) -> PromptBuilder:
    """Return the writer of prompts for a reasoner.

    Raises
    ------
    ConfigError
        If its template or its tokenizer cannot be used.
    """
    tokens = PromptTokenizer.load(config.checkpoint, config.revision, config.trust_remote_code)
    return PromptBuilder.from_config(config, tokens)
