"""The results file of the published router, and its budget rule on ground truth."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from scope.arrays import FloatArray, Int16Array
from scope.errors import ConfigError, FormatError
from scope.reference.formats import Selection
from scope.reference.two_stage import TwoStage
from scope.routing import finite_or_none

N_ALPHAS = 101
"""Points of the alpha grid that the published router searches."""


class SelectionGroundTruth:
    """Real outcomes of the routed questions, laid out as in `TwoStage`; NaN where unknown."""

    def __init__(self, selection: Selection, routed: TwoStage) -> None:
        index = {question_id: q for q, question_id in enumerate(routed.question_ids)}
        shape = routed.model_qm.shape
        self.correct_qm, self.cost_usd_qm = np.full(shape, np.nan), np.full(shape, np.nan)
        self.agrees_qm = np.full(shape, np.nan)
        for question in selection.questions:
            if question.id not in index:
                continue
            for m, prediction in enumerate(question.predictions):
                if prediction.true_correct is None or prediction.true_cost is None:
                    continue
                cell = index[question.id], m
                predicted = {"yes": True, "no": False}.get(prediction.correctness)
                self.correct_qm[cell] = prediction.true_correct
                self.cost_usd_qm[cell] = prediction.true_cost
                self.agrees_qm[cell] = predicted is prediction.true_correct

    def totals(self, index_q: Int16Array) -> tuple[float, float]:
        """Return accuracy and total cost in USD of the chosen entries; NaN if one is unknown."""
        return float(_pick(self.correct_qm, index_q).mean()), _total(
            _pick(self.cost_usd_qm, index_q)
        )

    def agreement(self) -> float:
        """Return the share of predictions that were right; NaN if no outcome is known."""
        known_qm = ~np.isnan(self.agrees_qm)
        return float(self.agrees_qm[known_qm].mean()) if known_qm.any() else float("nan")


def published_results(
    routed: TwoStage,
    truth: SelectionGroundTruth,
    *,
    method: str,
    dataset: str | None,
    alpha: float | None = None,
    budget_usd: float | None = None,
    n_alphas: int = N_ALPHAS,
) -> dict[str, Any]:
    """Return the content of the results file of the published router.

    With an alpha: ``method, dataset, alpha, config, result``. With a budget: ``method, dataset,
    budget, optimal_alpha, config, result, pareto_curve``. With neither: ``method, dataset,
    config, pareto_curve, best_accuracy, lowest_cost``. What depends on an unknown outcome is
    null, where the published code counts it as a wrong answer for 0 USD.

    Parameters
    ----------
    routed : TwoStage
    truth : SelectionGroundTruth
    method : str
        As the selection file has it.
    dataset : str or None
        Published data set that the anchors come from; None for other anchors.
    alpha, budget_usd : float, optional
        Not both. For a budget the grid is searched on the ground truth of the questions routed:
        the most accurate alpha whose real cost fits, the lowest at a tie; the cheapest if none
        fits. That is an evaluation oracle: it needs the answers before the questions are sent.
    n_alphas : int
        Points of the grid from 0 to 1, at least 2.

    Raises
    ------
    ConfigError
        If alpha or budget is out of range.
    FormatError
        If there is a budget and the ground truth of a choice is unknown.
    """
    head = {"method": method, "dataset": dataset}
    config = {"config": asdict(routed.config)}
    if alpha is not None:
        return {**head, "alpha": alpha, **config, "result": routing_result(routed, truth, alpha)}
    curve = pareto_curve(routed, truth, n_alphas)
    if budget_usd is None:
        return {
            **head,
            **config,
            "pareto_curve": curve,
            "best_accuracy": _known(max, [point["accuracy"] for point in curve]),
            "lowest_cost": _known(min, [point["total_cost"] for point in curve]),
        }
    best = optimal_alpha(curve, budget_usd)
    return {
        **head,
        "budget": budget_usd,
        "optimal_alpha": best,
        **config,
        "result": routing_result(routed, truth, best),
        "pareto_curve": curve,
    }


def routing_result(routed: TwoStage, truth: SelectionGroundTruth, alpha: float) -> dict[str, Any]:
    """Return the decisions at one alpha and their realised accuracy and cost."""
    index_aq, score_aq = routed.sweep([alpha])
    index_q = index_aq[0]
    accuracy, cost_usd = truth.totals(index_q)
    chosen = [routed.models[m] for m in _pick(routed.model_qm, index_q)]
    correct_q = _pick(truth.correct_qm, index_q).tolist()
    cost_usd_q = _pick(truth.cost_usd_qm, index_q).tolist()
    rows = zip(
        routed.question_ids, chosen, score_aq[0].tolist(), correct_q, cost_usd_q, strict=True
    )
    return {
        "alpha": alpha,
        "total_questions": len(chosen),
        "accuracy": finite_or_none(accuracy),
        "total_cost": finite_or_none(cost_usd),
        "average_cost": finite_or_none(cost_usd / len(chosen)),
        "prediction_accuracy": finite_or_none(truth.agreement()),
        "model_distribution": {model: chosen.count(model) for model in dict.fromkeys(chosen)},
        "routing_decisions": [
            {
                "question_id": question_id,
                "selected_model": model,
                "score": score,
                "ground_truth_correct": None if np.isnan(correct) else correct == 1,
                "cost": finite_or_none(cost),
            }
            for question_id, model, score, correct, cost in rows
        ],
    }


def pareto_curve(
    routed: TwoStage, truth: SelectionGroundTruth, n_alphas: int
) -> list[dict[str, float | None]]:
    """Return realised accuracy and cost at `n_alphas` evenly spaced alphas; null where unknown."""
    alphas = [step / (n_alphas - 1) for step in range(n_alphas)]
    index_aq, _ = routed.sweep(alphas)
    totals = [truth.totals(index_q) for index_q in index_aq]
    return [
        {
            "alpha": alpha,
            "accuracy": finite_or_none(accuracy),
            "total_cost": finite_or_none(cost_usd),
            "average_cost": finite_or_none(cost_usd / len(routed.question_ids)),
        }
        for alpha, (accuracy, cost_usd) in zip(alphas, totals, strict=True)
    ]


def optimal_alpha(curve: Sequence[dict[str, Any]], budget_usd: float) -> float:
    """Return the alpha of the most accurate point within the budget, else of the cheapest."""
    if not budget_usd >= 0:
        raise ConfigError(f"budget is {budget_usd} USD; expected at least 0")
    if any(point["total_cost"] is None for point in curve):
        raise FormatError(
            "the selection has no ground truth for some choices; with policy two_stage a budget "
            "needs all of it, --policy expected_value plans a budget on predictions"
        )
    fitting = [point for point in curve if point["total_cost"] <= budget_usd]
    if fitting:
        best = max(fitting, key=lambda point: point["accuracy"])
    else:
        best = min(curve, key=lambda point: point["total_cost"])
    return float(best["alpha"])


def _known(extreme: Any, values: list[float | None]) -> float | None:  # noqa: ANN401 (min or max)
    known = [value for value in values if value is not None]
    return extreme(known) if known else None


def _pick(values_qm: Any, index_q: Int16Array) -> Any:  # noqa: ANN401 (any dtype in, the same out)
    return np.take_along_axis(values_qm, index_q[:, None], axis=1)[:, 0]


def _total(cost_usd_q: FloatArray) -> float:
    # One by one, as the published code adds: its budgets compare such sums.
    return float(sum(cost_usd_q.tolist()))
