"""The questions of a run: read, checked, and handed out shard by shard."""

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
from scope.bank import Bank, LabelledQuestions, is_bank
from scope.embedding import EmbedderSpec, resolve_model
from scope.errors import ConfigError, EmbedderMismatchError
from scope.outcomes import Outcomes
from scope.questions import HubDataset, read_questions


@dataclass(frozen=True, slots=True)
class QuestionSource:
    """Questions ready for the pipeline: either texts, or embeddings made before."""

    ids: tuple[str, ...]
    prompts: tuple[str, ...] | None
    """Texts; None of labelled questions whose texts nobody needs."""
    labelled: LabelledQuestions | None

    @property
    def digest(self) -> str:
        """SHA-256 of the ids, and of the texts or vectors, in their order."""
        found = hashlib.sha256(json.dumps(self.ids).encode())
        if self.labelled is None:
            found.update(json.dumps(self.prompts).encode())
        else:
            found.update(self.labelled.version.encode())
        return found.hexdigest()

    @property
    def bank_path(self) -> Path | None:
        """The bank that has the vectors of the questions; None if they are raw."""
        return None if self.labelled is None else self.labelled.path

    def blocks(
        self, bank: Bank, encoder: EncoderSpec, row_of: Mapping[int, IntArray], stages: Stages
    ) -> Dataset:
        """Return one block a shard: ``shard``, ``row``, ``question_id``, and what is known of each.

        Of raw questions that is ``prompt``, ``embedding``, and in ``error`` why there is none; of
        labelled ones ``self_anchor``, where they stand in `bank` themselves, -1 if nowhere: an
        anchor must not vote for itself; and ``prompt`` where their texts are here. Their vectors
        are read where the worker is.

        Parameters
        ----------
        bank : Bank
        encoder : EncoderSpec
        row_of : mapping of int to ndarray
            Positions of the questions of every shard that is wanted.
        stages : Stages
            Gets a stage ``embedding``, if a text has to be embedded.
        """
        headed = {
            shard: {
                "shard": np.full(len(rows), shard),
                "row": rows,
                "question_id": pa.array([self.ids[row] for row in rows], pa.string()),
            }
            for shard, rows in row_of.items()
        }
        if self.labelled is None:
            wanted, n_dimensions = list(headed.values()), bank.embedder.dimension
            return dataset_with_embeddings(
                self.prompts or (), wanted, encoder, n_dimensions, stages
            )
        place = _places(bank)
        refs: list[Any] = []
        for columns in headed.values():
            own = [place.get(self.ids[row], -1) for row in columns["row"]]
            known: dict[str, Any] = {"self_anchor": np.array(own, dtype=np.int64)}
            if self.prompts is not None:
                known["prompt"] = pa.array([self.prompts[row] for row in columns["row"]])
            refs.append(ray.put(pa.table({**columns, **known})))
        return ray.data.from_arrow_refs(refs)

    def self_anchors(self, bank: Bank) -> list[str | None]:
        """Return the anchor that each question is itself; None if it is none."""
        if self.labelled is None:
            return [None] * len(self.ids)
        place = _places(bank)
        return [question_id if question_id in place else None for question_id in self.ids]

    def outcomes(self, models: tuple[str, ...]) -> Outcomes | None:
        """Return what `models` did on these questions, if the source knows of any."""
        return None if self.labelled is None else self.labelled.outcomes(models)


def question_source(
    query: Path | HubDataset,
    split: str | None,
    limit: int | None,
    bank: Bank,
    *,
    texts: bool = False,
) -> QuestionSource:
    """Read the questions and make sure they will share the bank's embedding space.

    Parameters
    ----------
    query, split, limit
        As a user names them.
    bank : Bank
    texts : bool
        Read the texts of labelled questions, too.

    Raises
    ------
    ConfigError
        If texts are wanted, and those questions have none.
    """
    if isinstance(query, Path) and is_bank(query):
        if split is not None:
            raise ConfigError(f"{query} is a bank and has no splits; drop --split")
        labelled = LabelledQuestions.open(query).head(limit)
        check_embedder(bank.embedder, labelled.embedder)
        return QuestionSource(labelled.ids, labelled.texts() if texts else None, labelled)
    questions = read_questions(query, split=split, limit=limit)
    _, revision = resolve_model(bank.embedder.name, bank.embedder.revision)
    check_embedder(bank.embedder, bank.embedder.model_copy(update={"revision": revision}))
    return QuestionSource(questions.ids, questions.prompts, None)


def _places(bank: Bank) -> dict[str, int]:
    return {question_id: anchor for anchor, question_id in enumerate(bank.ids)}


def check_embedder(bank: EmbedderSpec, other: EmbedderSpec) -> None:
    """Raise `EmbedderMismatchError` unless both embed into one space."""
    if not bank.is_compatible_with(other):
        raise EmbedderMismatchError(str(bank), str(other))
