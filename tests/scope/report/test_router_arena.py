from dataclasses import replace

import numpy as np

from scope import Choices
from scope.evaluation.test_set import EvaluationSet
from scope.report.evaluation import predict_test_set
from scope.report.export import prediction_entries
from tests.factories.banks import labelled_pair


def entries(questions, bank, model):
    labelled = EvaluationSet.from_banks(bank, questions)
    choices = Choices(np.full(len(labelled.ids), model), np.ones(len(labelled.ids), bool))
    return prediction_entries(labelled, predict_test_set(bank, labelled), choices), labelled


def test_an_entry_has_the_fields_of_router_arena():
    """
    A bank stores no answers: `generated_result` is null.
    """
    bank, questions = labelled_pair()

    got, labelled = entries(questions, bank, 1)

    assert got[0] == {
        "global index": labelled.ids[0],
        "prompt": None,
        "prediction": "large",
        "generated_result": None,
        "cost": labelled.truth.cost_usd_qm[0, 1],
        "accuracy": labelled.truth.correct_qm[0, 1],
        "for_optimality": False,
    }
    assert len(got) == 40


def test_prompts_are_written_where_the_bank_has_them():
    """
    In the order of the ids.
    """
    bank, questions = labelled_pair()
    questions = replace(questions, prompts=tuple(f"text of {i}" for i in questions.ids))

    got, _ = entries(questions, bank, 0)

    assert all(entry["prompt"] == f"text of {entry['global index']}" for entry in got)


def test_unknown_values_are_null():
    """
    A model that was not measured on the question, and a question without a model.
    """
    bank, questions = labelled_pair()
    questions.outcomes.correct_am[0, 1] = np.nan
    questions.outcomes.completion_tokens_am[0, 1] = np.nan

    unmeasured = {entry["global index"]: entry for entry in entries(questions, bank, 1)[0]}
    no_model, _ = entries(questions, bank, -1)

    first = unmeasured[questions.ids[0]]
    assert first["accuracy"] is first["cost"] is None
    assert no_model[0]["prediction"] is None
