import json
import math

import numpy as np
import pytest

from scope.errors import EvaluationError
from scope.evaluation.baselines import BASELINES
from scope.evaluation.charts import planned_vs_realised, trade_off
from scope.evaluation.evaluation import MIX, N_STEPS, ORACLE, OURS, evaluate, predict_test_set
from scope.evaluation.export import curves, to_json, to_table
from scope.evaluation.forecast_quality import ALL_MODELS
from scope.evaluation.report import to_html
from scope.evaluation.tables import TableCell, area_table, forecast_table, headline, model_table
from scope.evaluation.test_set import EvaluationSet
from scope.evaluation.thresholds import CEILINGS, FLOORS, MetricThreshold, parse_limits
from tests.factories.banks import LARGE, SMALL, labelled_pair, rows_of, with_correct


def evaluated(bank, questions, seed=0):
    exam = EvaluationSet.from_banks(bank, questions)
    return evaluate(bank, exam, predict_test_set(bank, exam), seed=seed)


@pytest.fixture(scope="module")
def evaluation():
    """Two models, one good on one kind of question, 100 anchors, 80 questions."""
    return evaluated(*labelled_pair(100, 80))


def test_everybody_is_there_and_ours_is_first(evaluation):
    """
    Who forecasts, who needs no forecast, and the bounds.
    """
    names = [one.name for one in evaluation.leaderboard]

    assert names == [
        OURS,
        MIX,
        "single models",
        "random model",
        "Stage I, published",
        "kNN, tuned",
        "logistic regression",
        "MLP",
        "matrix factorisation",
        "scope, shuffled",
        ORACLE,
    ]
    assert [one.name for one in evaluation.single_models] == ["small", "large", "random model"]


def test_who_sees_the_kind_of_question_beats_who_does_not(evaluation):
    """
    It shows in the embedding: every router that learns gains on the mix, dealing our
    decisions at random does not.
    """
    gain = {one.name: one.oracle_gap_closed for one in evaluation.leaderboard}

    for name in (OURS, "kNN, tuned", "logistic regression", "MLP", "matrix factorisation"):
        assert gain[name].low > 0.1, name
    assert gain["scope, shuffled"].value < 0


def test_every_interval_holds_its_value(evaluation):
    """
    Wherever one is defined.
    """
    for one in evaluation.leaderboard:
        for interval in (one.area, one.difference, one.oracle_gap_closed, *one.curve):
            assert interval.low <= interval.value <= interval.high
    for one in evaluation.quality:
        pooled = (one.pooled.auc, one.pooled.brier, one.pooled.log_loss, one.pooled.ece)
        for interval in (one.mean_auc, one.ours_minus_auc, one.ours_minus_log_loss, *pooled):
            assert interval.low <= interval.value <= interval.high


def test_progress_is_told_as_often_as_promised():
    """
    So that a bar ends where it should.
    """
    bank, questions = labelled_pair()
    exam, calls = EvaluationSet.from_banks(bank, questions), []

    evaluate(bank, exam, predict_test_set(bank, exam), advance=lambda: calls.append(1))

    assert len(calls) == N_STEPS == len(BASELINES) + 1


def test_the_order_of_questions_and_the_run_change_nothing(evaluation):
    """
    Not even the intervals: questions are drawn in the order of their ids.
    """
    bank, questions = labelled_pair(100, 80)

    turned = evaluated(bank, rows_of(questions, slice(None, None, -1)))

    assert to_json(turned) == to_json(evaluation)


def test_another_seed_moves_intervals_only_a_little(evaluation):
    """
    The area of our router does not depend on it, its interval does.
    """
    other = evaluated(*labelled_pair(100, 80), seed=1)

    first, second = evaluation.standing(OURS).area, other.standing(OURS).area
    assert first.value == pytest.approx(second.value)
    assert first.low != second.low
    assert first.low == pytest.approx(second.low, abs=0.03)


def test_unknown_outcomes_are_counted_and_left_out():
    """
    Five cells of five questions: 35 compare routers; the forecasts are measured on
    every cell that is known.
    """
    bank, questions = labelled_pair()
    correct = questions.outcomes.correct_am.copy()
    correct[:5, 1] = np.nan

    got = evaluated(bank, with_correct(questions, correct))

    assert (got.n_questions, got.n_left_out, got.n_unknown_cells) == (35, 5, 5)
    assert got.quality[0].pooled.n == 75
    assert headline(got).startswith("5 more questions are left out")


def test_a_bank_with_holes_can_be_examined():
    """
    Models measured on different halves of the anchors.
    """
    bank, questions = labelled_pair(80, 40)
    correct = bank.outcomes.correct_am.copy()
    correct[::2, 0] = correct[1::4, 1] = np.nan

    got = evaluated(with_correct(bank, correct), questions)

    assert all(math.isfinite(one.area.value) for one in got.leaderboard)


def test_a_model_that_is_always_right_has_no_auc():
    """
    n/a and a reason, no number; the mean is over the models that have one.
    """
    bank, questions = labelled_pair()
    correct = questions.outcomes.correct_am.copy()
    correct[:, 1] = 1

    got = evaluated(bank, with_correct(questions, correct))

    quality = to_json(got)["quality"][0]
    assert quality["by_model"]["large"]["auc"] == {"value": None, "low": None, "high": None}
    assert quality["by_model"]["large"]["note"] == "no AUC: all 40 answers are right"
    assert quality["mean_auc"] == quality["by_model"]["small"]["auc"]
    assert "no AUC: all 40 answers are right" in str(model_table(got))


def test_free_models_are_no_obstacle():
    """
    A cost of 0 has no logarithm: neither table nor picture falls over it.
    """
    free = SMALL.model_copy(update={"usd_per_mtok_in": 0.0, "usd_per_mtok_out": 0.0})
    bank, questions = labelled_pair()

    some = evaluated(bank.with_prices((free, LARGE)), questions)
    none = evaluated(bank.with_prices((free, free.model_copy(update={"id": "large"}))), questions)

    assert some.standing(OURS).area.value > 0.5
    assert "<svg" in trade_off(some)
    assert "<svg" in planned_vs_realised(none)


def test_the_json_is_plain(evaluation):
    """
    No NaN in it, every way to choose with its area and interval.
    """
    numbers = to_json(evaluation)

    text = json.dumps(numbers, allow_nan=False)

    assert json.loads(text) == numbers
    assert set(numbers["leaderboard"][1]["area"]) == {"value", "low", "high"}
    assert numbers["quality"][0]["lengths"][ALL_MODELS]["tokens"]["value"] >= 0


def test_the_rows_hold_the_same_numbers(evaluation):
    """
    One row for each number, found by table, name and metric.
    """
    rows = to_table(evaluation).to_pylist()

    areas = {r["name"]: r["value"] for r in rows if r["metric"] == "area"}
    assert areas[OURS] == evaluation.standing(OURS).area.value
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
    }
    keys = [(r["table"], r["name"], r["at"], r["metric"]) for r in rows]
    assert len(set(keys)) == len(keys)


def test_curves_have_a_row_for_each_budget(evaluation):
    """
    200 budgets of each way to choose.
    """
    table = curves(evaluation)

    assert table.num_rows == 200 * len(evaluation.leaderboard)
    assert table["accuracy"].null_count == 0


def test_the_page_fetches_nothing_and_trusts_nobody():
    """
    No address is loaded, and a model's name is text, not markup.
    """
    evil = SMALL.model_copy(update={"id": "<script>alert(1)</script>"})

    page = to_html(evaluated(*labelled_pair(models=(evil, LARGE))))

    assert page.count("<svg") == 5
    assert "<script>" not in page
    assert not any(f'{word}="http' in page for word in ("src", "href"))
    assert "@import" not in page


def test_the_table_shows_no_difference_from_itself(evaluation):
    """
    A dash in our own row.
    """
    assert area_table(evaluation).rows[0][2].text == "–"
    assert [forecast_table(evaluation).rows[0][place].text for place in (2, 4)] == ["–", "–"]


def test_the_forecasts_stand_above_their_uncertainty(evaluation):
    """
    Half the width of an interval, but the ends of the calibration error's: below it lies
    more than above.
    """
    row = forecast_table(evaluation).rows[1]
    quality = evaluation.quality[1]

    gap, ece = quality.ours_minus_auc, quality.pooled.ece
    assert row[2] == TableCell(f"{gap.value:+.3f}", f"± {(gap.high - gap.low) / 2:.3f}")
    assert row[-1] == TableCell(f"{ece.value:.3f}", f"{ece.low:.3f} to {ece.high:.3f}")


@pytest.mark.parametrize("metric", [*FLOORS, *CEILINGS])
def test_every_limit_can_be_kept_and_broken(evaluation, metric):
    """
    A floor far below is kept, far above broken; a ceiling the other way round.
    """
    low, high = MetricThreshold(metric, -1e6), MetricThreshold(metric, 1e6)
    kept, broken = (low, high) if low.is_floor else (high, low)

    assert kept.violation(evaluation) == ""
    assert broken.violation(evaluation).startswith(f"{metric} is ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("aera=1", "'aera=1' names no known metric; floors are area, ", id="typo"),
        pytest.param("auc", "'auc' has no number; expected auc=NUMBER", id="no number"),
        pytest.param("auc=nan", "'auc=nan' has no number", id="NaN"),
        pytest.param("auc=high", "'auc=high' has no number", id="a word"),
    ],
)
def test_a_limit_that_says_nothing_is_refused(text, message):
    """
    One sentence, with what is allowed.
    """
    with pytest.raises(EvaluationError, match=message):
        parse_limits([text])
