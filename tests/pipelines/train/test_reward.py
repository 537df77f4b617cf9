import numpy as np
import pytest

from pipelines.train.job import TrainSettings
from pipelines.train.pairs import Pair, fold_of
from pipelines.train.reward import RewardTraining, score_prompts, train_reward, without_fold
from scope.errors import ConfigError
from scope.learned import RewardModel
from scope.samples import Samples
from tests.factories.encoders import reward_encoder
from tests.factories.learned import needs_accelerate

PROMPTS = tuple(f"question {n}" for n in range(60))
SPLITS = ["train", "train", "validation"] * 20
PAIRS = [Pair(p, "easy", "hard", split) for p, split in zip(PROMPTS, SPLITS, strict=True)]


def samples_of(responses=("easy", "hard", "easy")):
    """Two models; the second has one sample less."""
    texts = (responses, responses[:2])
    tokens = np.ones((len(PROMPTS), 2, 3))
    tokens[:, 1, 2] = np.nan
    return Samples(
        PROMPTS,
        PROMPTS,
        ("a", "b"),
        {"correct": tokens},
        np.ones((len(PROMPTS), 2)),
        tokens,
        tuple(texts for _ in PROMPTS),
    )


def training(folder, **changes):
    settings = TrainSettings(epochs=20, learning_rate=3e-3, batch_size=8)
    return RewardTraining(**{"encoder": str(folder), "folds": 2, "settings": settings, **changes})


@needs_accelerate
@pytest.mark.ray
@pytest.mark.slow
def test_samples_are_scored_out_of_fold(cluster, encoder_folder, tmp_path):
    """
    Three trainings: one of all pairs, and one without each half.
    """
    result = train_reward(
        PAIRS, training(encoder_folder), tmp_path / "reward", samples=samples_of()
    )

    score_qmo = result.samples.scores["proxy"]
    assert set(result.samples.scores) == {"correct", "proxy"}
    assert (score_qmo[:, 0, 0] > score_qmo[:, 0, 1]).all()
    assert np.isnan(score_qmo).sum() == np.isnan(score_qmo[:, 1, 2]).sum() == len(PROMPTS)
    model = RewardModel.load(tmp_path / "reward")
    assert (model.spec.n_pairs, model.spec.accuracy) == (40, 1.0)
    whole = model.score(PROMPTS, ["easy"] * len(PROMPTS))
    in_training = np.array([split == "train" for split in SPLITS])
    assert np.allclose(score_qmo[~in_training, 0, 0], whole[~in_training], atol=1e-4)
    assert not np.allclose(score_qmo[in_training, 0, 0], whole[in_training], atol=1e-3)


def test_the_model_of_a_fold_never_read_its_prompts():
    for fold in range(3):
        kept = without_fold(PAIRS, fold, 3)
        assert {fold_of(pair.prompt, 3) for pair in kept} == {0, 1, 2} - {fold}


def test_a_fold_that_holds_all_pairs_is_refused():
    fold = fold_of("question 0", 5)

    with pytest.raises(ConfigError, match=f"no training pair is left without fold {fold} of 5"):
        without_fold(PAIRS[:1], fold, 5)


def test_a_score_goes_to_its_own_response(tmp_path):
    model = RewardModel.load(reward_encoder(tmp_path))
    samples = samples_of(("two", "three plus", "name"))
    score_qmo = np.full((len(PROMPTS), 2, 3), np.nan)

    score_prompts(model, samples, np.arange(len(PROMPTS)) == 7, score_qmo)

    expected = model.score(["question 7"] * 3, ["two", "three plus", "name"])
    assert score_qmo[7, 0] == pytest.approx(expected, abs=1e-5)
    assert score_qmo[7, 1, :2] == pytest.approx(expected[:2], abs=1e-5)
    assert np.isnan(score_qmo).sum() == score_qmo.size - 5


@pytest.mark.parametrize(
    ("changes", "pairs", "samples", "message"),
    [
        ({}, PAIRS[:2], None, "2 training and 0 validation pairs; at least one of each"),
        ({"folds": 1}, PAIRS, samples_of(), "folds is 1; out-of-fold scores need at least 2"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(
    encoder_folder, tmp_path, changes, pairs, samples, message
):
    with pytest.raises(ConfigError, match=message):
        train_reward(
            pairs, training(encoder_folder, **changes), tmp_path / "reward", samples=samples
        )
