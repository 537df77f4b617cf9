"""The files of a prediction run."""

import numpy as np

from pipelines.predict.output import (
    ANSWERED,
    NOT_QUERIED,
    PredictedPool,
    open_prediction_files,
)
from scope import AnchorConfig
from scope.arms import ArmColumns
from scope.routing.prediction_store import StoredPredictions
from tests.factories.banks import bank_of, predictions_of


def test_the_reasoners_own_probability_is_kept_beside_the_blend(tmp_path):
    """
    NaN where it was not queried.
    """
    bank = bank_of(np.ones((20, 2)))
    arms = ArmColumns.resolve(bank.model_ids, bank.models, "the bank")
    p_yes_qm = np.array([[0.25, np.nan], [np.nan, 0.75]])
    estimates = predictions_of(np.full((2, 2), 0.5), np.ones((2, 2))).estimates
    batch = {
        "row": np.arange(2),
        "error": np.array(["", ""]),
        **estimates.to_columns(),
        "answer_qm": np.where(np.isnan(p_yes_qm), NOT_QUERIED, ANSWERED),
        "p_yes_qm": p_yes_qm,
        "anchor_qk": np.zeros((2, 1), dtype=int),
        "similarity_qk": np.ones((2, 1)),
    }

    with open_prediction_files(tmp_path, PredictedPool(bank, arms, ("a", "b"), None)) as files:
        files.add(batch)
        files.write_manifest(AnchorConfig())

    stored = StoredPredictions.open(tmp_path)
    np.testing.assert_array_equal(stored.p_yes(), p_yes_qm)
    np.testing.assert_array_equal(stored.load_all().predictions.estimates.p_correct_qm, 0.5)
