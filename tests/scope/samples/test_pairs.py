import json

import numpy as np
import pytest

from scope.errors import ConfigError
from scope.samples import Samples, make_pairs, write_pairs


def samples_of(scores, responses):
    """One model's responses to one prompt, scored by `rm`."""
    score_qmo = np.array([[scores]], dtype=float)
    return Samples(
        ("a",),
        ("2 + 2?",),
        ("m",),
        {"rm": score_qmo},
        np.full((1, 1), 5.0),
        np.ones_like(score_qmo),
        None if responses is None else ((tuple(responses),),),
    )


def test_the_middle_beats_the_worst_and_the_best_the_middle():
    """
    Of four responses in ascending order the middle one is the third.
    """
    pairs = list(make_pairs(samples_of([3, 1, 4, 2], ["three", "one", "four", "two"]), "rm"))

    assert [(pair.chosen, pair.rejected) for pair in pairs] == [
        ("Human: 2 + 2? Assistant: three", "Human: 2 + 2? Assistant: one"),
        ("Human: 2 + 2? Assistant: four", "Human: 2 + 2? Assistant: three"),
    ]


def test_responses_of_equal_score_make_no_pair():
    """
    The middle one equals the best here; a response without a score is in no pair.
    """
    pairs = list(make_pairs(samples_of([1, 2, 2, np.nan], ["one", "two", "too", "x"]), "rm"))

    assert [pair.chosen.split()[-1] for pair in pairs] == ["two"]
    assert list(make_pairs(samples_of([1, 1], ["one", "too"]), "rm")) == []


def test_pairs_need_responses():
    """
    Scores alone are not enough.
    """
    with pytest.raises(ConfigError, match="hold no responses"):
        list(make_pairs(samples_of([1, 2], None), "rm"))


def test_pairs_are_written_as_lines_and_as_a_data_set(tmp_path):
    """
    The data set has the columns and splits of the published code.
    """
    from datasets import load_from_disk

    pairs = list(make_pairs(samples_of([1, 2], ["one", "two"]), "rm", (1.0, 0.0, 0.0)))

    write_pairs(tmp_path / "pairs.jsonl", pairs)
    write_pairs(tmp_path / "pairs", pairs)
    found = load_from_disk(str(tmp_path / "pairs"))

    assert json.loads((tmp_path / "pairs.jsonl").read_text())["split"] == "train"
    assert {name: len(part) for name, part in found.items()} == {"train": 1}
    assert found["train"][0]["chosen"] == "Human: 2 + 2? Assistant: two"
    with pytest.raises(ConfigError, match=r"expected \.jsonl, or a folder"):
        write_pairs(tmp_path / "pairs.csv", pairs)
