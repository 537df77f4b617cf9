import json

import pyarrow.parquet as pq
import pytest

from pipelines.imports import join_records, write_tables
from pipelines.imports.record import Record
from scope.errors import FormatError, ScopeWarning
from scope.pool import ModelSpec
from scope.questions import LongPrompts

PRICES = {
    name: ModelSpec(id=name, usd_per_mtok_in=1.0, usd_per_mtok_out=10.0) for name in ("m", "n")
}


def record(**fields):
    return Record(**{"location": "log: 1", "prompt": "1 + 1?", "model": "m", "score": 1.0} | fields)


def tables(tmp_path, *records):
    """Questions and outcomes of some answers."""
    logs = join_records(records, LongPrompts())
    questions, outcomes, sources = write_tables(logs, PRICES, tmp_path)
    rows = [json.loads(line) for line in questions.read_text().splitlines()]
    return rows, pq.read_table(outcomes).to_pylist(), sources


def test_answers_of_two_models_are_joined_by_the_text(tmp_path):
    """
    Space around it is no part of the text.
    """
    (question,), outcomes, _ = tables(
        tmp_path,
        record(gold="2", answer="2"),
        record(model="n", prompt=" 1 + 1?\n", score=0.5, answer="3"),
    )

    assert (question["prompt"], question["gt"]) == ("1 + 1?", "2")
    assert [(row["model"], row["correct"]) for row in outcomes] == [("m", 1.0), ("n", 0.5)]
    assert {row["question_id"] for row in outcomes} == {question["id"]}


def test_repeated_answers_are_one_outcome_with_their_mean(tmp_path):
    answers = [record(score=score, completion_tokens=n) for score, n in ((1, 10), (0, 20), (1, 30))]

    _, (outcome,), _ = tables(tmp_path, *answers)

    assert outcome["correct"] == pytest.approx(2 / 3)
    assert outcome["completion_tokens"] == 20


def test_tokens_times_price_are_the_logged_cost(tmp_path):
    """
    1,000 prompt tokens cost $.001, so that $.051 leaves $.05 for 5,000 completion tokens.
    """
    _, (outcome,), sources = tables(tmp_path, record(prompt_tokens=1_000, cost_usd=0.051))

    assert (outcome["prompt_tokens"], outcome["completion_tokens"]) == (1_000, 5_000)
    assert sources.from_cost == 1


def test_missing_tokens_are_estimated_or_unknown(tmp_path):
    with pytest.warns(ScopeWarning, match="no log has tokens, cost or text of the answers of n;"):
        _, outcomes, sources = tables(tmp_path, record(answer="abc def ghi"), record(model="n"))

    assert [row["completion_tokens"] for row in outcomes] == [4, None]
    assert (sources.counted, sources.unknown) == (1, 1)


def test_two_gold_answers_of_one_question():
    answers = [record(gold="2"), record(model="n", gold="3", location="log: 2")]

    with pytest.raises(FormatError, match="log: 2: the gold answer is '3', in log: 1 it is '2'"):
        join_records(answers, LongPrompts())


def test_two_runs_of_a_model_with_other_settings():
    """
    Other models, and other tasks, may have others.
    """
    answers = [
        record(settings='{"temperature": 0}'),
        record(model="n", settings='{"temperature": 1}'),
        record(source="other", settings='{"temperature": 1}'),
    ]
    join_records(answers, LongPrompts())

    with pytest.raises(FormatError, match=r"m has other settings, .*1}, than in log: 1, .*0}"):
        join_records([*answers, record(settings='{"temperature": 1}')], LongPrompts())


def test_no_graded_answer():
    with pytest.raises(FormatError, match="the logs have no graded answer"):
        join_records([], LongPrompts())
