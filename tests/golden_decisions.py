"""The numbers that `test_golden_decisions` pins; ``python -m tests.golden_decisions OUTPUT``.

Made from the embedded bank and 50 of the embedded questions, as ``scope eval`` does it,
without Ray. A change that is meant to change no number leaves the golden file alone.
"""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, Predictions, load_bank
from scope.bank.bank import Bank
from scope.evaluation.evaluation import evaluate, predict_test_set
from scope.evaluation.test_set import EvaluationSet
from scope.routing.metrics import RoutingScore
from scope.routing.prediction_set import PredictionSet
from scope.routing.route import Objective, route
from tests.factories.banks import rows_of

STEP, N_QUESTIONS = 24, 50
"""Every `STEP`-th labelled question, the first `N_QUESTIONS` of them."""

TARGETS = {
    **{f"alpha {alpha}": Objective(alpha=alpha) for alpha in (0.0, 0.25, 0.5, 0.75, 1.0)},
    **{f"budget {usd} USD": Objective(budget_usd=usd) for usd in (0.01, 0.1)},
    **{f"min quality {p}": Objective(min_quality=p) for p in (0.5, 0.9)},
    "max cost 0.0005 USD": Objective(max_cost_usd=0.0005),
}
"""What is asked of the router, by the name of its decisions in the golden file."""


@dataclass(frozen=True, slots=True)
class Case:
    """A bank, labelled questions put to it, and what is predicted for them."""

    bank: Bank
    exam: EvaluationSet
    predictions: Predictions


def sample_case():
    """The embedded bank and some of the embedded questions, predicted on one thread."""
    return _case(slice(None, STEP * N_QUESTIONS, STEP))


def estimates_json(case):
    """Every predicted number by field, one row a question, one column a model."""
    columns = case.predictions.estimates.to_columns()
    return {name: _plain(value_qm) for name, value_qm in columns.items()}


def decision_json(case, target):
    """What one target comes to: the model of every question, the plan, what it really got."""
    routing = route(
        PredictionSet(case.predictions, case.bank.models, case.bank.reference, None), target
    )
    decisions = routing.decisions()
    return {
        "selected_model": [one["selected_model"] for one in decisions],
        "satisfied": [one["satisfied"] for one in decisions],
        "trade_off": _known(routing.settings.get("trade_off", math.nan)),
        "planned": _score(routing.planned()),
        "realised": _score(case.exam.truth.score_choices(routing.choices)),
    }


def evaluation_json():
    """The headline numbers of ``scope eval`` on all embedded questions: ours, each baseline."""
    case = _case(slice(None))
    evaluation = evaluate(case.bank, case.exam, case.predictions)
    return [_headline(evaluation.standing(one.name), one) for one in evaluation.quality]


def golden():
    """The whole content of the golden file."""
    case = sample_case()
    return {
        "question_id": list(case.predictions.question_ids),
        "model": list(case.predictions.models),
        "estimates": estimates_json(case),
        "decisions": {name: decision_json(case, target) for name, target in TARGETS.items()},
        "evaluation": evaluation_json(),
    }


def _case(rows):
    bank, questions = load_bank(EMBEDDED_BANK), rows_of(load_bank(EMBEDDED_QUESTIONS), rows)
    exam = EvaluationSet.from_banks(bank, questions)
    with threadpool_limits(1):
        return Case(bank, exam, predict_test_set(bank, exam))


def _headline(standing, quality):
    pooled = quality.pooled
    numbers = {
        "area": standing.area.value,
        "area_low": standing.area.low,
        "area_high": standing.area.high,
        "oracle_gap_closed": standing.oracle_gap_closed.value,
        "mean_auc": quality.mean_auc.value,
        "brier": pooled.brier.value,
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
    """The number with all its digits; null where it is unknown or infinite."""
    return float(value) if math.isfinite(value) else None


def main(output):
    """Write the golden file."""
    text = json.dumps(golden(), separators=(",", ":"), allow_nan=False)
    Path(output).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
