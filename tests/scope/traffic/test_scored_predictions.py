from dataclasses import replace
from datetime import UTC, datetime

import pytest

from scope.errors import FormatError
from scope.traffic.scored_predictions import ScoredPredictions
from tests.factories.banks import bank_of, unit
from tests.factories.decision_logs import two_models, write_log
from tests.factories.scored_logs import scored, write_scores

NEW, OLD = "n" * 64, "o" * 64


@pytest.fixture
def log(tmp_path):
    """Write decisions and scores; returns the folder."""

    def write(requests, scores):
        write_log(tmp_path / "decisions-a.00000001.jsonl", requests)
        write_scores(tmp_path, scores)
        return tmp_path

    return write


def decided(name, bank=NEW, hour=1, **other):
    """A request that a bank decided at that hour."""
    return two_models(name, bank=bank, time=f"2026-11-22T{hour:02d}:00:00+00:00", **other)


def test_answers_are_in_the_order_of_their_scores(log):
    """
    Not in that of files or decisions; times are UTC.
    """
    late = scored("a", "small", 0.5, 1.0, time="2026-11-22T12:00:00+02:00")
    early = scored("b", "large", 0.8, 0.0, time="2026-11-22T09:00:00+00:00")

    found = ScoredPredictions.read(log([decided("a"), decided("b")], [late, early]))

    assert [(a.model, a.p_correct, a.score) for a in found.answers] == [
        ("large", 0.8, 0.0),
        ("small", 0.5, 1.0),
    ]
    assert found.answers[1].time == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert (found.bank, found.left_out) == (NEW, {})


def test_what_cannot_be_compared_is_counted(log):
    """
    An answer without a prediction, a copy of a score; the first one counts.
    """
    scores = [
        scored("a", "small", 0.5, 1.0),
        scored("a", "small", 0.5, 0.0),
        scored("b", "small", None, 1.0),
        scored("c", "small", 0.5, 1.0, time=None),
    ]

    found = ScoredPredictions.read(log([decided("a")], scores))

    assert [a.score for a in found.answers] == [1.0]
    assert found.left_out == {
        "repeated scores": 1,
        "answers without a prediction": 1,
        "scores without a time": 1,
    }


def test_a_score_whose_decision_is_gone_counts_if_one_bank_decided(log):
    """
    It has model and prediction; text and distribution are unknown.
    """
    found = ScoredPredictions.read(log([decided("a")], [scored("gone", "small", 0.5, 1.0)]))

    [answer] = found.answers
    assert (answer.model, answer.prompt, answer.in_distribution) == ("small", None, None)


def test_the_bank_of_the_latest_decision_is_meant(log):
    """
    A new bank has other predictions: what was wrong with the old one is no drift. A score whose
    decision is gone may be of either.
    """
    scores = [scored(name, "small", 0.5, 1.0) for name in ("new", "old", "gone")]
    folder = log([decided("new", hour=2), decided("old", OLD)], scores)

    latest, older = ScoredPredictions.read(folder), ScoredPredictions.read(folder, OLD)

    assert (latest.bank, len(latest.answers)) == (NEW, 1)
    assert (older.bank, len(older.answers)) == (OLD, 1)
    assert latest.left_out == {"predictions of another bank": 2}


def test_a_bank_that_decided_nothing_is_refused(log):
    """
    The banks of the log are named.
    """
    folder = log([decided("a")], [scored("a", "small", 0.5, 1.0)])

    with pytest.raises(FormatError, match=r"no decision by bank oooooooooooo; it has nnnnnnnnnnnn"):
        ScoredPredictions.read(folder, OLD)


def test_no_score_at_all_is_refused(log, tmp_path):
    """
    With what was left out, and where scores come from.
    """
    write_log(tmp_path / "decisions-a.00000001.jsonl", [decided("a")])
    with pytest.raises(FormatError, match=r"holds no score of a predicted answer; clients send"):
        ScoredPredictions.read(tmp_path)
    write_scores(tmp_path, [scored("a", "small", None, 1.0)])
    with pytest.raises(FormatError, match=r"\(left out: 1 answers without a prediction\)"):
        ScoredPredictions.read(tmp_path)


def test_a_file_is_not_a_log_with_scores(tmp_path):
    """
    Scores lie beside the decisions, so that a folder is needed.
    """
    with pytest.raises(FormatError, match="is not a folder"):
        ScoredPredictions.read(write_log(tmp_path / "decisions.jsonl", [decided("a")]))


def test_a_killed_replica_leaves_truncated_lines(log, tmp_path):
    """
    Of decisions and of scores.
    """
    log([decided("a")], [scored("a", "small", 0.5, 1.0)])
    for name in ("decisions-b.00000001.jsonl", "feedback-b.00000001.jsonl"):
        (tmp_path / name).write_text('{"id": "x')

    found = ScoredPredictions.read(tmp_path)

    assert (len(found.answers), found.n_truncated) == (1, 2)


def test_a_prompt_is_in_or_out_of_distribution(log):
    """
    Below 1 is out; a decision without candidates is neither.
    """
    requests = [decided(name) for name in ("in", "out", "unknown")]
    for request, value in zip(requests, (1.0, 0.7, None), strict=True):
        for candidate in request["candidates"]:
            candidate["in_distribution"] = value
    scores = [scored(name, "small", 0.5, 1.0) for name in ("in", "out", "unknown")]

    regions = ScoredPredictions.read(log(requests, scores)).regions()

    assert regions == ("in distribution", "out of distribution", None)


def test_a_prompt_has_the_category_of_its_nearest_anchor(log):
    """
    Each text is embedded once. A decision without a text has no category, and a prompt that is
    unlike all anchors has none of theirs.
    """
    bank = bank_of([[1, 1], [0, 1]], embedding=unit([[1, 0], [0, 1]]))
    bank = replace(bank, categories=("law", "physics"))
    embedded = []

    def embed(texts):
        embedded.extend(texts)
        return unit([[0.9, 0.1] if text == "sue" else [0.1, 0.9] for text in texts])

    texts = {"a": "sue", "b": "mass", "c": "sue", "d": None, "e": "poem"}
    requests = [decided(name, prompt=text) for name, text in texts.items()]
    for candidate in requests[-1]["candidates"]:
        candidate["in_distribution"] = 0.7
    scores = [scored(name, "small", 0.5, 1.0) for name in texts]

    categories = ScoredPredictions.read(log(requests, scores)).categories(bank, embed)

    assert categories == ("law", "physics", "law", None, "out of distribution")
    assert embedded == ["sue", "mass"]
