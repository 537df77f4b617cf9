from dataclasses import replace

import numpy as np

from scope import Choices
from scope.evaluation.evaluation import predict_test_set
from scope.evaluation.export import prediction_entries
from scope.evaluation.test_set import EvaluationSet
from tests.factories.banks import labelled_pair


def entries(questions, bank, model):
    exam = EvaluationSet.from_banks(bank, questions)
    choices = Choices(np.full(len(exam.ids), model), np.ones(len(exam.ids), bool))
    return prediction_entries(exam, predict_test_set(bank, exam), choices), exam


def test_an_entry_has_the_fields_of_router_arena():
    """
    Without stored answers `generated_result` is null, as before its inference.
    """
    bank, questions = labelled_pair()

    got, exam = entries(questions, bank, 1)

    assert got[0] == {
        "global index": exam.ids[0],
        "prompt": None,
        "prediction": "large",
        "generated_result": None,
        "cost": exam.truth.cost_usd_qm[0, 1],
        "accuracy": exam.truth.correct_qm[0, 1],
        "for_optimality": False,
    }
    assert len(got) == 40


def test_prompts_are_written_where_the_bank_has_them():
    """
    In the order of the ids, as everything else.
    """
    bank, questions = labelled_pair()
    questions = replace(questions, prompts=tuple(f"text of {i}" for i in questions.ids))

    got, _ = entries(questions, bank, 0)

    assert all(one["prompt"] == f"text of {one['global index']}" for one in got)


def test_what_is_not_known_is_null():
    """
    A model that never ran on the question, and no model at all.
    """
    bank, questions = labelled_pair()
    questions.outcomes.correct_am[0, 1] = np.nan
    questions.outcomes.completion_tokens_am[0, 1] = np.nan

    unknown = {one["global index"]: one for one in entries(questions, bank, 1)[0]}
    nobody, _ = entries(questions, bank, -1)

    assert unknown[questions.ids[0]]["accuracy"] is unknown[questions.ids[0]]["cost"] is None
    assert nobody[0]["prediction"] is None
