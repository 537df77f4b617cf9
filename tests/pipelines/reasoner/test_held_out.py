"""Labelled questions that a reasoner was trained on are refused."""

import pytest

from pipelines.reasoner.held_out import check_held_out
from scope.errors import ConfigError
from tests.factories.checkpoints import write_training_record


def test_questions_of_the_training_are_counted(tmp_path):
    """
    By their texts, whatever their ids.
    """
    model = write_training_record(tmp_path / "model", ["one?", "two?", "other?"])

    with pytest.raises(ConfigError, match="2 of the 3 labelled questions of the-bank"):
        check_held_out(["one?", "two?", "three?"], str(model), "the-bank")


def test_other_questions_pass(tmp_path):
    """
    So do all questions for a checkpoint that does not say what it was trained on.
    """
    check_held_out(["three?"], str(write_training_record(tmp_path / "model", ["one?"])), "the-bank")
    check_held_out(["one?"], "some/model", "the-bank")
