import json

import numpy as np
import pytest

from scope.errors import ConfigError
from scope.samples import ArmScores, Samples, read_samples, write_candidates


@pytest.fixture
def samples():
    """Four samples of two models on two prompts; the proxy prefers the last, which is correct."""
    correct_qmo = np.array([[[0, 0, 0, 1.0], [1, 1, 1, 1]]] * 2)
    proxy_qmo = np.tile(np.arange(4.0), (2, 2, 1))
    proxy_qmo[1, 0, 1:] = np.nan
    return Samples(
        ("a", "b"),
        ("A?", "B?"),
        ("small", "large"),
        {"correct": correct_qmo, "proxy": proxy_qmo},
        np.array([[7.0, 8.0]] * 2),
        np.full((2, 2, 4), 10.0),
    )


def arms_of(samples, *names):
    return ArmScores.of(samples, "large", names, selector="proxy")


def test_a_training_prompt_has_ten_draws_of_each_candidate(tmp_path, samples):
    """
    Best of 4 of 4 is always the correct one, and all four are paid for.
    """
    path = tmp_path / "train.jsonl"

    n = write_candidates(path, samples, arms_of(samples, "small@4"), ["train", "test"], "train")

    row = json.loads(path.read_text())
    assert n == 1
    assert row["input"] == "A?"
    assert row["candidates"][0] == {
        "model": "small_proxy_bo4",
        "text": [""] * 10,
        "scores": {"correct_scores": [1] * 10},
        "token_num_prompt": 7,
        "token_num_responses": [40] * 10,
    }
    assert row["candidates"][-1]["model"] == "large_proxy_bo1"


def test_another_prompt_has_one_draw(tmp_path, samples):
    """
    A number instead of a list; the draw is the same in every run.
    """
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path in files:
        write_candidates(path, samples, arms_of(samples, "small"), ["test", "test"], "test")

    first = json.loads(files[0].read_text().splitlines()[0])["candidates"][0]
    assert first["scores"]["correct_scores"] in (0, 1)
    assert first["token_num_responses"] == 10
    assert files[0].read_text() == files[1].read_text()


def test_a_prompt_with_too_few_samples_is_left_out(tmp_path, samples):
    """
    On the second prompt one sample of the small model has a selector's score.
    """
    path = tmp_path / "test.jsonl"

    n = write_candidates(path, samples, arms_of(samples, "small@2"), ["test", "test"], "test")

    assert (n, len(path.read_text().splitlines())) == (1, 1)


def test_the_file_is_read_back_as_arms(tmp_path, samples):
    """
    Candidates become columns, named as arms.
    """
    path = tmp_path / "train.jsonl"
    write_candidates(path, samples, arms_of(samples, "small@4"), ["train"] * 2, "train")

    read = read_samples(path)

    assert read.models == ("small@4", "large")
    assert read.scores["correct"].shape == (1, 2, 10)
    assert ArmScores.of(read, "large").labels("prob_nlabels") == pytest.approx(1.0)


def test_unknown_prompt_tokens_are_said(tmp_path, samples):
    """
    The published router computes costs from them.
    """
    samples.prompt_tokens_qm[:] = np.nan

    with pytest.raises(ConfigError, match="small has no prompt tokens on id 'a'; count them"):
        write_candidates(
            tmp_path / "x.jsonl", samples, arms_of(samples, "small"), ["train"] * 2, "train"
        )
