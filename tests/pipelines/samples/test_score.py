import json
from dataclasses import replace

import numpy as np
import pytest

from pipelines.samples.score import (
    RewardSource,
    ScoreActor,
    score_by_grader,
    score_by_reward,
)
from scope.errors import ConfigError
from scope.learned import RewardModel
from scope.storage import ShardFolder


@pytest.fixture
def questions(tmp_path):
    """The sums with their results."""
    path = tmp_path / "questions.jsonl"
    rows = [
        {"id": id_, "prompt": f"{n} + {n}?", "gt": str(2 * n)} for n, id_ in enumerate("abc", 1)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="session")
def reward_folder(tmp_path_factory, encoder_folder):
    """A reward model with random weights, as `transformers` saves one."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("reward")
    model = AutoModelForSequenceClassification.from_pretrained(encoder_folder, num_labels=1)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder_folder).save_pretrained(folder)
    return folder


def test_a_response_that_cannot_be_graded_has_no_score(samples, questions):
    """
    "Who knows?" has no number: that is unknown, not wrong.
    """
    result = score_by_grader(samples, questions, "numeric")

    np.testing.assert_array_equal(
        result.samples.scores["correct"], [[[1, 0]], [[1, np.nan]], [[1, np.nan]]]
    )
    assert (result.n_scored, result.n_unscored) == (4, 1)


def test_gold_answers_are_joined_by_id_and_prompt(samples, questions):
    """
    Another prompt under the same id, and an id that is not there.
    """
    other = replace(samples, prompts=("1 + 1?", "2 + 2?", "4 + 4?"))
    with pytest.raises(ConfigError, match="question c has another prompt than the samples"):
        score_by_grader(other, questions, "numeric")
    with pytest.raises(ConfigError, match="lacks 1 prompts: z"):
        score_by_grader(replace(samples, ids=("a", "b", "z")), questions, "numeric")


def test_scores_that_are_there_are_not_replaced(samples, questions):
    """
    Another name is needed.
    """
    graded = score_by_grader(samples, questions, "numeric").samples

    with pytest.raises(ConfigError, match="scores 'correct' already"):
        score_by_grader(graded, questions, "numeric")


@pytest.mark.ray
def test_responses_are_scored_by_a_reward_model(samples, reward_folder, tmp_path):
    """
    The same numbers as the model alone gives; finished shards are not scored again.
    """
    reward = RewardSource(str(reward_folder))
    result = score_by_reward(samples, reward, "proxy", tmp_path / "shards")

    texts = [text for row in samples.responses_qm for text in row[0]]
    prompts = [samples.prompts[n] for n in (0, 0, 1, 1, 2)]
    expected = RewardModel.load(reward_folder).score(prompts, texts)
    found = result.samples.scores["proxy"]
    np.testing.assert_allclose(found[~np.isnan(found)], expected, rtol=1e-5)
    shard = tmp_path / "shards" / "shard-000000.scores.parquet"
    written = shard.stat().st_mtime_ns
    again = score_by_reward(samples, reward, "proxy", tmp_path / "shards")
    np.testing.assert_array_equal(again.samples.scores["proxy"], found)
    assert shard.stat().st_mtime_ns == written


def test_a_model_that_cannot_be_loaded_is_said_with_the_block(tmp_path):
    """
    Ray would retry an error in the constructor.
    """
    folder = ShardFolder.open(tmp_path / "shards", {}, fresh=False)
    actor = ScoreActor(RewardSource(str(tmp_path / "none")), folder)

    with pytest.raises(ConfigError, match="none"):
        actor(None)
