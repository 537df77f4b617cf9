"""A folder of predictions read a shard at a time."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from scope import AnchorConfig
from scope.bank.reference_population import ReferencePopulation
from scope.embedding.spec import EmbedderSpec
from scope.errors import BankError, ConfigError, PredictionsError
from scope.outcomes import Outcomes
from scope.pool import Resampling
from scope.routing.prediction_store import (
    OUTCOMES,
    REFERENCE,
    PredictionsManifest,
    StoredPredictions,
    load_predictions,
    write_manifest,
    write_shard,
)
from tests.factories.banks import LARGE, SMALL, bill_ratio_of, predictions_of
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
    """Two shards, of two questions and of one, without a manifest."""
    for number, rows in enumerate((slice(0, 2), slice(2, 3))):
        write_shard(tmp_path, number, rows_of(P, rows).to_table("anchors"))
    return tmp_path


def sealed(folder, models=(SMALL, LARGE), bill_ratio=None):
    manifest = PredictionsManifest(
        n_questions=3,
        bank_version="abc",
        embedder=EmbedderSpec(name="x", revision="1", dimension=4),
        anchors=AnchorConfig(),
        models=models,
        bill_ratio=bill_ratio,
        files={},
    )
    write_manifest(folder, manifest)
    return folder


def with_outcomes(folder, order=(0, 1, 2), models=(SMALL, LARGE)):
    """Write outcomes whose rows are in another order than the shards."""
    outcomes = Outcomes(P.models, *(values[list(order)] for values in (RIGHT, TOKENS, TOKENS)))
    ids = [P.question_ids[q] for q in order]
    pq.write_table(outcomes.to_table(ids), folder / OUTCOMES)
    return sealed(folder, models)


def test_shards_are_read_in_order_any_number_of_times(folder):
    """
    Each is a prediction set of its questions.
    """
    opened = StoredPredictions.open(sealed(folder))

    for _ in range(2):
        assert [s.predictions.question_ids for s in opened.iter_shards()] == [
            ("q000", "q001"),
            ("q002",),
        ]


def test_only_requested_columns_are_read(folder):
    """
    The others are NaN.
    """
    (first, _) = StoredPredictions.open(sealed(folder)).iter_shards(("p_correct",))

    estimates = first.predictions.estimates
    np.testing.assert_array_equal(estimates.p_correct_qm, [[0.5, 0.9], [np.nan, 0.6]])
    assert np.isnan(estimates.cost_usd_qm).all()


def test_outcomes_are_matched_by_id(folder):
    """
    The outcomes may have another order than the predictions.
    """
    opened = StoredPredictions.open(with_outcomes(folder, order=(2, 0, 1)))

    right = [shard.outcomes.correct_am for shard in opened.iter_shards()]
    np.testing.assert_array_equal(np.concatenate(right), RIGHT)
    np.testing.assert_array_equal(load_predictions(folder).outcomes.prompt_tokens_am, TOKENS)


def test_select_models_applies_to_every_shard(folder):
    """
    With its prices and outcomes, in its order.
    """
    opened = StoredPredictions.open(with_outcomes(folder)).select_models(("large",))

    *_, last = opened.iter_shards()
    assert (last.models, opened.model_ids) == ((LARGE,), ("large",))
    assert last.predictions.estimates.p_correct_qm.tolist() == [[0.2]]
    assert last.outcomes.correct_am.tolist() == [[1.0]]


@pytest.mark.parametrize("ratio", [bill_ratio_of(1.25), None], ids=["compared", "unknown"])
def test_the_ratio_of_the_bills_comes_from_the_manifest(folder, ratio):
    """
    With the reference population; not for a part of the pool, nor for the means of the models.
    """
    ReferencePopulation(AnchorConfig(), TOKENS, TOKENS, TOKENS).save(folder / REFERENCE)

    opened = StoredPredictions.open(sealed(folder, bill_ratio=ratio))

    assert opened.reference.bill_ratio == ratio
    assert opened.select_models(("large", "small")).reference.bill_ratio == ratio
    assert opened.select_models(("large",)).reference.bill_ratio is None
    assert opened.with_means().reference.bill_ratio is None


def test_load_predictions_reads_all_shards(folder):
    """
    With every estimate.
    """
    whole = load_predictions(sealed(folder))

    assert whole.predictions.question_ids == P.question_ids
    assert whole.outcomes is None
    for name in ("p_correct", "cost_usd", "completion_tokens_high"):
        np.testing.assert_array_equal(
            whole.predictions.estimates.to_columns()[name], P.estimates.to_columns()[name]
        )


def test_a_shard_with_other_models_than_the_manifest_is_refused(folder):
    """
    Its numbers would get wrong names and prices.
    """
    opened = StoredPredictions.open(sealed(folder, models=(LARGE, SMALL)))

    with pytest.raises(PredictionsError, match=r"part-00000\.parquet is not of the models in man"):
        list(opened.iter_shards())


def test_a_shard_without_a_column_is_refused(folder):
    """
    The message names the column and the file.
    """
    write_shard(folder, 1, rows_of(P, slice(2, 3)).to_table("anchors").drop(["cost_usd"]))

    with pytest.raises(PredictionsError, match=r"part-00001\.parquet lacks cost_usd"):
        load_predictions(sealed(folder))


def test_a_folder_without_shards_holds_no_prediction(tmp_path):
    """
    A manifest alone is not enough.
    """
    with pytest.raises(PredictionsError, match="holds no prediction"):
        StoredPredictions.open(sealed(tmp_path))


def test_invalid_outcomes_are_refused(folder):
    """
    When the folder is opened.
    """
    table = Outcomes(P.models, 2 * RIGHT, TOKENS, TOKENS).to_table(P.question_ids)
    pq.write_table(table, folder / OUTCOMES)

    with pytest.raises(BankError, match=r"outcomes\.parquet: correct must be within 0\.\.1"):
        StoredPredictions.open(sealed(folder))


KNOWN_SAMPLES = Resampling(concentration=2.0, odds=3.0, selector="majority", source="fitted")
SAMPLED = SMALL.model_copy(update={"resampling": KNOWN_SAMPLES})


def test_several_samples_are_derived_shard_by_shard(folder):
    """
    p = .5 is .614 with three samples at kappa 2 and AUC .75; 100 tokens in and out are 300.
    """
    stored = StoredPredictions.open(sealed(folder, (SAMPLED, LARGE)))
    pool = stored.select_models(("small@3", "large"))

    first, _ = pool.iter_shards(("p_correct", "cost_usd"))

    estimates = first.predictions.estimates
    assert first.model_ids == pool.model_ids == ("small@3", "large")
    np.testing.assert_allclose(estimates.p_correct_qm, [[0.614, 0.9], [np.nan, 0.6]], atol=5e-4)
    # Small costs $.1 in and $.2 out a million; the cost of the large one stays as it was stored.
    np.testing.assert_allclose(estimates.cost_usd_qm, [[9e-5, 0.2], [9e-5, np.nan]])


def test_a_pool_is_the_same_from_disk_and_in_memory(folder):
    """
    Selected before or after it is read.
    """
    stored = StoredPredictions.open(sealed(folder, (SAMPLED, LARGE)))

    early = stored.select_models(("large", "small@5")).load_all()
    late = stored.load_all().select_models(("large", "small@5"))

    np.testing.assert_array_equal(
        early.predictions.estimates.stack(), late.predictions.estimates.stack()
    )
    assert early.models == late.models


def test_without_outcomes_of_several_samples_the_pool_has_no_outcomes(folder):
    """
    Half of the choices would be scored as if they were all; without the arm they are known.
    """
    stored = StoredPredictions.open(with_outcomes(folder, models=(SAMPLED, LARGE)))

    assert stored.select_models(("small@3", "large")).outcomes is None
    assert stored.select_models(("large",)).outcomes is not None


def test_samples_of_a_model_without_fitted_samples_are_refused(folder):
    """
    The sentence says what to run.
    """
    with pytest.raises(ConfigError, match="cannot tell what 3 samples of small are worth"):
        StoredPredictions.open(sealed(folder)).select_models(("small@3",))
