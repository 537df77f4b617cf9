"""The end of a prediction run: finished shards become the files of ``predictions/``."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.predict.question_source import QuestionSource
from pipelines.predict.shard_actor import ShardTask
from pipelines.predict.summary import PredictionSummary
from pipelines.terminal import Stages
from scope.reasoner import ReasonerSpec
from scope.reference import remove_reference_files
from scope.routing import (
    FOLDER,
    OUTCOMES,
    PART,
    REFERENCE,
    PredictionsManifest,
    outcomes_of,
    shard_file,
    write_manifest,
)
from scope.storage import SETTINGS_FILE, ShardFolder, atomic_folder, link_or_copy


def merge(
    source: QuestionSource,
    task: ShardTask,
    reasoner: ReasonerSpec | None,
    n_shards: int,
    output: Path,
    stages: Stages,
) -> PredictionSummary:
    """Make ``predictions/`` of all shards of a run, with outcomes, population and manifest."""
    bank, arms = task.bank, task.arms
    outcomes = source.outcomes(arms.model_ids)
    if outcomes is not None and arms.is_derived:
        outcomes = outcomes_of(outcomes, arms)
    with open_merged(task.folder, n_shards, output, stages) as (draft, summary):
        if outcomes is not None:
            pq.write_table(outcomes.to_table(source.ids), draft / OUTCOMES)
        reference = bank.reference and bank.reference.select_arms(arms)
        if reference is not None:
            if task.anchors != bank.anchor_config:
                reference = reference.without_bill_ratio()
            reference.save(draft / REFERENCE)
        manifest = PredictionsManifest(
            n_questions=len(source.ids),
            bank_version=bank.version,
            embedder=bank.embedder,
            anchors=task.anchors,
            models=arms.models,
            routing_gain=bank.routing_gain,
            bill_ratio=None if reference is None else reference.bill_ratio,
            reasoner=reasoner,
            files={},
        )
        write_manifest(draft, manifest)
    return summary


@contextmanager
def open_merged(
    folder: ShardFolder, n_shards: int, output: Path, stages: Stages
) -> Iterator[tuple[Path, PredictionSummary]]:
    """Yield a draft of ``predictions/`` that has the tables of all shards, and their counts.

    The tables are final and in order, so their files are linked, not written again. The draft
    replaces an earlier ``predictions/`` when the block ends; the published code's files of the
    earlier one are removed.

    Raises
    ------
    PredictionsError
        If a shard is missing because its worker wrote it to another disk.
    """
    records = folder.finished_records(n_shards)
    summary = PredictionSummary.from_shards(record.summary for record in records)
    remove_reference_files(output)
    with atomic_folder(output / FOLDER, replace=True) as draft:
        for shard, record in enumerate(records):
            for name in record.sha256:
                link_or_copy(folder.table_path(shard, name), draft / shard_file(name, shard))
            stages.advance(record.summary["n_questions"])
        shutil.copy(folder.path / SETTINGS_FILE, draft / SETTINGS_FILE)
        yield draft, summary


def summarise(output: Path) -> PredictionSummary:
    """Count the predictions of an earlier run."""
    columns = ["question_id", "in_distribution"]
    table = pq.read_table(sorted((output / FOLDER).glob(f"{PART}-*.parquet")), columns=columns)
    ood = table.filter(pc.less(table["in_distribution"], 1.0))
    return PredictionSummary(
        *(pc.count_distinct(rows["question_id"]).as_py() for rows in (table, ood))
    )
