"""RouterArena's prediction files: a list with one entry a question."""

from typing import Any

from scope.exam import TestSet
from scope.metrics import finite_or_none
from scope.policy import Choices
from scope.predictions import Predictions


def prediction_entries(
    exam: TestSet, predictions: Predictions, choices: Choices
) -> list[dict[str, Any]]:
    """Return decisions in the form of RouterArena's ``router_inference/predictions``.

    `generated_result` is null, as in a file that its inference has not filled yet: a
    bank keeps outcomes, no answers. `cost` (USD) and `accuracy` are what the chosen
    model's stored outcome says, null where it was never run; `prompt` is null in a
    bank without texts.

    Parameters
    ----------
    exam : TestSet
    predictions : Predictions
        For the questions of the exam, in its order.
    choices : Choices
    """
    correct_q = choices.pick(exam.truth.correct_qm)
    cost_usd_q = choices.pick(exam.truth.cost_usd_qm)
    return [
        {
            "global index": question_id,
            "prompt": exam.prompts[q] if exam.prompts else None,
            "prediction": predictions.models[m] if m >= 0 else None,
            "generated_result": None,
            "cost": finite_or_none(cost_usd_q[q]),
            "accuracy": finite_or_none(correct_q[q]),
            "for_optimality": False,
        }
        for q, (question_id, m) in enumerate(zip(exam.ids, choices.model_q.tolist(), strict=True))
    ]
