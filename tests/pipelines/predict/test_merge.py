"""Shards that become the files of a prediction run."""

import errno
from dataclasses import replace

import numpy as np
import pytest

from pipelines.predict.merge import merge, open_merged
from pipelines.predict.shard_actor import (
    ANSWERED,
    FAILED,
    NOT_QUERIED,
    ShardPredictor,
    part_table,
)
from pipelines.predict.summary import PredictionSummary, shard_summary
from pipelines.terminal import Stages
from scope.arms import ArmColumns
from scope.bank.reference_population import ReferencePopulation
from scope.config import AnchorConfig
from scope.errors import OutputWriteError
from scope.routing import PredictionsManifest, StoredPredictions, write_manifest
from scope.storage import SETTINGS_FILE
from tests.factories.banks import bank_of, bill_ratio_of, predictions_of
from tests.pipelines.predict.reference_case import LABELLED, RAW, reference_case


@pytest.fixture
def finished(tmp_path):
    """The folder of a run all of whose shards, one, are finished."""
    case = reference_case(LABELLED, tmp_path)
    ShardPredictor(case.task)(case.batch)
    return case


def test_the_reasoners_own_probability_is_kept_beside_the_blend(tmp_path):
    """
    NaN where it was not queried; a failed answer is written beside the anchors' prediction.
    """
    bank = bank_of(np.ones((20, 2)))
    arms = ArmColumns.resolve(bank.model_ids, bank.models, "the bank")
    p_yes_qm = np.array([[0.25, np.nan], [np.nan, 0.75]])
    predictions = predictions_of(np.full((2, 2), 0.5), np.ones((2, 2)))
    answer_qm = np.array([[ANSWERED, NOT_QUERIED], [FAILED, ANSWERED]])

    table = part_table(predictions, arms, ["", "no reply"], answer_qm, p_yes_qm)

    assert table["source"].to_pylist() == ["scope", "anchors", "anchors", "scope"]
    assert table["error"].to_pylist() == [None, None, "no reply", None]
    assert table["p_yes"].to_pylist() == [0.25, None, None, 0.75]
    assert table["p_correct"].to_pylist() == [0.5] * 4


@pytest.mark.parametrize(
    ("settings", "carried"),
    [
        pytest.param({}, True, id="the settings of the bank"),
        pytest.param({"prior_strength": 99.0}, False, id="other forecasts"),
    ],
)
def test_the_ratio_of_the_bills_goes_to_the_predictions(finished, tmp_path, settings, carried):
    """
    That of the bank, where its own forecasts were made.
    """
    bank, ratio = finished.task.bank, bill_ratio_of(1.25)
    grid = np.ones((2, len(bank.models)))
    reference = ReferencePopulation(bank.anchor_config, grid, grid, grid, ratio)
    bank = replace(bank, reference=reference)
    task = replace(finished.task, bank=bank, anchors=bank.anchor_config.model_copy(update=settings))

    merge(finished.source, task, None, 1, tmp_path / "out", Stages())

    opened = StoredPredictions.open(tmp_path / "out")
    assert opened.reference.bill_ratio == (ratio if carried else None)


def test_the_files_of_a_shard_are_linked(finished, tmp_path):
    """
    Not written again: the same file under two names, in order.
    """
    merge(finished.source, finished.task, None, 1, tmp_path / "out", Stages())

    part = tmp_path / "out" / "predictions" / "part-00000.parquet"
    assert part.samefile(finished.task.folder.table_path(0, "part"))
    stored = StoredPredictions.open(tmp_path / "out").load_all()
    assert stored.predictions.question_ids == ("a10", "a3", "q1", "q2", "ü")
    np.testing.assert_array_equal(stored.outcomes.correct_am[:2], [[1, np.nan], [0, 1]])


def test_a_failure_while_merging_keeps_shards_and_earlier_predictions(finished, tmp_path):
    """
    As on a full disk; the published code's files of the earlier run are gone.
    """
    output, folder = tmp_path / "out", finished.task.folder
    merge(finished.source, finished.task, None, 1, output, Stages())
    before = (output / "predictions" / "manifest.json").read_bytes()
    (output / "selection.json").write_text("of the earlier predictions")

    with (
        pytest.raises(OutputWriteError, match="No space left"),
        open_merged(folder, 1, output, Stages()),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert folder.is_complete(0)
    assert (output / "predictions" / "manifest.json").read_bytes() == before
    assert [path.name for path in output.iterdir()] == ["predictions"]


def test_settings_and_counts_come_with_the_shards(tmp_path):
    """
    A question without a vector has failed and is named; it has no neighbours.
    """
    case = reference_case(RAW, tmp_path)

    done = ShardPredictor(case.task)(case.batch)

    with open_merged(case.task.folder, 1, tmp_path / "out", Stages()) as (draft, summary):
        assert (draft / SETTINGS_FILE).is_file()
        manifest = PredictionsManifest(
            n_questions=3,
            bank_version="x",
            anchors=AnchorConfig(),
            models=case.task.arms.models,
            files={},
        )
        write_manifest(draft, manifest)
    assert (done["rows"].tolist(), done["failed"].tolist()) == ([3], [1])
    assert (summary.n_questions, summary.n_failed, summary.first_error) == (3, 1, "'z': no vector")
    assert not case.task.folder.is_complete(0)
    (near,) = StoredPredictions.open(tmp_path / "out").iter_neighbours()
    assert [len(question["anchor_id"]) for question in near] == [10, 10, 0]


def test_counts_of_shards_are_added_up():
    """
    The first errors are those of the first shard that has one; a question whose answers are
    missing has not failed.
    """
    missing_qm = np.array([[True, True], [False, False]])
    shards = [
        shard_summary(("a", "b"), np.array([np.nan, 0.5]), ["", ""]),
        shard_summary(("c", "d"), np.array([1.0, 0.9]), ["timed out", "no vector"], missing_qm),
        shard_summary(("e",), np.array([1.0]), ["other"]),
    ]

    assert PredictionSummary.from_shards(shards) == PredictionSummary(
        n_questions=5,
        n_out_of_distribution=2,
        n_failed=2,
        first_error="'d': no vector",
        n_missing_answers=2,
        first_missing_answer="'c': timed out",
    )
