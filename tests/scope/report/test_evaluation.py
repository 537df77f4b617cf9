import json
import math

import numpy as np
import pytest

from scope.baselines.baselines import BASELINES
from scope.errors import EvaluationError
from scope.evaluation.forecast_quality import ALL_MODELS
from scope.evaluation.test_set import EvaluationSet
from scope.report.charts import planned_vs_realised, trade_off
from scope.report.evaluation import MIXTURE, N_STEPS, ORACLE, OURS, evaluate, predict_test_set
from scope.report.export import curves, to_json, to_table
from scope.report.page import to_html
from scope.report.tables import (
    TableCell,
    area_table,
    exclusion_note,
    forecast_table,
    model_table,
)
from scope.report.thresholds import CEILINGS, FLOORS, MetricThreshold, parse_limits
from tests.factories.banks import LARGE, SMALL, labelled_pair, rows_of, with_correct


def evaluated(bank, questions, seed=0):
    labelled = EvaluationSet.from_banks(bank, questions)
    return evaluate(bank, labelled, predict_test_set(bank, labelled), seed=seed)


@pytest.fixture(scope="module")
def evaluation():
    """Two models, one good on one kind of question, 100 anchors, 80 questions."""
    return evaluated(*labelled_pair(100, 80))


def test_all_strategies_are_compared_and_ours_is_first(evaluation):
    """
    Strategies with forecasts, without forecasts, and the bounds.
    """
    names = [row.name for row in evaluation.leaderboard]

    assert names == [
        OURS,
        MIXTURE,
        "best single model",
        "Stage I, published",
        "kNN, tuned",
        "logistic regression",
        "MLP",
        "matrix factorisation",
        "scope, shuffled",
        ORACLE,
    ]
    assert [row.name for row in evaluation.single_models] == ["small", "large"]


def test_routers_that_use_the_question_beat_the_mixture(evaluation):
    """
    The embedding separates the two kinds of questions: every fitted router gains on the
    mixture; our decisions assigned to random questions do not.
    """
    closed = {row.name: row.oracle_gap_closed for row in evaluation.leaderboard}

    for name in (OURS, "kNN, tuned", "logistic regression", "MLP", "matrix factorisation"):
        assert closed[name].low > 0.1, name
    assert closed["scope, shuffled"].value < 0


def test_every_interval_includes_its_value(evaluation):
    """
    All are defined here.
    """
    for row in evaluation.leaderboard:
        for interval in (row.area, row.difference, row.oracle_gap_closed, *row.curve):
            assert interval.low <= interval.value <= interval.high
    for quality in evaluation.quality:
        metrics = quality.pooled
        pooled = (metrics.auc, metrics.log_loss, metrics.ece)
        own = (quality.mean_auc, quality.auc_difference, quality.log_loss_difference)
        own += (quality.difference_r2,)
        for interval in (*own, *pooled):
            assert interval.low <= interval.value <= interval.high


def test_progress_is_reported_n_steps_times():
    """
    The progress bar ends at 100 %.
    """
    bank, questions = labelled_pair()
    labelled, calls = EvaluationSet.from_banks(bank, questions), []

    evaluate(bank, labelled, predict_test_set(bank, labelled), advance=lambda: calls.append(1))

    assert len(calls) == N_STEPS == len(BASELINES) + 1


def test_runs_and_the_order_of_questions_have_no_effect(evaluation):
    """
    On the intervals neither: questions are resampled in the order of their ids.
    """
    bank, questions = labelled_pair(100, 80)

    reversed_order = evaluated(bank, rows_of(questions, slice(None, None, -1)))

    assert to_json(reversed_order) == to_json(evaluation)


def test_another_seed_changes_intervals_only_slightly(evaluation):
    """
    The area of our router does not depend on the seed, its interval does.
    """
    other = evaluated(*labelled_pair(100, 80), seed=1)

    first, second = evaluation.row(OURS).area, other.row(OURS).area
    assert first.value == pytest.approx(second.value)
    assert first.low != second.low
    assert first.low == pytest.approx(second.low, abs=0.03)


def test_unknown_outcomes_are_counted_and_left_out():
    """
    Five cells of five questions: routers are compared on the other 35; the forecasts are
    scored on every known cell.
    """
    bank, questions = labelled_pair()
    correct = questions.outcomes.correct_am.copy()
    correct[:5, 1] = np.nan

    got = evaluated(bank, with_correct(questions, correct))

    assert (got.n_questions, got.n_left_out, got.n_unknown_cells) == (35, 5, 5)
    assert got.quality[0].pooled.n == 75
    assert exclusion_note(got).startswith("5 more questions are left out")


def test_a_bank_with_missing_outcomes_can_be_evaluated():
    """
    The models are measured on different anchors.
    """
    bank, questions = labelled_pair(80, 40)
    correct = bank.outcomes.correct_am.copy()
    correct[::2, 0] = correct[1::4, 1] = np.nan

    got = evaluated(with_correct(bank, correct), questions)

    assert all(math.isfinite(row.area.value) for row in got.leaderboard)


def test_a_model_that_is_always_correct_has_no_auc():
    """
    The table has a reason instead of a number; the mean is over the other models.
    """
    bank, questions = labelled_pair()
    correct = questions.outcomes.correct_am.copy()
    correct[:, 1] = 1

    got = evaluated(bank, with_correct(questions, correct))

    quality = to_json(got)["quality"][0]
    assert quality["by_model"]["large"]["auc"] == {"value": None, "low": None, "high": None}
    assert quality["by_model"]["large"]["note"] == "no AUC: all 40 answers are correct"
    assert quality["mean_auc"] == quality["by_model"]["small"]["auc"]
    assert "no AUC: all 40 answers are correct" in str(model_table(got))


def test_free_models_can_be_evaluated():
    """
    A cost of 0 has no logarithm: neither a table nor a chart raises.
    """
    free = SMALL.model_copy(update={"usd_per_mtok_in": 0.0, "usd_per_mtok_out": 0.0})
    bank, questions = labelled_pair()

    one_free = evaluated(bank.with_prices((free, LARGE)), questions)
    all_free = evaluated(
        bank.with_prices((free, free.model_copy(update={"id": "large"}))), questions
    )

    assert one_free.row(OURS).area.value > 0.5
    assert "<svg" in trade_off(one_free)
    assert "<svg" in planned_vs_realised(all_free)


def test_the_json_is_valid(evaluation):
    """
    Without NaN; every strategy has its area with an interval.
    """
    numbers = to_json(evaluation)

    text = json.dumps(numbers, allow_nan=False)

    assert json.loads(text) == numbers
    assert set(numbers["leaderboard"][1]["area"]) == {"value", "low", "high"}
    assert numbers["quality"][0]["lengths"][ALL_MODELS]["tokens"]["value"] >= 0


def test_the_table_has_the_same_numbers(evaluation):
    """
    One row for each number, with a unique table, name, budget or model, and metric.
    """
    rows = to_table(evaluation).to_pylist()

    areas = {r["name"]: r["value"] for r in rows if r["metric"] == "area"}
    assert areas[OURS] == evaluation.row(OURS).area.value
    assert {r["table"] for r in rows} == {
        "leaderboard",
        "single_models",
        "planned_costs",
        "quality",
    }
    assert {r["metric"] for r in rows if r["low"] is None and r["value"] is not None} == {
        "n",
        "planned_accuracy",
        "planned_usd_per_1k",
        "bill_ratio",
    }
    keys = [(r["table"], r["name"], r["at"], r["metric"]) for r in rows]
    assert len(set(keys)) == len(keys)


def test_curves_have_a_row_for_each_budget(evaluation):
    """
    200 budgets for each strategy.
    """
    table = curves(evaluation)

    assert table.num_rows == 200 * len(evaluation.leaderboard)
    assert table["accuracy"].null_count == 0


def test_the_page_loads_nothing_and_escapes_names():
    """
    It has no external resource, and the name of a model is text, not markup.
    """
    markup = SMALL.model_copy(update={"id": "<script>alert(1)</script>"})

    page = to_html(evaluated(*labelled_pair(models=(markup, LARGE))))

    assert page.count("<svg") == 4
    assert "<script>" not in page
    assert not any(f'{word}="http' in page for word in ("src", "href"))
    assert "@import" not in page


def test_our_own_row_has_no_difference(evaluation):
    """
    A dash stands in its place.
    """
    assert area_table(evaluation).rows[0][2].text == "–"
    assert [forecast_table(evaluation).rows[0][column].text for column in (2, 4)] == ["–", "–"]


def test_cells_of_the_forecast_table_have_a_number_and_its_uncertainty(evaluation):
    """
    Half the width of the interval; for the calibration error, whose interval is not
    symmetric, its ends.
    """
    row = forecast_table(evaluation).rows[1]
    quality = evaluation.quality[1]

    gap, ece = quality.auc_difference, quality.pooled.ece
    assert row[2] == TableCell(f"{gap.value:+.3f}", f"± {(gap.high - gap.low) / 2:.3f}")
    assert row[-1] == TableCell(f"{ece.value:.3f}", f"{ece.low:.3f} to {ece.high:.3f}")


@pytest.mark.parametrize("metric", [*FLOORS, *CEILINGS])
def test_every_threshold_can_be_met_and_violated(evaluation, metric):
    """
    A low floor is met and a high one violated; for a ceiling it is the reverse.
    """
    low, high = MetricThreshold(metric, -1e6), MetricThreshold(metric, 1e6)
    met, violated = (low, high) if low.is_floor else (high, low)

    assert met.violation(evaluation) == ""
    assert violated.violation(evaluation).startswith(f"{metric} is ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("aera=1", "'aera=1' names no known metric; floors are area, ", id="typo"),
        pytest.param("auc", "'auc' has no number; expected auc=NUMBER", id="no number"),
        pytest.param("auc=nan", "'auc=nan' has no number", id="NaN"),
        pytest.param("auc=high", "'auc=high' has no number", id="a word"),
    ],
)
def test_an_invalid_threshold_is_rejected(text, message):
    """
    The message says what is allowed.
    """
    with pytest.raises(EvaluationError, match=message):
        parse_limits([text])
