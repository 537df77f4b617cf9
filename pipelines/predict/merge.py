"""The end of a prediction run: all shards put together, sorted by id, and counted."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.embedding.encoder_actor import Batch
from pipelines.predict.output import FAILED, PredictionFiles
from pipelines.predict.question_source import QuestionSource
from pipelines.reasoner import ReasonerUsage
from pipelines.terminal import Stages
from scope.arrays import AnyArray, BoolArray
from scope.bank import Bank
from scope.config import AnchorConfig
from scope.reasoner import ReasonerSpec
from scope.routing import FOLDER
from scope.storage import SETTINGS_FILE, ShardFolder


@dataclass(slots=True)
class PredictionSummary:
    """How many questions a run was of, and how many of them are special."""

    n_questions: int
    n_out_of_distribution: int = 0
    """Unlike the anchors: out of distribution."""
    n_failed: int = 0
    """Without a prediction because of an error; the next run tries them again."""
    first_error: str | None = None
    n_unanswered: int = 0
    """Predicted from the anchors alone because of an error; the next run asks again."""
    first_unanswered: str | None = None
    tally: ReasonerUsage | None = None
    """What a reasoner was asked, if there was one."""

    def count(self, batch: Batch) -> None:
        """Count a batch of merged questions."""
        self.n_out_of_distribution += int((batch["in_distribution_qm"][:, 0] < 1).sum())
        wrong_q = batch["error"] != ""
        unanswered_qm = batch.get("answer_qm", np.zeros((len(wrong_q), 1))) == FAILED
        half_q = unanswered_qm.any(axis=1)
        self.n_failed += int((wrong_q & ~half_q).sum())
        self.n_unanswered += int(unanswered_qm.sum())
        self.first_error = self.first_error or _first(batch, wrong_q & ~half_q)
        self.first_unanswered = self.first_unanswered or _first(batch, half_q)


def merge(
    source: QuestionSource,
    bank: Bank,
    anchors: AnchorConfig,
    reasoner: ReasonerSpec | None,
    folder: ShardFolder,
    output: Path,
    stages: Stages,
) -> PredictionSummary:
    """Put all shards together, sorted by id, as the files of a finished run."""
    done = PredictionSummary(len(source.ids))
    outcomes = source.outcomes(bank.model_ids)
    with PredictionFiles(output, bank, source.ids, outcomes, reasoner) as files:
        for table in folder.iter_merged(source.ids):
            batch = {name: _stacked(table[name]) for name in table.column_names}
            done.count(batch)
            files.add(batch)
            stages.advance(len(table))
        files.copy_in(folder.path / SETTINGS_FILE)
        files.write_manifest(anchors)
    return done


def summarise(output: Path) -> PredictionSummary:
    """Count what an earlier run has predicted."""
    columns = ["question_id", "in_distribution"]
    table = pq.read_table(sorted((output / FOLDER).glob("part-*.parquet")), columns=columns)
    unlike = table.filter(pc.less(table["in_distribution"], 1.0))
    return PredictionSummary(
        *(pc.count_distinct(rows["question_id"]).as_py() for rows in (table, unlike))
    )


def _first(batch: Batch, wrong_q: BoolArray) -> str | None:
    """Name the first question that something went wrong with, and what; None if there is none."""
    found = np.flatnonzero(wrong_q)
    if not found.size:
        return None
    return f"{batch['question_id'][found[0]]!r}: {batch['error'][found[0]]}"


def _stacked(column: pa.ChunkedArray) -> AnyArray:
    """Return a column of numbers, or of lists of fixed length as a matrix; null is NaN."""
    values = column.combine_chunks()
    if not pa.types.is_fixed_size_list(values.type):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    flat = np.asarray(values.flatten().to_numpy(zero_copy_only=False))
    return flat.reshape(len(values), values.type.list_size)
