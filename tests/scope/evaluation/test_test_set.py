from dataclasses import replace

import numpy as np
import pytest

from scope.embedding.spec import EmbedderSpec
from scope.errors import EmbedderMismatchError, EvaluationError
from scope.evaluation.test_set import EvaluationSet
from tests.factories.banks import LARGE, SMALL, labelled_pair, rows_of, with_correct

NAN = np.nan


def gaps(bank, rows, columns):
    """The bank without the outcomes of these cells."""
    correct = bank.outcomes.correct_am.copy()
    correct[rows, columns] = NAN
    return with_correct(bank, correct)


def test_questions_stand_in_the_order_of_their_ids():
    """
    The same questions in another order are the same exam, to the last bit.
    """
    bank, questions = labelled_pair()
    turned = rows_of(questions, slice(None, None, -1))

    first, second = (
        EvaluationSet.from_banks(bank, questions),
        EvaluationSet.from_banks(bank, turned),
    )

    assert first.ids == second.ids == tuple(sorted(questions.ids))
    np.testing.assert_array_equal(first.truth.cost_usd_qm, second.truth.cost_usd_qm)


def test_real_costs_are_at_the_prices_of_the_bank():
    """
    The labelled questions may have been stored at others.
    """
    bank, questions = labelled_pair()
    double = SMALL.model_copy(update={"usd_per_mtok_in": 0.2, "usd_per_mtok_out": 0.4})

    cheap = EvaluationSet.from_banks(bank, questions).truth.cost_usd_qm
    dear = EvaluationSet.from_banks(bank.with_prices((double, LARGE)), questions).truth.cost_usd_qm

    np.testing.assert_allclose(dear, cheap * [2, 1])


def test_what_nobody_measured_is_left_out_not_wrong():
    """
    Two cells of one question, one of another: 38 of 40 questions compare routers.
    """
    bank, questions = labelled_pair()

    exam = EvaluationSet.from_banks(bank, gaps(questions, [3, 3, 5], [0, 1, 1]))

    assert exam.unknown_qm.sum() == 3
    assert exam.complete_q.sum() == 38


def test_unknown_token_counts_leave_a_question_out_as_well():
    """
    An answer whose cost nobody knows cannot be weighed against its price.
    """
    bank, questions = labelled_pair()
    questions.outcomes.completion_tokens_am[7, 0] = NAN

    exam = EvaluationSet.from_banks(bank, questions)

    assert exam.complete_q.sum() == 39
    assert exam.unknown_qm.sum() == 1


@pytest.mark.parametrize(
    ("n_anchors", "n_questions", "message"),
    [
        pytest.param(19, 40, "19 anchors in the bank; at least 20 are needed", id="anchors"),
        pytest.param(40, 29, "29 labelled questions; at least 30 are needed", id="questions"),
    ],
)
def test_too_few_are_refused(n_anchors, n_questions, message):
    """
    Nothing is said about nothing.
    """
    with pytest.raises(EvaluationError, match=message):
        EvaluationSet.from_banks(*labelled_pair(n_anchors, n_questions))


def test_a_model_nobody_measured_is_named():
    """
    In the bank, or among the questions.
    """
    bank, questions = labelled_pair()

    with pytest.raises(EvaluationError, match="'large' has no outcome in the bank; name a --pool"):
        EvaluationSet.from_banks(gaps(bank, slice(None), 1), questions)
    with pytest.raises(EvaluationError, match="'small' has no outcome in the labelled questions"):
        EvaluationSet.from_banks(bank, gaps(questions, slice(None), 0))


def test_a_model_without_token_counts_is_named():
    """
    Its cost is unknown, not zero.
    """
    bank, questions = labelled_pair()
    bank.outcomes.completion_tokens_am[:, 0] = NAN

    with pytest.raises(EvaluationError, match="'small' has no token counts in the bank"):
        EvaluationSet.from_banks(bank, questions)


def test_a_question_that_is_an_anchor_is_named():
    """
    By its id.
    """
    bank, _ = labelled_pair()

    with pytest.raises(EvaluationError, match="question 'a0' is itself an anchor, as are 39 more"):
        EvaluationSet.from_banks(bank, bank)


def test_an_anchor_under_another_name_is_found():
    """
    The same embedding and the same counts of text features.
    """
    bank, questions = labelled_pair()
    questions.embedding_ad[4] = bank.embedding_ad[9]
    questions.features_af[4] = bank.features_af[9]

    with pytest.raises(EvaluationError, match="question 'a44' is anchor 'a9' under another name"):
        EvaluationSet.from_banks(bank, questions)


def test_a_common_beginning_is_no_copy():
    """
    The encoder reads the beginning alone: equal embeddings of texts of other length.
    """
    bank, questions = labelled_pair()
    questions.embedding_ad[4] = bank.embedding_ad[9]

    assert len(EvaluationSet.from_banks(bank, questions).ids) == 40


def test_too_many_gaps_are_refused_with_the_worst_model():
    """
    20 of 40 questions lack the large model.
    """
    bank, questions = labelled_pair()

    with pytest.raises(EvaluationError, match=r"only 20 of 40 .* large lacks most, 20: name a"):
        EvaluationSet.from_banks(bank, gaps(questions, slice(0, 20), 1))


def test_questions_of_another_embedder_are_refused():
    """
    Similarities across embedders mean nothing.
    """
    bank, questions = labelled_pair()
    other = EmbedderSpec(name="other", revision="2", dimension=4)

    with pytest.raises(EmbedderMismatchError, match="the questions by other@2"):
        EvaluationSet.from_banks(bank, replace(questions, embedder=other))
