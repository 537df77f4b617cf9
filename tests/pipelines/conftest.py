"""Predictions as ``scope predict`` leaves them, made by hand."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from scope import AnchorConfig
from scope.calibration import Calibration
from scope.embedder import EmbedderSpec
from scope.outcomes import Outcomes
from scope.predictions_store import (
    CALIBRATION,
    FOLDER,
    OUTCOMES,
    PredictionsManifest,
    seal,
    write_shard,
)
from tests.banks import LARGE, SMALL, predictions_of

P = [[0.5, 0.9], [0.5, 0.6], [0.5, 0.8]]
COST = [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]


@pytest.fixture
def predicted(tmp_path):
    """An output folder of ``scope predict``: three questions, two models, outcomes known."""
    folder = tmp_path / "predicted" / FOLDER
    folder.mkdir(parents=True)
    predictions = predictions_of(P, COST, models=("small", "large"))
    write_shard(folder, 0, predictions.to_table("anchors"))
    tokens = np.full((3, 2), 100.0)
    outcomes = Outcomes(("small", "large"), np.array([[0, 1.0]] * 3), tokens, tokens)
    pq.write_table(outcomes.to_table(predictions.question_ids), folder / OUTCOMES)
    tokens_qm = np.array([[1e6, 1e5]] * 3)
    Calibration(AnchorConfig(), np.array(P), tokens_qm, tokens_qm).save(folder / CALIBRATION)
    spec = EmbedderSpec(name="x", revision="1", dimension=4)
    seal(
        folder,
        PredictionsManifest(
            n_questions=3,
            bank_version="abc",
            embedder=spec,
            anchors=AnchorConfig(),
            models=(SMALL, LARGE),
            files={},
        ),
    )
    return folder.parent
