from dataclasses import replace

import numpy as np
import pytest

from pipelines.terminal import Stages
from pipelines.train.job import TrainSettings
from pipelines.train.router import RouterTraining, train_router
from scope.errors import ConfigError
from scope.learned import LearnedRouter
from tests.factories.learned import data_of


@pytest.fixture
def training(encoder_folder):
    return RouterTraining(encoder=str(encoder_folder), frozen=True)


def test_a_frozen_router_is_trained_and_written(training, tmp_path):
    stages = Stages()

    trained = train_router(data_of(), training, tmp_path / "router", stages=stages)

    loaded = LearnedRouter.load(tmp_path / "router")
    texts = ["easy question two", "hard question two"]
    np.testing.assert_array_equal(
        loaded.predict(texts).p_correct_qm, trained.predict(texts).p_correct_qm
    )
    assert loaded.predict(texts).p_correct_qm[0, 0] > loaded.predict(texts).p_correct_qm[1, 0]
    assert (loaded.spec.n_train, loaded.spec.n_validation) == (80, 40)
    assert loaded.spec.pooling == "mean"
    assert {stage.name: stage.done for stage in stages.all}["embedding"] == 120
    assert [path.name for path in tmp_path.iterdir()] == ["router"]


def test_prompts_of_the_test_split_are_not_read(training, tmp_path):
    """
    Their labels are the opposite, and change nothing.
    """
    data = data_of()
    test_q = np.arange(120) >= 110
    data = replace(data, is_validation_q=data.is_validation_q & ~test_q)
    turned = replace(data, label_qm=np.where(test_q[:, None], 1 - data.label_qm, data.label_qm))
    routers = [
        train_router(source, training, tmp_path / name)
        for name, source in (("a", data), ("b", turned))
    ]

    assert routers[0].spec == routers[1].spec


def test_a_router_that_is_there_is_kept_unless_fresh(training, tmp_path):
    (tmp_path / "router").mkdir()

    with pytest.raises(ConfigError, match="router exists; choose another folder or pass --fresh"):
        train_router(data_of(), training, tmp_path / "router")

    train_router(data_of(), training, tmp_path / "router", fresh=True)
    LearnedRouter.load(tmp_path / "router")


def test_the_target_drop_chooses_the_threshold(training, tmp_path):
    strict, loose = (
        train_router(data_of(), replace(training, target_drop=drop), tmp_path / str(drop))
        for drop in (0.0, 0.3)
    )

    assert loose.threshold <= strict.threshold
    assert loose.spec.thresholds[-1].target_drop == 0.3


def test_a_prompt_that_cannot_be_encoded_is_left_out(training, tmp_path):
    data = data_of()
    data = replace(data, prompts=("\ud800", *data.prompts[1:119], "\ud800"))

    router = train_router(data, training, tmp_path / "router")

    assert router.reference_population().p_correct_qm.shape == (39, 3)


def test_training_all_weights_needs_accelerate(training, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    whole = replace(training, frozen=False, settings=TrainSettings(epochs=1))

    with pytest.raises(ConfigError, match="needs accelerate; pip install"):
        train_router(data_of(), whole, tmp_path / "router")
