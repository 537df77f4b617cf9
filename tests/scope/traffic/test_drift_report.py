from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from scope.traffic.drift_report import ScoredMeans, report_drift
from scope.traffic.scored_predictions import ScoredPrediction, ScoredPredictions
from tests.factories.scored_logs import CHANGE, write_scored_log

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def answers(scores, model="small", p_correct=0.5, step=timedelta(hours=12)):
    """One answer after the other."""
    return [
        ScoredPrediction(MONDAY + n * step, model, p_correct, score, None, None)
        for n, score in enumerate(scores)
    ]


def test_means_have_an_interval():
    """
    Fifty of a hundred right: Wilson's interval is 0.404 to 0.596, less the predicted 0.7.
    """
    means = ScoredMeans.of(np.full(100, 0.7), np.repeat([1.0, 0.0], 50))

    assert (means.n, means.predicted, means.scored) == (100, pytest.approx(0.7), 0.5)
    assert means.low == pytest.approx(-0.296, abs=1e-3)
    assert means.high == pytest.approx(-0.104, abs=1e-3)


def test_weeks_are_those_of_iso_8601():
    """
    A Sunday belongs to the week that began on the Monday before it; the last days of 2026 are in
    week 53.
    """
    days = [datetime(2026, 11, 22, 23, tzinfo=UTC), datetime(2027, 1, 3, tzinfo=UTC)]
    scores = [ScoredPrediction(day, "small", 0.5, 1.0, None, None) for day in days]

    report = report_drift(scores, (None, None))

    assert [week.week for week in report.weeks] == ["2026-W47", "2026-W53"]


def test_a_region_of_its_own_is_a_stream():
    """
    A model that is seen in one region only has no second stream for it.
    """
    both = answers([1, 0, 1], "small") + answers([1, 1], "large")

    report = report_drift(both, ("law", "physics", None, "law", "law"))

    streams = [(s.model, s.region, s.means.n) for s in report.streams]
    assert streams == [
        ("large", None, 2),
        ("small", None, 3),
        ("small", "law", 1),
        ("small", "physics", 1),
    ]


def test_a_model_that_fails_is_told_with_date_and_numbers():
    """
    Right half of the time for 20 days, then never, at p 0.5.
    """
    scores = [n % 2 if n < 40 else 0 for n in range(100)]

    report = report_drift(answers(scores), (None,) * 100)

    [alarm] = report.alarms
    assert alarm.sentence() == (
        "small answers worse than predicted since 2026-12-06: predicted 0.50, scored 0.00 (n 60)"
    )
    assert alarm.to_json()["alarm"]["since"] == "2026-12-06T00:00:00+00:00"


def test_a_model_that_became_better_is_told_too():
    """
    Its price was too low for what it is worth: a bank that is fitted again routes more to it.
    """
    [alarm] = report_drift(answers([1] * 100), ("law",) * 100).alarms

    assert "small answers better than predicted since 2026-11-16" in alarm.sentence()


def test_a_degraded_model_is_found_in_a_simulated_log(tmp_path):
    """
    Two thousand requests; one of two models falls by 30 points in the distribution of the anchors.
    The date is known within a week.
    """
    scored = ScoredPredictions.read(write_scored_log(tmp_path, drop=0.3))

    alarms = report_drift(scored.answers, scored.regions()).alarms

    assert {(a.model, a.region) for a in alarms} >= {("small", "in distribution")}
    assert {a.model for a in alarms} == {"small"}
    assert all(abs(a.since - CHANGE) < timedelta(weeks=1) for a in alarms)
    assert all(a.raised > CHANGE for a in alarms)


def test_a_log_as_predicted_raises_no_alarm(tmp_path):
    """
    The same log without the fall.
    """
    scored = ScoredPredictions.read(write_scored_log(tmp_path, drop=0.0))

    assert not report_drift(scored.answers, scored.regions()).alarms
