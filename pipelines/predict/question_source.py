"""The questions of a run: read, checked, and divided into blocks, one for each shard."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.data import Dataset

from pipelines.embedding.cached import dataset_with_embeddings
from pipelines.embedding.encoder_actor import EncoderSpec
from pipelines.terminal import Stages
from scope.arrays import IntArray
from scope.bank import Bank, LabelledQuestions, check_embedders, is_bank
from scope.embedding import EmbedderSpec, resolve_model
from scope.errors import ConfigError
from scope.outcomes import Outcomes
from scope.questions import REFUSE, HubDataset, read_questions


@dataclass(frozen=True, slots=True)
class QuestionSource:
    """Questions ready for the pipeline: raw texts, or labelled questions with embeddings."""

    ids: tuple[str, ...]
    prompts: tuple[str, ...] | None
    """Texts; None for labelled questions whose texts are not needed."""
    labelled: LabelledQuestions | None
    known_facts: tuple[str, ...] | None = None
    """What is known of each question, a value of the bank's fact; None: it is guessed."""

    @property
    def digest(self) -> str:
        """SHA-256 of the ids, of the texts or vectors, and of what is known, in their order."""
        digest = hashlib.sha256(json.dumps(self.ids).encode())
        if self.labelled is None:
            digest.update(json.dumps(self.prompts).encode())
        else:
            digest.update(self.labelled.version.encode())
        if self.known_facts is not None:
            digest.update(json.dumps(self.known_facts).encode())
        return digest.hexdigest()

    @property
    def bank_path(self) -> Path | None:
        """The bank that holds the vectors of the questions; None if they are raw texts."""
        return None if self.labelled is None else self.labelled.path

    def blocks(
        self,
        bank: Bank,
        encoder: EncoderSpec,
        rows_of: Mapping[int, IntArray],
        stages: Stages,
        second: EncoderSpec | None = None,
    ) -> Dataset:
        """Return one block per shard with the columns ``shard``, ``row`` and ``question_id``.

        Questions of which something is known also have ``fact``.

        Raw questions also have ``prompt``, ``embedding`` and ``error`` (why there is no embedding).
        Labelled questions have ``self_anchor``, their own index in `bank` or -1, since an anchor
        must not predict itself, and ``prompt`` if their texts were read; the actors read their
        vectors from the bank.

        Parameters
        ----------
        bank : Bank
        encoder : EncoderSpec
        rows_of : mapping of int to ndarray
            Indices of the questions of each wanted shard.
        stages : Stages
            Begins a stage ``embedding`` if a text has to be embedded.
        second : EncoderSpec, optional
            Also embeds raw questions, in a column ``second``.
        """
        blocks = [
            {
                "shard": np.full(len(rows), shard),
                "row": rows,
                "question_id": pa.array([self.ids[row] for row in rows], pa.string()),
            }
            for shard, rows in rows_of.items()
        ]
        if self.known_facts is not None:
            for block in blocks:
                block["fact"] = pa.array([self.known_facts[row] for row in block["row"]])
        if self.labelled is None:
            return dataset_with_embeddings(
                self.prompts or (), blocks, encoder, bank.embedder.dimension, stages, second
            )
        index_of = {question_id: index for index, question_id in enumerate(bank.ids)}
        refs: list[Any] = []
        for block in blocks:
            self_index = [index_of.get(self.ids[row], -1) for row in block["row"]]
            optional: dict[str, Any] = {"self_anchor": np.array(self_index, dtype=np.int64)}
            if self.prompts is not None:
                optional["prompt"] = pa.array([self.prompts[row] for row in block["row"]])
            refs.append(ray.put(pa.table({**block, **optional})))
        return ray.data.from_arrow_refs(refs)

    def self_anchors(self, bank: Bank) -> list[str | None]:
        """Return the id of each question that is itself an anchor of `bank`, else None."""
        if self.labelled is None:
            return [None] * len(self.ids)
        anchors = set(bank.ids)
        return [question_id if question_id in anchors else None for question_id in self.ids]

    def n_known(self, bank: Bank) -> int | None:
        """Return how many questions have a fact that is used; None: none was asked for."""
        if self.known_facts is None:
            return None
        learned, anchors = bank.fact_values, self.self_anchors(bank)
        return sum(
            fact in learned and anchor is None
            for fact, anchor in zip(self.known_facts, anchors, strict=True)
        )

    def outcomes(self, models: tuple[str, ...]) -> Outcomes | None:
        """Return the outcomes of `models` on the questions; None for raw questions."""
        return None if self.labelled is None else self.labelled.outcomes(models)


def question_source(
    query: Path | HubDataset,
    split: str | None,
    limit: int | None,
    bank: Bank,
    *,
    texts: bool = False,
    on_too_long: str = REFUSE,
    known_fact: bool = False,
) -> QuestionSource:
    """Read the questions and check that they share the embedding space of the bank.

    Parameters
    ----------
    query, split, limit, on_too_long
        As the user names them.
    bank : Bank
    texts : bool
        Also read the texts of labelled questions.
    known_fact : bool
        Also read what is known of each question, the field that `Bank.fact` names.

    Raises
    ------
    ConfigError
        If `texts` is set and the labelled questions have none, or `known_fact` and no question
        has a value that the bank has learned.
    """
    if isinstance(query, Path) and is_bank(query):
        if split is not None:
            raise ConfigError(f"{query} is a bank and has no splits; drop --split")
        labelled = LabelledQuestions.open(query).head(limit)
        check_embedders(bank, labelled.embedder, labelled.second_embedder)
        facts = bank.learned_facts(labelled.facts(), str(query)) if known_fact else None
        return QuestionSource(labelled.ids, labelled.texts() if texts else None, labelled, facts)
    questions = read_questions(
        query, split=split, limit=limit, on_too_long=on_too_long, fact=bank.fact
    )
    second = None if bank.second is None else _installed(bank.second.embedder)
    check_embedders(bank, _installed(bank.embedder), second)
    facts = bank.learned_facts(questions.categories, str(query)) if known_fact else None
    return QuestionSource(questions.ids, questions.prompts, None, facts)


def _installed(spec: EmbedderSpec) -> EmbedderSpec:
    """Return the embedder with the revision that is installed here."""
    return spec.model_copy(update={"revision": resolve_model(spec.name, spec.revision)[1]})
