"""The end of a prediction run: all shards merged, sorted by id, and counted."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.embedding.encoder_actor import Batch
from pipelines.predict.output import FAILED, PredictedPool, open_prediction_files
from pipelines.predict.question_source import QuestionSource
from pipelines.predict.shard_actor import ShardTask
from pipelines.reasoner import ReasonerUsage
from pipelines.terminal import Stages
from scope.arrays import AnyArray, BoolArray
from scope.reasoner import ReasonerSpec
from scope.routing import FOLDER, outcomes_of
from scope.storage import SETTINGS_FILE


@dataclass(slots=True)
class PredictionSummary:
    """Counts of a prediction run."""

    n_questions: int
    n_out_of_distribution: int = 0
    n_failed: int = 0
    """Questions without a prediction because of an error; the next run retries them."""
    first_error: str | None = None
    n_missing_answers: int = 0
    """(Question, model) cells predicted by the anchors alone because the reasoner failed; the
    next run queries them again."""
    first_missing_answer: str | None = None
    usage: ReasonerUsage | None = None
    """Queries of the reasoner; None without one."""
    n_known: int | None = None
    """Questions predicted with a fact that the bank has learned; None: all were guessed."""

    def count(self, batch: Batch) -> None:
        """Count a batch of merged questions."""
        self.n_out_of_distribution += int((batch["in_distribution"][:, 0] < 1).sum())
        error_q = batch["error"] != ""
        missing_qm = batch.get("answer_qm", np.zeros((len(error_q), 1))) == FAILED
        missing_q = missing_qm.any(axis=1)
        self.n_failed += int((error_q & ~missing_q).sum())
        self.n_missing_answers += int(missing_qm.sum())
        self.first_error = self.first_error or _first(batch, error_q & ~missing_q)
        self.first_missing_answer = self.first_missing_answer or _first(batch, missing_q)


def merge(
    source: QuestionSource,
    task: ShardTask,
    reasoner: ReasonerSpec | None,
    output: Path,
    stages: Stages,
) -> PredictionSummary:
    """Merge all shards, sorted by id, into the files of a finished run."""
    summary = PredictionSummary(len(source.ids))
    outcomes = source.outcomes(task.arms.model_ids)
    if outcomes is not None and task.arms.is_derived:
        outcomes = outcomes_of(outcomes, task.arms)
    pool = PredictedPool(task.bank, task.arms, source.ids, outcomes)
    with open_prediction_files(output, pool, reasoner) as files:
        for table in task.folder.iter_merged(source.ids):
            batch = {name: stacked(table[name]) for name in table.column_names}
            summary.count(batch)
            files.add(batch)
            stages.advance(len(table))
        files.copy_in(task.folder.path / SETTINGS_FILE)
        files.write_manifest(task.anchors)
    return summary


def summarise(output: Path) -> PredictionSummary:
    """Count the predictions of an earlier run."""
    columns = ["question_id", "in_distribution"]
    table = pq.read_table(sorted((output / FOLDER).glob("part-*.parquet")), columns=columns)
    ood = table.filter(pc.less(table["in_distribution"], 1.0))
    return PredictionSummary(
        *(pc.count_distinct(rows["question_id"]).as_py() for rows in (table, ood))
    )


def _first(batch: Batch, error_q: BoolArray) -> str | None:
    """Return id and error of the first question in `error_q`; None if there is none."""
    found = np.flatnonzero(error_q)
    if not found.size:
        return None
    return f"{batch['question_id'][found[0]]!r}: {batch['error'][found[0]]}"


def stacked(column: pa.ChunkedArray) -> AnyArray:
    """Return a column as an array, a column of fixed-size lists as a matrix; null is NaN."""
    values = column.combine_chunks()
    if not pa.types.is_fixed_size_list(values.type):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    flat = np.asarray(values.flatten().to_numpy(zero_copy_only=False))
    return flat.reshape(len(values), values.type.list_size)
