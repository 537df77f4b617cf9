import json
from datetime import UTC, datetime

import pytest

from scope.errors import FormatError
from scope.routing.log_records import DecisionLogReader, ScoreLogReader
from tests.factories.decision_logs import two_models, write_log

SCORE = {"kind": "feedback", "id": "a", "time": "2026-11-28T10:00:00.000+00:00", "score": 0.5}


def write_scores(folder, *scores, name="feedback-r.00000001.jsonl"):
    """Write scores as one file beside the decisions."""
    (folder / name).write_text("".join(f"{json.dumps(score)}\n" for score in scores))


def test_a_score_has_its_decision_and_time(tmp_path):
    """
    Fields that the endpoint did not know are None.
    """
    write_scores(tmp_path, SCORE | {"model": "small", "p_correct": None})

    [(_, score)] = ScoreLogReader(tmp_path)
    assert (score.id, score.score, score.model, score.p_correct) == ("a", 0.5, "small", None)
    assert score.time == datetime(2026, 11, 28, 10, tzinfo=UTC)


def test_a_folder_without_scores_has_none(tmp_path):
    """
    The endpoint creates the file with the first score.
    """
    write_log(tmp_path / "log.jsonl", [two_models("a")])

    assert not list(ScoreLogReader(tmp_path))


@pytest.mark.parametrize("score", [1.5, -0.1, None, "1"], ids=repr)
def test_a_score_outside_its_range_is_named(tmp_path, score):
    """
    With file and line.
    """
    write_scores(tmp_path, SCORE, SCORE | {"score": score})

    with pytest.raises(FormatError, match=r"line 2 is not a logged score: score: Input should be"):
        list(ScoreLogReader(tmp_path))


def test_a_truncated_score_is_skipped(tmp_path):
    """
    The last line of a replica that was killed.
    """
    write_scores(tmp_path, SCORE)
    (tmp_path / "feedback-s.00000001.jsonl").write_text(json.dumps(SCORE)[:20])

    reader = ScoreLogReader(tmp_path)
    assert len(list(reader)) == 1
    assert reader.n_truncated == 1


def test_a_request_has_its_text_and_answer(tmp_path):
    """
    What a bank can learn from, where the log keeps it.
    """
    answered = {"prompt": "1 + 1?", "answered_by": "small", "time": "2026-11-28T10:00:00+00:00"}
    write_log(
        tmp_path / "log.jsonl", [two_models("a") | answered, two_models("b", answered_by=None)]
    )

    [(_, full), (_, bare)] = DecisionLogReader(tmp_path)
    assert (full.prompt, full.answered_by, full.time.hour) == ("1 + 1?", "small", 10)
    assert (bare.prompt, bare.answered_by) == (None, None)
