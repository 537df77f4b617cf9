"""The questions of a bank as labelled questions; embeddings are read on demand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scope.arrays import Float32Array, FloatArray, IntArray
from scope.bank.bank import missing_prompts
from scope.bank.store import (
    EMBEDDINGS,
    FEATURES_FILE,
    OUTCOMES,
    QUESTIONS,
    SECOND_EMBEDDINGS,
    bank_version,
    read_features,
    read_manifest,
    verify_bank,
)
from scope.embedding import EmbedderSpec
from scope.outcomes import Outcomes, read_outcomes_table


@dataclass(frozen=True, slots=True)
class LabelledQuestions:
    """Ids of the questions of a stored bank; the rest is read on demand.

    Attributes
    ----------
    path : Path
    version : str
    embedder : EmbedderSpec
    ids : tuple of str
    second_embedder : EmbedderSpec or None
    """

    path: Path
    version: str
    embedder: EmbedderSpec
    ids: tuple[str, ...]
    second_embedder: EmbedderSpec | None = None

    @classmethod
    def open(cls, path: Path) -> "LabelledQuestions":
        """Verify a bank and read its ids.

        Raises
        ------
        BankError
            If the folder is not a bank, or was altered.
        """
        manifest = verify_bank(path)
        ids = pq.read_table(path / QUESTIONS, columns=["question_id"])["question_id"]
        # Workers run in another directory, so the path must be absolute.
        return cls(
            path.resolve(),
            bank_version(path),
            manifest.embedder,
            tuple(ids.to_pylist()),
            manifest.second_embedder,
        )

    def head(self, limit: int | None) -> "LabelledQuestions":
        """Return the first questions only."""
        return replace(self, ids=self.ids[:limit])

    def texts(self) -> tuple[str, ...]:
        """Return the question texts.

        Raises
        ------
        ConfigError
            If the bank was built without them.
        """
        if not read_manifest(self.path).has_prompts:
            raise missing_prompts(f"bank {self.path}")
        prompts = pq.read_table(self.path / QUESTIONS, columns=["prompt"])["prompt"]
        return tuple(prompts.to_pylist()[: len(self.ids)])

    def facts(self) -> tuple[str, ...]:
        """Return the category of each question."""
        categories = pq.read_table(self.path / QUESTIONS, columns=["category"])["category"]
        return tuple(categories.to_pylist()[: len(self.ids)])

    def outcomes(self, models: tuple[str, ...]) -> Outcomes | None:
        """Return the outcomes of `models` on these questions; None if none is known."""
        rows = read_outcomes_table(self.path / OUTCOMES)
        rows = rows.filter(pc.is_in(rows["model"].cast(pa.string()), pa.array(models, pa.string())))
        outcomes = Outcomes.from_table(rows, self.ids, models, str(self.path / OUTCOMES))
        return None if np.isnan(outcomes.correct_am).all() else outcomes


class StoredFeatures:
    """Stored embeddings (memory-mapped) and text features of a bank's questions.

    Parameters
    ----------
    path : Path
        A bank that was verified.
    """

    def __init__(self, path: Path) -> None:
        self._embedding_ad = np.load(path / EMBEDDINGS, mmap_mode="r", allow_pickle=False)
        self._second_ay = (
            np.load(path / SECOND_EMBEDDINGS, mmap_mode="r", allow_pickle=False)
            if (path / SECOND_EMBEDDINGS).exists()
            else None
        )
        self._features_af = read_features(path / FEATURES_FILE)

    def read(self, rows: IntArray | Sequence[int]) -> tuple[Float32Array, FloatArray]:
        """Return embeddings and features of some questions."""
        return self._embedding_ad[rows].astype(np.float32), self._features_af[rows]

    def read_second(self, rows: IntArray | Sequence[int]) -> Float32Array | None:
        """Return the vectors of some questions by the second encoder; None without one."""
        return None if self._second_ay is None else self._second_ay[rows].astype(np.float32)
