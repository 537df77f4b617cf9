import numpy as np
import pyarrow as pa
import pytest

from scope import AnchorConfig
from scope.embedding.spec import EmbedderSpec
from scope.errors import PredictionsError, UnknownModelError
from scope.predictions import SCHEMA, Predictions
from scope.routing.prediction_store import (
    FOLDER,
    PredictionsManifest,
    load_predictions,
    write_manifest,
    write_shard,
)
from tests.factories.banks import LARGE, SMALL, predictions_of

P = predictions_of(
    [[0.5, 0.9], [np.nan, 0.6], [0.1, 0.2]],
    [[0.1, 0.2], [0.1, np.nan], [0.1, 0.2]],
    models=("small", "large"),
)
MANIFEST = PredictionsManifest(
    n_questions=3,
    bank_version="abc",
    embedder=EmbedderSpec(name="x", revision="1", dimension=4),
    anchors=AnchorConfig(),
    models=(SMALL, LARGE),
    files={},
)


def test_predictions_survive_a_round_trip_through_a_table():
    """
    One row a (question, model); NaN is null on disk.
    """
    table = P.to_table("anchors")

    back = Predictions.from_table(table, "here")

    assert table.num_rows == 6
    assert table["p_correct"].null_count == 1
    assert (back.question_ids, back.models) == (P.question_ids, P.models)
    np.testing.assert_array_equal(back.estimates.p_correct_qm, P.estimates.p_correct_qm)
    np.testing.assert_array_equal(back.estimates.cost_usd_qm, P.estimates.cost_usd_qm)


def test_a_row_without_an_estimate_has_an_error():
    """
    An unknown probability or cost is "no evidence".
    """
    errors = P.to_table("anchors")["error"].to_pylist()

    assert errors == [None, None, "no evidence", "no evidence", None, None]


def test_a_failed_answer_keeps_the_anchor_estimate_and_an_error():
    """
    The row has the anchors' numbers and their source.
    """
    sources = np.array([["scope", "anchors"], ["scope", "scope"], ["scope", "scope"]], dtype=object)
    failed_qm = np.array([[False, True], [False, False], [False, False]])

    table = P.to_table(sources, ["no answer about large: late", "", ""], failed_qm).to_pylist()

    assert [row["source"] for row in table[:2]] == ["scope", "anchors"]
    assert [row["error"] for row in table[:2]] == [None, "no answer about large: late"]
    assert table[1]["p_correct"] == 0.9
    assert table[2]["error"] == "no evidence"


def test_select_models_follows_the_pool():
    """
    A model without predictions is an error.
    """
    assert P.select_models(("large", "small")).estimates.p_correct_qm[0].tolist() == [0.9, 0.5]
    with pytest.raises(UnknownModelError, match="'gpt-9'; the predictions has small, large"):
        P.select_models(("gpt-9",))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        pytest.param(SCHEMA.empty_table(), "holds no prediction", id="no rows"),
        pytest.param(pa.table({"x": [1]}), "lacks question_id", id="other columns"),
        pytest.param(P.to_table("a").slice(0, 5), "not one row per", id="a row missing"),
        pytest.param(
            P.to_table("a").take([0, 1, 3, 2, 4, 5]), "same models for every", id="models swapped"
        ),
    ],
)
def test_a_table_that_is_not_a_grid_is_refused(table, message):
    """
    The message names the source.
    """
    with pytest.raises(PredictionsError, match=f"here.*{message}"):
        Predictions.from_table(table, "here")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / FOLDER
    folder.mkdir()
    for number in range(3):
        table = P.to_table("anchors").slice(2 * number, 2)
        write_shard(folder, number, table)
    write_manifest(folder, MANIFEST)
    return folder


def test_shards_are_read_in_order(folder):
    """
    From the predictions folder itself or its parent.
    """
    inner, outer = load_predictions(folder), load_predictions(folder.parent)

    assert inner.predictions.question_ids == outer.predictions.question_ids == P.question_ids
    assert inner.truth() is None


def test_an_altered_shard_is_refused(folder):
    """
    Its hash differs from the manifest.
    """
    shard = folder / "part-00001.parquet"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")

    with pytest.raises(PredictionsError, match=r"part-00001\.parquet is missing or was altered"):
        load_predictions(folder)


def test_a_folder_without_predictions_is_named(tmp_path):
    """
    The message names the missing manifest.
    """
    with pytest.raises(PredictionsError, match=r"holds no predictions: there is no .*manifest"):
        load_predictions(tmp_path)
