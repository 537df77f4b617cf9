"""Questions of a bank taken as questions: their labels now, their vectors as they are needed."""

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
    bank_version,
    read_features,
    read_manifest,
    verify_bank,
)
from scope.embedding import EmbedderSpec
from scope.outcomes import Outcomes, read_outcomes_table


@dataclass(frozen=True, slots=True)
class LabelledQuestions:
    """What is in memory of a bank whose questions are asked: not its vectors.

    Attributes
    ----------
    path : Path
    version : str
    embedder : EmbedderSpec
    ids : tuple of str
    """

    path: Path
    version: str
    embedder: EmbedderSpec
    ids: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> "LabelledQuestions":
        """Verify a bank and read its ids.

        Raises
        ------
        BankError
            If it is none, or was altered.
        """
        manifest = verify_bank(path)
        ids = pq.read_table(path / QUESTIONS, columns=["question_id"])["question_id"]
        # Workers stand elsewhere: the folder needs its whole name.
        return cls(path.resolve(), bank_version(path), manifest.embedder, tuple(ids.to_pylist()))

    def head(self, limit: int | None) -> "LabelledQuestions":
        """Return the first questions only."""
        return replace(self, ids=self.ids[:limit])

    def texts(self) -> tuple[str, ...]:
        """Return the questions themselves.

        Raises
        ------
        ConfigError
            If the bank was built without them.
        """
        if not read_manifest(self.path).has_prompts:
            raise missing_prompts(f"bank {self.path}")
        prompts = pq.read_table(self.path / QUESTIONS, columns=["prompt"])["prompt"]
        return tuple(prompts.to_pylist()[: len(self.ids)])

    def outcomes(self, models: tuple[str, ...]) -> Outcomes | None:
        """Return what `models` did on these questions; None if nothing is known of any."""
        rows = read_outcomes_table(self.path / OUTCOMES)
        rows = rows.filter(pc.is_in(rows["model"].cast(pa.string()), pa.array(models, pa.string())))
        outcomes = Outcomes.from_table(rows, self.ids, models, str(self.path / OUTCOMES))
        return None if np.isnan(outcomes.correct_am).all() else outcomes


class StoredFeatures:
    """What a bank has stored of its questions' texts: embeddings on the disk, features here.

    Parameters
    ----------
    path : Path
        Of a bank that was verified.
    """

    def __init__(self, path: Path) -> None:
        self._embedding_ad = np.load(path / EMBEDDINGS, mmap_mode="r", allow_pickle=False)
        self._features_af = read_features(path / FEATURES_FILE)

    def read(self, rows: IntArray | Sequence[int]) -> tuple[Float32Array, FloatArray]:
        """Return embeddings and features of some questions."""
        return self._embedding_ad[rows].astype(np.float32), self._features_af[rows]
