"""A folder of predictions read a shard at a time."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from scope import AnchorConfig
from scope.embedding.spec import EmbedderSpec
from scope.errors import BankError, PredictionsError
from scope.outcomes import Outcomes
from scope.routing.prediction_store import (
    OUTCOMES,
    PredictionsManifest,
    StoredPredictions,
    load_predictions,
    write_manifest,
    write_shard,
)
from tests.factories.banks import LARGE, SMALL, predictions_of
from tests.factories.partitions import rows_of

P = predictions_of(
    [[0.5, 0.9], [np.nan, 0.6], [0.1, 0.2]],
    [[0.1, 0.2], [0.1, np.nan], [0.3, 0.4]],
    models=("small", "large"),
)
RIGHT = np.array([[1.0, 0.0], [np.nan, 0.25], [0.0, 1.0]])
TOKENS = np.array([[10.0, 20.0], [np.nan, 40.0], [50.0, 60.0]])


@pytest.fixture
def folder(tmp_path):
    """Two shards, of two questions and of one, not sealed yet."""
    for number, rows in enumerate((slice(0, 2), slice(2, 3))):
        write_shard(tmp_path, number, rows_of(P, rows).to_table("anchors"))
    return tmp_path


def sealed(folder, models=(SMALL, LARGE)):
    manifest = PredictionsManifest(
        n_questions=3,
        bank_version="abc",
        embedder=EmbedderSpec(name="x", revision="1", dimension=4),
        anchors=AnchorConfig(),
        models=models,
        files={},
    )
    write_manifest(folder, manifest)
    return folder


def with_outcomes(folder, order=(0, 1, 2)):
    """Write outcomes whose rows are in another order than the shards."""
    outcomes = Outcomes(P.models, *(values[list(order)] for values in (RIGHT, TOKENS, TOKENS)))
    ids = [P.question_ids[q] for q in order]
    pq.write_table(outcomes.to_table(ids), folder / OUTCOMES)
    return sealed(folder)


def test_shards_come_one_after_the_other_as_often_as_asked(folder):
    """
    Each is a predicted set of its questions.
    """
    opened = StoredPredictions.open(sealed(folder))

    for _ in range(2):
        assert [s.predictions.question_ids for s in opened.iter_shards()] == [
            ("q000", "q001"),
            ("q002",),
        ]


def test_only_the_columns_asked_for_are_known(folder):
    """
    The others are NaN, so that none is taken for a number.
    """
    (first, _) = StoredPredictions.open(sealed(folder)).iter_shards(("p_correct",))

    estimates = first.predictions.estimates
    np.testing.assert_array_equal(estimates.p_correct_qm, [[0.5, 0.9], [np.nan, 0.6]])
    assert np.isnan(estimates.cost_usd_qm).all()


def test_outcomes_find_their_questions_whatever_their_order(folder):
    """
    A labelled file has its own order, predictions are sorted by id.
    """
    opened = StoredPredictions.open(with_outcomes(folder, order=(2, 0, 1)))

    right = [shard.outcomes.correct_am for shard in opened.iter_shards()]
    np.testing.assert_array_equal(np.concatenate(right), RIGHT)
    np.testing.assert_array_equal(load_predictions(folder).outcomes.prompt_tokens_am, TOKENS)


def test_a_pool_is_cut_out_of_every_shard(folder):
    """
    With its prices and outcomes, in its order.
    """
    opened = StoredPredictions.open(with_outcomes(folder)).select_models(("large",))

    *_, last = opened.iter_shards()
    assert (last.models, opened.model_ids) == ((LARGE,), ("large",))
    assert last.predictions.estimates.p_correct_qm.tolist() == [[0.2]]
    assert last.outcomes.correct_am.tolist() == [[1.0]]


def test_the_whole_is_all_shards(folder):
    """
    Estimate by estimate.
    """
    whole = load_predictions(sealed(folder))

    assert whole.predictions.question_ids == P.question_ids
    assert whole.outcomes is None
    for name in ("p_correct", "cost_usd", "completion_tokens_high"):
        np.testing.assert_array_equal(
            whole.predictions.estimates.to_columns()[name], P.estimates.to_columns()[name]
        )


def test_a_shard_of_other_models_than_the_manifests_is_refused(folder):
    """
    Its numbers would be read under wrong names and prices.
    """
    opened = StoredPredictions.open(sealed(folder, models=(LARGE, SMALL)))

    with pytest.raises(PredictionsError, match=r"part-00000\.parquet is not of the models in man"):
        list(opened.iter_shards())


def test_a_shard_without_a_column_is_refused(folder):
    """
    Named, with the file.
    """
    write_shard(folder, 1, rows_of(P, slice(2, 3)).to_table("anchors").drop(["cost_usd"]))

    with pytest.raises(PredictionsError, match=r"part-00001\.parquet lacks the columns cost_usd"):
        load_predictions(sealed(folder))


def test_a_folder_without_shards_holds_no_prediction(tmp_path):
    """
    A manifest alone is not enough.
    """
    with pytest.raises(PredictionsError, match="holds no prediction"):
        StoredPredictions.open(sealed(tmp_path))


def test_impossible_outcomes_are_refused_before_anything_is_routed(folder):
    """
    When the folder is opened.
    """
    table = Outcomes(P.models, 2 * RIGHT, TOKENS, TOKENS).to_table(P.question_ids)
    pq.write_table(table, folder / OUTCOMES)

    with pytest.raises(BankError, match=r"outcomes\.parquet: correct must be within 0\.\.1"):
        StoredPredictions.open(sealed(folder))
