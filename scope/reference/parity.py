"""Routing results in the reference's form, and its budget rule on ground truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scope.arrays import FloatArray, Int16Array
from scope.errors import ConfigError, FormatError
from scope.reference.formats import Selection
from scope.reference.two_stage import TwoStage
from scope.routing import finite_or_none

ORACLE_ALPHAS = tuple(step / 100 for step in range(101))
"""The grid on which the reference looks for a budget's alpha."""


class SelectionGroundTruth:
    """What really happened to the routed questions, laid out as in `TwoStage`; NaN if unknown."""

    def __init__(self, selection: Selection, routed: TwoStage) -> None:
        place = {question_id: q for q, question_id in enumerate(routed.question_ids)}
        shape = routed.model_qs.shape
        self.correct_qs, self.cost_usd_qs = np.full(shape, np.nan), np.full(shape, np.nan)
        self.agrees_qs = np.full(shape, np.nan)
        for question in selection:
            if question.id not in place:
                continue
            for s, prediction in enumerate(question.predictions):
                if prediction.true_correct is None or prediction.true_cost is None:
                    continue
                cell = place[question.id], s
                said = {"yes": True, "no": False}.get(prediction.correctness)
                self.correct_qs[cell] = prediction.true_correct
                self.cost_usd_qs[cell] = prediction.true_cost
                self.agrees_qs[cell] = said is prediction.true_correct

    def totals(self, place_q: Int16Array) -> tuple[float, float]:
        """Return accuracy and total cost in USD of the chosen places; NaN if one is unknown."""
        return float(_at(self.correct_qs, place_q).mean()), _total(_at(self.cost_usd_qs, place_q))

    def agreement(self) -> float:
        """Return the share of predictions that came true; NaN if nothing is known."""
        known_qs = ~np.isnan(self.agrees_qs)
        return float(self.agrees_qs[known_qs].mean()) if known_qs.any() else float("nan")


def routing_results(
    routed: TwoStage, truth: SelectionGroundTruth, alphas: Sequence[float]
) -> list[dict[str, Any]]:
    """Return one result in the reference's form for each alpha."""
    place_aq, score_aq = routed.sweep(alphas)
    return [
        _result(routed, truth, alpha, place_q, score_q)
        for alpha, place_q, score_q in zip(alphas, place_aq, score_aq, strict=True)
    ]


def oracle_budgets(
    routed: TwoStage, truth: SelectionGroundTruth, budgets_usd: Sequence[float]
) -> dict[str, dict[str, Any]]:
    """Pick an alpha for each budget on the ground truth of the questions routed.

    Of 101 alphas the most accurate whose real cost fits, the lowest at a tie;
    the cheapest if none fits. An evaluation oracle, not a usable controller: it
    needs the answers before the questions are asked.

    Raises
    ------
    FormatError
        If the ground truth of a choice is not known.
    """
    place_aq, _ = routed.sweep(ORACLE_ALPHAS)
    totals = [truth.totals(place_q) for place_q in place_aq]
    if budgets_usd and np.isnan(totals).any():
        raise FormatError(
            "the selection has no ground truth for some choices; --budget-oracle needs all of it, "
            "use --policy expected_value --budget to plan on predictions"
        )
    return {str(float(budget)): _oracle(totals, budget) for budget in budgets_usd}


def _oracle(totals: Sequence[tuple[float, float]], budget_usd: float) -> dict[str, Any]:
    if not budget_usd >= 0:
        raise ConfigError(f"budget is {budget_usd} USD; expected at least 0")
    fitting = [a for a, (_, cost) in enumerate(totals) if cost <= budget_usd]
    if fitting:
        best = max(fitting, key=lambda a: (totals[a][0], -a))
    else:
        best = min(range(len(totals)), key=lambda a: totals[a][1])
    accuracy, cost_usd = totals[best]
    return {
        "feasible": bool(fitting),
        "optimal_alpha": ORACLE_ALPHAS[best],
        "accuracy": accuracy,
        "total_cost": cost_usd,
    }


def _result(
    routed: TwoStage,
    truth: SelectionGroundTruth,
    alpha: float,
    place_q: Int16Array,
    score_q: FloatArray,
) -> dict[str, Any]:
    accuracy, cost_usd = truth.totals(place_q)
    chosen = [routed.models[m] for m in _at(routed.model_qs, place_q)]
    decisions = zip(routed.question_ids, chosen, score_q.tolist(), strict=True)
    return {
        "alpha": alpha,
        "total_questions": len(chosen),
        "accuracy": finite_or_none(accuracy),
        "total_cost": finite_or_none(cost_usd),
        "average_cost": finite_or_none(cost_usd / len(chosen)),
        "prediction_accuracy": finite_or_none(truth.agreement()),
        "model_distribution": {model: chosen.count(model) for model in dict.fromkeys(chosen)},
        "routing_decisions": [
            {"question_id": question_id, "selected_model": model, "score": score}
            for question_id, model, score in decisions
        ],
    }


def _at(values_qs: Any, place_q: Int16Array) -> Any:  # noqa: ANN401 (any dtype in, the same out)
    return np.take_along_axis(values_qs, place_q[:, None], axis=1)[:, 0]


def _total(cost_usd_q: FloatArray) -> float:
    # One by one, as the reference adds: its budgets compare such sums.
    return float(sum(cost_usd_q.tolist()))
