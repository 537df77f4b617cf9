"""Decisions for a set of questions: their reasons, their score, and the routing file."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scope.policy import Choices
from scope.predictions import Predictions
from scope.routing.frontier import PlannedAndRealised, planned_score
from scope.routing.metrics import GroundTruth, RoutingScore, finite_or_none, score_json
from scope.storage import atomic_file, stream_json_array


@dataclass(frozen=True, slots=True)
class RoutingSummary:
    """Summary of decisions: the content of a routing file except the decisions.

    Attributes
    ----------
    policy, settings, overshoot_usd, bill_ratio
        As in a `RoutingResult`.
    models : tuple of str
        The eligible models.
    n_questions : int
    distribution : dict of str to int
        Number of questions of each chosen model, most first; questions without a model are
        not counted.
    planned : RoutingScore
        Its cost is the sum of the forecasts times `bill_ratio`.
    realised : RoutingScore or None
        None without outcomes.
    prediction_accuracy : float
        Share of the (question, model) pairs with a known outcome where p >= 0.5 agrees with it;
        NaN if there is none.
    """

    policy: str
    settings: dict[str, float]
    overshoot_usd: float
    models: tuple[str, ...]
    n_questions: int
    distribution: dict[str, int]
    planned: RoutingScore
    realised: RoutingScore | None
    prediction_accuracy: float
    bill_ratio: float = 1.0
    pareto_curve: list[dict[str, float | None]] | None = None
    """Realised accuracy and cost at each alpha, as the published file has them; None: no curve."""
    assumed: tuple[str, ...] = ()
    """Eligible arms whose worth of several samples is a prior, not fitted to samples."""

    @classmethod
    def from_routings(
        cls, routings: Iterable[tuple["RoutingResult", GroundTruth | None]]
    ) -> "RoutingSummary":
        """Summarise the routings of one policy on several sets of questions."""
        scores, counts, n_questions = PlannedAndRealised(), Counter[int](), 0
        n_agreeing = n_known = 0
        for routing, truth in routings:
            scores.add(routing.predictions, routing.choices, truth)
            if truth is not None:
                p_qm, correct_qm = routing.predictions.estimates.p_correct_qm, truth.correct_qm
                known_qm = ~np.isnan(p_qm + correct_qm)
                n_known += int(known_qm.sum())
                n_agreeing += int(((p_qm >= 0.5) == (correct_qm >= 0.5))[known_qm].sum())
            counts.update(routing.choices.model_q.tolist())
            n_questions += len(routing.predictions.question_ids)
        models = routing.predictions.models
        ranked = sorted(((n, m) for m, n in counts.items() if m >= 0), reverse=True)
        return cls(
            routing.policy,
            routing.settings,
            routing.overshoot_usd,
            models,
            n_questions,
            {models[m]: n for n, m in ranked},
            scores.planned.scale_cost(routing.bill_ratio),
            scores.realised,
            n_agreeing / n_known if n_known else math.nan,
            routing.bill_ratio,
        )

    def to_json(self, decisions: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """Return a routing file: the keys of the published results file, and ours beside them.

        `accuracy`, `total_cost`, `average_cost` and `prediction_accuracy` are computed from
        outcomes; null where none is known. `optimal_alpha` is the alpha whose trade-off the
        budget bought; null if the bank has no alpha scale.
        """
        realised = self.realised
        settings = {name: finite_or_none(value) for name, value in self.settings.items()}
        if "budget_usd" in settings:
            alpha = settings.get("optimal_alpha")
            objective = {"budget": settings["budget_usd"], "optimal_alpha": alpha}
        else:
            alpha = settings.get("alpha")
            objective = {"alpha": alpha}
        result = {
            "alpha": alpha,
            "total_questions": self.n_questions,
            "accuracy": realised and finite_or_none(realised.accuracy),
            "total_cost": realised and finite_or_none(realised.cost_usd),
            "average_cost": realised and finite_or_none(realised.usd_per_1k / 1000),
            "prediction_accuracy": finite_or_none(self.prediction_accuracy),
            "model_distribution": self.distribution,
            "routing_decisions": list(decisions),
        }
        return {
            "method": self.policy,
            "dataset": None,
            **objective,
            "policy": self.policy,
            "settings": settings,
            "models": list(self.models),
            "planned": score_json(self.planned),
            "realised": realised and score_json(realised),
            "bill_ratio": self.bill_ratio,
            "overshoot_usd": self.overshoot_usd,
            **({"assumed": list(self.assumed)} if self.assumed else {}),
            **({} if self.pareto_curve is None else {"pareto_curve": self.pareto_curve}),
            "result": result,
        }

    def write(self, path: Path, decisions: Iterable[dict[str, Any]]) -> None:
        """Write a routing file atomically, one decision a line, as they are produced."""
        opening, closing = json.dumps(self.to_json(), indent=1, allow_nan=False).rsplit("[]", 1)
        with (
            atomic_file(path) as draft,
            stream_json_array(draft, f"{opening}[", f"\n  ]{closing}\n") as append,
        ):
            for decision in decisions:
                append(decision)


SCORE_COLUMNS = ("p_correct", "cost_usd")
"""Estimates needed to choose and to score."""

DECISION_COLUMNS = ("p_correct", "p_low", "p_high", "cost_usd", "completion_tokens")
"""Estimates in a decision of a routing file."""


@dataclass(frozen=True, slots=True)
class RoutingResult:
    """Decisions of one policy on one set of questions.

    Attributes
    ----------
    policy : str
        Name of the policy.
    settings : dict of str to float
        Alpha, budget_usd, min_quality or max_cost_usd, and the resulting
        trade_off.
    predictions : Predictions
        Of the eligible models.
    choices : Choices
    overshoot_usd : float
        Excess of the plan over the budget; 0 without a budget.
    has_means : bool
        Whether all questions have the mean estimates of the models.
    bill_ratio : float
        Real over planned bill at the alpha of the policy, as anchors show it; 1 if they do not,
        or the policy has no alpha.
    """

    policy: str
    settings: dict[str, float]
    predictions: Predictions
    choices: Choices
    overshoot_usd: float = 0.0
    has_means: bool = False
    bill_ratio: float = 1.0

    def planned(self) -> RoutingScore:
        """Return the expected accuracy and cost, the sum of the forecasts times `bill_ratio`."""
        return planned_score(self.predictions, self.choices).scale_cost(self.bill_ratio)

    def summary(self, truth: GroundTruth | None = None) -> RoutingSummary:
        """Return the summary of the decisions."""
        return RoutingSummary.from_routings([(self, truth)])

    def decisions(self, truth: GroundTruth | None = None) -> list[dict[str, Any]]:
        """Return one JSON object a question; unknown is null.

        `ground_truth_correct` and `cost` are the outcome of the chosen model, of `truth`; the
        other numbers are predictions.
        """
        return [self._decision(q, truth) for q in range(len(self.predictions.question_ids))]

    def explain(self, q: int) -> str:
        """Return the reason for the choice on question `q`, in one line."""
        m = int(self.choices.model_q[q])
        if m < 0:
            return "no permitted model has an estimate for this question"
        e, names = self.predictions.estimates, self.predictions.models
        p, cost = e.p_correct_qm[q, m], e.cost_usd_qm[q, m]
        low, high = e.p_correct.low_qm[q, m], e.p_correct.high_qm[q, m]
        interval = "" if math.isnan(low + high) else f" ({low:.2f}–{high:.2f})"
        name = "mean p" if self.has_means else "p"
        text = f"{name} {p:.2f}{interval} for {format_usd(cost)}"
        if not self.choices.satisfied_q[q]:
            text += "; no permitted model meets the target"
        better = self._next_better(q, m)
        if better is None:
            return text + "; no model has a higher probability"
        gain, extra = e.p_correct_qm[q, better] - p, e.cost_usd_qm[q, better] - cost
        return text + f"; {names[better]} would add {gain:.2f} for {format_usd(extra)} more"

    def _decision(self, q: int, truth: GroundTruth | None) -> dict[str, Any]:
        m = int(self.choices.model_q[q])
        columns = self.predictions.estimates.to_columns()
        numbers = {
            name: finite_or_none(columns[name][q, m]) if m >= 0 else None
            for name in DECISION_COLUMNS
        }
        correct = cost = math.nan
        if truth is not None and m >= 0:
            correct, cost = truth.correct_qm[q, m], truth.cost_usd_qm[q, m]
        return {
            "question_id": self.predictions.question_ids[q],
            "selected_model": self.predictions.models[m] if m >= 0 else None,
            "score": numbers["p_correct"],
            "ground_truth_correct": None if math.isnan(correct) else bool(correct >= 0.5),
            "cost": finite_or_none(cost),
            **numbers,
            "satisfied": bool(self.choices.satisfied_q[q]),
            "reason": self.explain(q),
        }

    def _next_better(self, q: int, m: int) -> int | None:
        """Return the model of higher probability that gains most per USD; None if there is none."""
        e = self.predictions.estimates
        gain_m = e.p_correct_qm[q] - e.p_correct_qm[q, m]
        extra_m = e.cost_usd_qm[q] - e.cost_usd_qm[q, m]
        step_m = (gain_m > 0) & (extra_m > 0)
        if not step_m.any():
            return None
        slope_m = np.divide(gain_m, extra_m, out=np.full_like(gain_m, -np.inf), where=step_m)
        return int(np.argmax(slope_m))


def format_usd(value: float) -> str:
    """Return an amount with three significant digits.

    Examples
    --------
    >>> format_usd(0.0000372), format_usd(12.5)
    ('$0.0000372', '$12.5')
    """
    if value == 0 or not math.isfinite(value):
        return f"${value:g}"
    digits = max(2 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:.{digits}f}"
    return "$" + (text.rstrip("0").rstrip(".") if "." in text else text)
