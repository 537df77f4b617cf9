"""Write the golden file of `test_golden_decisions`: ``python -m tests.golden_decisions OUTPUT``.

It has predictions and decisions of the embedded bank for 50 of the embedded questions, and
the metrics of ``scope eval`` on all of them, without Ray. A refactoring does not change it.
"""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_info, threadpool_limits

from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, Predictions, load_bank
from scope.bank.bank import Bank
from scope.evaluation.test_set import EvaluationSet
from scope.report.evaluation import evaluate, predict_test_set
from scope.routing.metrics import RoutingScore
from scope.routing.prediction_set import PredictionSet
from scope.routing.route import Objective, route
from tests.factories.banks import rows_of

STEP, N_QUESTIONS = 24, 50
"""The first `N_QUESTIONS` of every `STEP`-th labelled question."""

TARGETS = {
    **{f"alpha {alpha}": Objective(alpha=alpha) for alpha in (0.0, 0.25, 0.5, 0.75, 1.0)},
    **{f"budget {usd} USD": Objective(budget_usd=usd) for usd in (0.01, 0.1)},
    **{f"min quality {p}": Objective(min_quality=p) for p in (0.5, 0.9)},
    "max cost 0.0005 USD": Objective(max_cost_usd=0.0005),
}
"""Objectives of the router by the name of their decisions in the golden file."""


@dataclass(frozen=True, slots=True)
class Case:
    """A bank, labelled questions, and the predictions for them."""

    bank: Bank
    labelled: EvaluationSet
    predictions: Predictions


def blas_architecture():
    """Return the CPU architecture for which numpy's OpenBLAS has chosen its kernels."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return next(blas["architecture"] for blas in libraries if "numpy" in blas["filepath"])


def sample_case():
    """Return the embedded bank and a sample of the embedded questions, predicted on one thread."""
    return _case(slice(None, STEP * N_QUESTIONS, STEP))


def estimates_json(case):
    """Return every estimate by field, one row per question, one column per model."""
    columns = case.predictions.estimates.to_columns()
    return {name: _plain(value_qm) for name, value_qm in columns.items()}


def decision_json(case, target):
    """Return the decisions for one objective, and their planned and realised scores."""
    routing = route(
        PredictionSet(case.predictions, case.bank.models, case.bank.reference, None), target
    )
    decisions = routing.decisions()
    return {
        "selected_model": [decision["selected_model"] for decision in decisions],
        "satisfied": [decision["satisfied"] for decision in decisions],
        "trade_off": _known(routing.settings.get("trade_off", math.nan)),
        "planned": _score(routing.planned()),
        "realised": _score(case.labelled.truth.score_choices(routing.choices)),
    }


def evaluation_json():
    """Return the metrics of ``scope eval`` on all embedded questions, by router, ours first."""
    case = _case(slice(None))
    evaluation = evaluate(case.bank, case.labelled, case.predictions)
    return [_metrics(evaluation.row(quality.name), quality) for quality in evaluation.quality]


def golden():
    """Return the content of the golden file."""
    case = sample_case()
    return {
        "blas_architecture": blas_architecture(),
        "question_id": list(case.predictions.question_ids),
        "model": list(case.predictions.models),
        "estimates": estimates_json(case),
        "decisions": {name: decision_json(case, target) for name, target in TARGETS.items()},
        "evaluation": evaluation_json(),
    }


def _case(rows):
    bank, questions = load_bank(EMBEDDED_BANK), rows_of(load_bank(EMBEDDED_QUESTIONS), rows)
    labelled = EvaluationSet.from_banks(bank, questions)
    with threadpool_limits(1):
        return Case(bank, labelled, predict_test_set(bank, labelled))


def _metrics(row, quality):
    pooled = quality.pooled
    numbers = {
        "area": row.area.value,
        "area_low": row.area.low,
        "area_high": row.area.high,
        "oracle_gap_closed": row.oracle_gap_closed.value,
        "mean_auc": quality.mean_auc.value,
        "difference_r2": quality.difference_r2.value,
        "log_loss": pooled.log_loss.value,
        "ece": pooled.ece.value,
    }
    return {"name": quality.name, **{key: _known(value) for key, value in numbers.items()}}


def _score(score: RoutingScore):
    return {
        "accuracy": _known(score.accuracy),
        "standard_error": _known(score.standard_error),
        "cost_usd": _known(score.cost_usd),
        "n_questions": score.n_questions,
    }


def _plain(values_qm):
    return [[_known(value) for value in row] for row in values_qm.tolist()]


def _known(value):
    """Return the number with all digits; None if it is unknown or infinite."""
    return float(value) if math.isfinite(value) else None


def main(output):
    """Write the golden file."""
    text = json.dumps(golden(), separators=(",", ":"), allow_nan=False)
    Path(output).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
