from dataclasses import replace

import numpy as np
import pytest

from scope.embedding.spec import EmbedderSpec
from scope.errors import EmbedderMismatchError, EvaluationError
from scope.evaluation.test_set import EvaluationSet
from scope.predictor.reference_population import fit_bank
from scope.predictor.second_encoder import fit_second_encoder
from tests.factories.banks import LARGE, SMALL, labelled_pair, rows_of, with_correct
from tests.factories.second_encoders import second_kinds

NAN = np.nan


def without_outcomes(bank, rows, columns):
    """The bank without the outcomes of these cells."""
    correct = bank.outcomes.correct_am.copy()
    correct[rows, columns] = NAN
    return with_correct(bank, correct)


def test_questions_are_sorted_by_id():
    """
    The same questions in another order give the same arrays, bit by bit.
    """
    bank, questions = labelled_pair()
    reversed_order = rows_of(questions, slice(None, None, -1))

    first, second = (
        EvaluationSet.from_banks(bank, questions),
        EvaluationSet.from_banks(bank, reversed_order),
    )

    assert first.ids == second.ids == tuple(sorted(questions.ids))
    np.testing.assert_array_equal(first.truth.cost_usd_qm, second.truth.cost_usd_qm)


def test_true_costs_are_at_the_prices_of_the_bank():
    """
    The prices stored with the labelled questions are not used.
    """
    bank, questions = labelled_pair()
    double = SMALL.model_copy(update={"usd_per_mtok_in": 0.2, "usd_per_mtok_out": 0.4})

    single = EvaluationSet.from_banks(bank, questions).truth.cost_usd_qm
    doubled = EvaluationSet.from_banks(
        bank.with_prices((double, LARGE)), questions
    ).truth.cost_usd_qm

    np.testing.assert_allclose(doubled, single * [2, 1])


def test_unmeasured_questions_are_left_out_not_wrong():
    """
    Two cells of one question, one of another: routers are compared on 38 of 40 questions.
    """
    bank, questions = labelled_pair()

    labelled = EvaluationSet.from_banks(bank, without_outcomes(questions, [3, 3, 5], [0, 1, 1]))

    assert labelled.unknown_qm.sum() == 3
    assert labelled.complete_q.sum() == 38


def test_questions_with_unknown_token_counts_are_left_out():
    """
    The cost of such an answer is unknown.
    """
    bank, questions = labelled_pair()
    questions.outcomes.completion_tokens_am[7, 0] = NAN

    labelled = EvaluationSet.from_banks(bank, questions)

    assert labelled.complete_q.sum() == 39
    assert labelled.unknown_qm.sum() == 1


@pytest.mark.parametrize(
    ("n_anchors", "n_questions", "message"),
    [
        pytest.param(19, 40, "19 anchors in the bank; at least 20 are needed", id="anchors"),
        pytest.param(40, 29, "29 labelled questions; at least 30 are needed", id="questions"),
    ],
)
def test_too_few_anchors_or_questions_are_rejected(n_anchors, n_questions, message):
    """
    The message has the number and the minimum.
    """
    with pytest.raises(EvaluationError, match=message):
        EvaluationSet.from_banks(*labelled_pair(n_anchors, n_questions))


def test_the_error_names_a_model_without_outcomes():
    """
    In the bank, or in the labelled questions.
    """
    bank, questions = labelled_pair()

    with pytest.raises(EvaluationError, match="'large' has no outcome in the bank; name a --pool"):
        EvaluationSet.from_banks(without_outcomes(bank, slice(None), 1), questions)
    with pytest.raises(EvaluationError, match="'small' has no outcome in the labelled questions"):
        EvaluationSet.from_banks(bank, without_outcomes(questions, slice(None), 0))


def test_the_error_names_a_model_without_token_counts():
    """
    Its cost is unknown, not zero.
    """
    bank, questions = labelled_pair()
    bank.outcomes.completion_tokens_am[:, 0] = NAN

    with pytest.raises(EvaluationError, match="'small' has no token counts in the bank"):
        EvaluationSet.from_banks(bank, questions)


def test_the_error_names_a_question_that_is_an_anchor():
    """
    Found by its id.
    """
    bank, _ = labelled_pair()

    with pytest.raises(EvaluationError, match="question 'a0' is itself an anchor, as are 39 more"):
        EvaluationSet.from_banks(bank, bank)


def test_an_anchor_under_another_id_is_found():
    """
    It has the same embedding and the same text features.
    """
    bank, questions = labelled_pair()
    questions.embedding_ad[4] = bank.embedding_ad[9]
    questions.features_af[4] = bank.features_af[9]

    with pytest.raises(EvaluationError, match="question 'a44' is anchor 'a9' under another id"):
        EvaluationSet.from_banks(bank, questions)


def test_questions_with_a_common_beginning_are_not_equal():
    """
    The encoder reads only the beginning: texts of other length have equal embeddings.
    """
    bank, questions = labelled_pair()
    questions.embedding_ad[4] = bank.embedding_ad[9]

    assert len(EvaluationSet.from_banks(bank, questions).ids) == 40


def test_the_error_names_the_model_that_lacks_most_outcomes():
    """
    20 of 40 questions have no outcome of the large model.
    """
    bank, questions = labelled_pair()

    with pytest.raises(EvaluationError, match=r"only 20 of 40 .* large lacks most, 20: name a"):
        EvaluationSet.from_banks(bank, without_outcomes(questions, slice(0, 20), 1))


def test_questions_of_another_embedder_are_rejected():
    """
    Similarities across embedders have no meaning.
    """
    bank, questions = labelled_pair()
    other = EmbedderSpec(name="other", revision="2", dimension=4)

    with pytest.raises(EmbedderMismatchError, match="the questions by other@2"):
        EvaluationSet.from_banks(bank, replace(questions, embedder=other))


def test_questions_need_the_second_vectors_that_the_bank_predicts_with():
    """
    A bank that does not use its second encoder reads the vectors of the first alone.
    """
    bank, questions = fit_bank(second_kinds(60)), second_kinds(60, seed=1)
    renamed = replace(questions, ids=tuple(f"q{q}" for q in range(60)))
    both, _ = fit_second_encoder(bank)

    test_set = EvaluationSet.from_banks(both, renamed)

    np.testing.assert_array_equal(
        test_set.second_qy, renamed.second_vectors(np.argsort(np.array(renamed.ids)))
    )
    assert EvaluationSet.from_banks(bank, replace(renamed, second=None)).second_qy is None
    with pytest.raises(EmbedderMismatchError, match=r"second second@1 layer 2 .*questions by none"):
        EvaluationSet.from_banks(both, replace(renamed, second=None))
