import numpy as np
import pytest
from safetensors.numpy import load_file

from pipelines.train.job import BEST
from pipelines.train.loop import CHECKPOINTS, COMPLETE, initial_network, last_checkpoint, train
from scope.errors import PredictionsError
from scope.learned import load_weights
from tests.factories.jobs import reward_job, router_job
from tests.factories.learned import needs_accelerate

pytestmark = needs_accelerate


class KilledError(Exception):
    pass


def killed_at(step):
    def report(done, total):
        if done == step:
            raise KilledError

    return report


def nothing(done, total):
    pass


def test_training_lowers_the_loss_and_reports_its_steps(encoder_folder, tmp_path):
    """
    Five steps of 16 prompts in each of six epochs. The labels .1 and .9 have an entropy of .325.
    """
    steps = []
    files = router_job(tmp_path / "job", encoder_folder, epochs=6)

    train(files.path, lambda done, total: steps.append((done, total)))

    assert steps == [(n, 30) for n in range(1, 31)]
    assert 0.32 < files.result.validation_loss < 0.6
    assert files.result.steps == 30


def test_the_best_weights_are_those_of_the_lowest_validation_loss(encoder_folder, tmp_path):
    """
    The rate is far too high: the loss rises, and training stops after two worse epochs.
    """
    files = router_job(tmp_path / "job", encoder_folder, epochs=30, learning_rate=0.5)

    train(files.path, nothing)

    result = files.result
    assert result.epochs < 30
    assert not result.still_fell
    network = initial_network(files.job())
    load_weights(network, files.path / BEST)
    assert validation_loss(network, files) == pytest.approx(result.validation_loss, abs=1e-5)


def test_the_result_says_that_the_loss_still_fell(encoder_folder, tmp_path):
    """
    The last of one epoch is the best one: a second one may help.
    """
    files = router_job(tmp_path / "job", encoder_folder, epochs=1)

    train(files.path, nothing)

    assert files.result.still_fell


def validation_loss(network, files):
    import torch

    from pipelines.train.loop import _collator

    network.eval()
    with torch.no_grad():
        return float(network(**_collator(files.job())(files.rows("validation")))["loss"])


@pytest.mark.parametrize("make", [router_job, reward_job])
def test_a_killed_training_ends_with_the_same_weights(make, encoder_folder, tmp_path):
    """
    KilledError in the second epoch, and once more in the third.
    """
    whole = make(tmp_path / "whole", encoder_folder)
    train(whole.path, nothing)
    killed = make(tmp_path / "killed", encoder_folder)
    for step in (8, 13):
        with pytest.raises(KilledError):
            train(killed.path, killed_at(step))

    train(killed.path, nothing)

    assert killed.result == whole.result
    expected, found = (load_file(files.path / BEST) for files in (whole, killed))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_a_reward_model_learns_the_order(encoder_folder, tmp_path):
    """
    A coin has a loss of .693 nats.
    """
    files = reward_job(tmp_path / "job", encoder_folder, epochs=20)

    train(files.path, nothing)

    assert files.result.validation_loss < 0.3


def test_the_seed_decides_the_weights(encoder_folder, tmp_path):
    losses = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        files = router_job(tmp_path / name, encoder_folder, epochs=1, seed=seed)
        train(files.path, nothing)
        losses.append(files.result.validation_loss)

    assert losses[0] == losses[1] != losses[2]


def test_a_checkpoint_that_was_not_finished_is_passed_over(tmp_path):
    for step in (5, 10, 15):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (5, 10):
        (tmp_path / f"checkpoint-{step}" / COMPLETE).touch()

    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    assert last_checkpoint(tmp_path / CHECKPOINTS) is None


def test_a_folder_of_another_job_is_refused(encoder_folder, tmp_path):
    router_job(tmp_path / "job", encoder_folder)
    router_job(tmp_path / "job", encoder_folder)

    with pytest.raises(PredictionsError, match="already exists, with different settings"):
        router_job(tmp_path / "job", encoder_folder, epochs=9)
