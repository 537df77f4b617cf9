import json

import pytest

from scope.errors import ConfigError, FormatError
from scope.traffic.feedback import LoggedFeedback
from tests.factories.decision_logs import candidate, named_by_client, request, two_models, write_log


def asked(name, model="small", **other):
    """A request with its text."""
    return two_models(name, model, **{"prompt": "1 + 1?", "strategy": "prehoc", **other})


@pytest.fixture
def folder(tmp_path):
    """Write decisions, and files of scores as (id, score); returns their folder."""

    def write(requests, *files):
        write_log(tmp_path / "decisions-r.00000001.jsonl", requests)
        for number, scores in enumerate(files):
            lines = [json.dumps({"id": name, "score": score}) for name, score in scores]
            (tmp_path / f"feedback-{number}.jsonl").write_text("".join(f"{x}\n" for x in lines))
        return tmp_path

    return write


def test_a_score_is_of_the_model_that_answered(folder):
    """
    The chosen model failed, and the large one answered.
    """
    log = folder([asked("a", "small", answered_by="large")], [("a", 0.25)])

    (answer,) = LoggedFeedback.read(log).answers

    assert (answer.text, answer.model, answer.score) == ("1 + 1?", "large", 0.25)
    assert (answer.prompt_tokens, answer.completion_tokens) == (10, 20)


def test_a_decision_alone_is_scored_with_the_chosen_model(folder):
    """
    The client called it itself; how many tokens that took is not known.
    """
    routed = asked("a", "large", endpoint="route", answered_by=None, completion_tokens=None)

    (answer,) = LoggedFeedback.read(folder([routed], [("a", 1)])).answers

    assert (answer.model, answer.completion_tokens) == ("large", None)


def test_scored_and_unscored_decisions_are_compared(folder):
    """
    Small: p .5 of two decisions, of which one is scored; large: p .8, not scored.
    """
    log = folder([asked("a"), asked("b"), asked("c", "large")], [("a", 1)])

    models = LoggedFeedback.read(log).to_json()["models"]

    assert models["small"] == {
        "decisions": 2,
        "scored": 1,
        "mean_score": 1.0,
        "mean_p_scored": 0.5,
        "mean_p_unscored": 0.5,
    }
    assert (models["large"]["scored"], models["large"]["mean_p_scored"]) == (0, None)


def test_what_was_not_predicted_by_a_bank_has_no_probability(folder):
    """
    A learned router predicts another quantity; where a client named the model, nothing is.
    """
    log = folder(
        [asked("a", strategy="hybridllm"), {**named_by_client("b", "small"), "prompt": "x"}],
        [("a", 1), ("b", 0)],
    )

    read = LoggedFeedback.read(log)

    assert len(read.answers) == 2
    assert read.models["small"].mean_p_scored is None


def test_scores_that_teach_nothing_are_counted(folder):
    """
    One is of a decision that was rotated away, one of a failed request, one without a text, and
    one is the second of its decision.
    """
    requests = [asked("a"), asked("failed", answered_by=None), asked("b", prompt=None)]
    scores = [("a", 1), ("gone", 1), ("failed", 0), ("b", 1)]

    read = LoggedFeedback.read(folder(requests, scores, [("a", 0)]))

    assert [answer.score for answer in read.answers] == [1]
    assert read.left_out == {
        "the decision has an earlier score": 1,
        "the request had no answer": 1,
        "the log has no text of the prompt": 1,
        "the decision is not in the log": 1,
    }


@pytest.mark.parametrize(
    ("requests", "scores", "sentence"),
    [
        pytest.param([asked("a")], [], "has no feedback; expected files feedback-", id="none"),
        pytest.param(
            [asked("a", prompt=None)],
            [("a", 1)],
            "none of 1 scores can be used: 1 because the log has no text .* `prompts: true`",
            id="no texts",
        ),
        pytest.param(
            [asked("a")],
            [("b", 1)],
            "none of 1 scores can be used: 1 because the decision is not in the log$",
            id="rotated away",
        ),
        pytest.param(
            [asked("a")], [("a", 1.5)], "line 1 is not a logged score: score", id="out of range"
        ),
    ],
)
def test_a_log_that_teaches_nothing_is_an_error(folder, requests, scores, sentence):
    """
    With the folder, the reason, and what to do.
    """
    log = folder(requests, scores)

    with pytest.raises(FormatError, match=sentence):
        LoggedFeedback.read(log)


def test_a_file_is_refused(folder):
    """
    The scores lie beside the decisions.
    """
    log = folder([request("a", "small", [candidate("small")])], [("a", 1)])

    with pytest.raises(ConfigError, match="expected the folder of a decision log"):
        LoggedFeedback.read(log / "decisions-r.00000001.jsonl")


def test_cut_lines_are_skipped_and_counted(folder):
    """
    A killed replica leaves one at the end of either file.
    """
    log = folder([asked("a")], [("a", 1)])
    (log / "decisions-s.00000001.jsonl").write_text('{"id": "to')
    (log / "feedback-s.00000001.jsonl").write_text('{"id": "to')

    assert LoggedFeedback.read(log).n_truncated == 2
