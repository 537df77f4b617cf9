"""The actor that builds prompts: questions in, a prompt per question, or per model of it, out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ray

from pipelines.embedding.encoder_actor import Batch
from scope.arrays import BoolArray, Float32Array, IntArray
from scope.bank import Bank, StoredFeatures, nearest_examples, nearest_pool_examples
from scope.embedding import AnchorIndex
from scope.errors import ScopeError
from scope.predictor import N_REPORTED_ANCHORS
from scope.reasoner import PoolPromptBuilder, PromptBuilder, PromptTokenizer, ReasonerConfig


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
        self._builder: PromptBuilder | PoolPromptBuilder | ScopeError
        try:
            self._builder = make_prompt_builder(self._task.config, self._task.bank.model_ids)
        except ScopeError as error:
            self._builder = error

    def __call__(self, batch: Batch) -> Batch:
        """Return ``row``, ``column`` (index of the model) and ``prompt`` of each wanted cell.

        With form ``pool`` a question with a wanted cell has one prompt, about all models of the
        bank from column 0 on.
        Sorted by prompt, so that prompts with a common prefix follow each other and the engine's
        prefix cache serves them.
        """
        if isinstance(self._builder, ScopeError):
            raise self._builder
        wanted_qm = self._task.wanted_qm[batch["row"]]
        if "error" in batch:  # without a vector there are no nearest anchors
            wanted_qm = wanted_qm & (batch["error"] == "")[:, None]
        anchor_k_of = self._nearest(batch, np.flatnonzero(wanted_qm.any(axis=1)))
        queries = sorted(
            (prompt, int(batch["row"][q]), m)
            for q, anchor_k in anchor_k_of.items()
            for m, prompt in self._prompts(str(batch["prompt"][q]), anchor_k, wanted_qm[q])
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

    def _prompts(
        self, question: str, anchor_k: IntArray, wanted_m: BoolArray
    ) -> Iterator[tuple[int, str]]:
        """Yield the first column and the text of each prompt of a question."""
        bank, n = self._task.bank, self._task.config.n_examples
        assert not isinstance(self._builder, ScopeError)
        if isinstance(self._builder, PoolPromptBuilder):
            pool_examples = nearest_pool_examples(bank, anchor_k, n)
            yield 0, self._builder.build(bank.model_ids, pool_examples, question)
            return
        for m in np.flatnonzero(wanted_m).tolist():
            examples = nearest_examples(bank, anchor_k, m, n)
            yield m, self._builder.build(bank.models[m].id, examples, question)


def make_prompt_builder(
    config: ReasonerConfig, models: Sequence[str]
) -> PromptBuilder | PoolPromptBuilder:
    """Return the prompt builder of a reasoner for the models of a bank.

    Raises
    ------
    ConfigError
        If its template or its tokenizer cannot be used, or the context has no room for a prompt
        about the whole pool.
    """
    tokens = PromptTokenizer.load(config.checkpoint, config.revision, config.trust_remote_code)
    if config.form == "model":
        return PromptBuilder.from_config(config, tokens)
    builder = PoolPromptBuilder.from_config(config, tokens, len(models))
    builder.check_room(models)
    return builder
