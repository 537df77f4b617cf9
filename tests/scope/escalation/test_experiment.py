import json
from dataclasses import replace

import numpy as np
import pytest

from scope.errors import EvaluationError
from scope.escalation import escalation_table, measure_escalation
from scope.evaluation.test_set import EvaluationSet
from scope.report.evaluation import predict_test_set
from tests.factories.banks import labelled_pair


def with_telling_lengths(bank):
    """The small model's reply is short where it is right and long where it is wrong."""
    tokens = bank.outcomes.completion_tokens_am.copy()
    tokens[:, 0] = np.where(bank.outcomes.correct_am[:, 0] == 1, 50.0, 200.0)
    return replace(bank, outcomes=replace(bank.outcomes, completion_tokens_am=tokens))


def blind(bank):
    """The bank with embeddings that do not know the kind of a question."""
    noise = np.random.default_rng(1).standard_normal(bank.embedding_ad.shape)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return replace(bank, embedding_ad=noise.astype(np.float32))


def measured(bank, questions):
    test_set = EvaluationSet.from_banks(bank, questions)
    return measure_escalation(bank, test_set, predict_test_set(bank, test_set))


@pytest.fixture(scope="module")
def result():
    """No forecast knows when the small model is right; the length of its reply does."""
    bank, questions = labelled_pair(200, 120)
    return measured(*(with_telling_lengths(blind(part)) for part in (bank, questions)))


def test_a_reply_that_tells_all_is_worth_a_second_call(result):
    """
    AUC from chance to 1, and about half of the way to the oracle, which pays one call alone.
    """
    small = next(reply for reply in result.replies if reply.model == "small")

    assert small.auc_before.value < 0.65
    assert small.auc_after.value > 0.95
    assert result.difference.low > 0.3
    assert result.escalated.value > 0.4
    assert 0.1 < result.second_calls < 0.9


def test_lengths_that_tell_nothing_gain_nothing():
    """
    Every reply has 100 tokens: the interval of the difference contains 0.
    """
    got = measured(*(blind(part) for part in labelled_pair(200, 120)))

    assert got.difference.low <= 0 <= got.difference.high
    assert all(reply.auc_after.value < 0.65 for reply in got.replies)


def test_the_numbers_are_json_and_the_table_has_them(result):
    """
    Models by how often they are asked first.
    """
    facts = json.loads(json.dumps(result.to_json(), allow_nan=False))
    shares = [reply["asked_first"] for reply in facts["replies"]]
    table = escalation_table(result)

    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)
    assert "learned on 200 anchors, judged on 120 questions" in table.title
    assert table.rows[2][0].text == "difference, points"


def test_a_model_without_a_forecast_is_refused():
    """
    There is nothing to compare a second call with.
    """
    bank, questions = labelled_pair()
    test_set = EvaluationSet.from_banks(bank, questions)
    predictions = predict_test_set(bank, test_set)
    value = predictions.estimates.p_correct.value_qm.copy()
    value[0, 0] = np.nan
    unknown = replace(
        predictions.estimates, p_correct=predictions.estimates.p_correct._replace(value_qm=value)
    )

    with pytest.raises(EvaluationError, match="--escalate needs a forecast of every model"):
        measure_escalation(bank, test_set, replace(predictions, estimates=unknown))
