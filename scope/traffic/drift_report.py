"""Predicted probabilities beside scores: by week, by model and region, and what has drifted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from scope.arrays import BoolArray, FloatArray
from scope.traffic.drift import (
    FALSE_ALARM_RATE,
    TOLERANCE,
    find_alarm,
    log_threshold,
)
from scope.traffic.scored_predictions import ScoredPrediction

Z_95 = 1.96
"""Half the width of a 95 % interval, in standard errors."""


class ScoredMeans(NamedTuple):
    """Means over some scored answers.

    Attributes
    ----------
    n : int
    predicted, scored : float
        Mean p and mean score.
    low, high : float
        95 % interval of ``scored - predicted``: Wilson's of the mean score, which is exact enough
        for right and wrong and wider than needed for grades.
    """

    n: int
    predicted: float
    scored: float
    low: float
    high: float

    @classmethod
    def of(cls, p_correct_n: FloatArray, score_n: FloatArray) -> "ScoredMeans":
        """Return the means over at least one answer."""
        n, predicted, scored = len(score_n), float(p_correct_n.mean()), float(score_n.mean())
        shrink = 1 + Z_95**2 / n
        centre = (scored + Z_95**2 / (2 * n)) / shrink
        half = Z_95 / shrink * math.sqrt(scored * (1 - scored) / n + Z_95**2 / (4 * n**2))
        return cls(n, predicted, scored, centre - half - predicted, centre + half - predicted)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers."""
        return {**self._asdict(), "difference": self.scored - self.predicted}


@dataclass(frozen=True, slots=True)
class StreamDrift:
    """The scores of one model, or of one model in one region.

    Attributes
    ----------
    model : str
    region : str or None
        None: all.
    means : ScoredMeans
    log_evidence : float
        Of a drift: at the alarm, else at the last score.
    since, raised : datetime or None
        Of the alarm: the first score of the change, as estimated, and the score that raised it.
    drifted : ScoredMeans or None
        From `since` on.
    """

    model: str
    region: str | None
    means: ScoredMeans
    log_evidence: float
    since: datetime | None
    raised: datetime | None
    drifted: ScoredMeans | None

    def sentence(self) -> str:
        """Return what an alarm says."""
        assert self.since is not None
        assert self.drifted is not None
        where = "" if self.region is None else f" ({self.region})"
        side = "worse" if self.drifted.scored < self.drifted.predicted else "better"
        return (
            f"{self.model}{where} answers {side} than predicted since {self.since:%Y-%m-%d}: "
            f"predicted {self.drifted.predicted:.2f}, scored {self.drifted.scored:.2f} "
            f"(n {self.drifted.n:,})"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the stream as JSON values."""
        return {
            "model": self.model,
            "region": self.region,
            **self.means.to_json(),
            "log_evidence": self.log_evidence,
            "alarm": None
            if self.drifted is None or self.since is None or self.raised is None
            else {
                "since": self.since.isoformat(),
                "raised": self.raised.isoformat(),
                **self.drifted.to_json(),
            },
        }


class WeekMeans(NamedTuple):
    """Scores of one ISO week (UTC), as ``2026-W47``, of a model, in a region or in all (None)."""

    week: str
    model: str
    region: str | None
    means: ScoredMeans

    def to_json(self) -> dict[str, Any]:
        """Return the week as JSON values."""
        names = {"week": self.week, "model": self.model, "region": self.region}
        return {**names, **self.means.to_json()}


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What `report_drift` found."""

    streams: tuple[StreamDrift, ...]
    weeks: tuple[WeekMeans, ...]

    @property
    def alarms(self) -> tuple[StreamDrift, ...]:
        """The streams that have drifted."""
        return tuple(stream for stream in self.streams if stream.drifted is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "false_alarm_rate": FALSE_ALARM_RATE,
            "tolerance": TOLERANCE,
            "log_threshold": log_threshold(len(self.streams)),
            "n_alarms": len(self.alarms),
            "streams": [stream.to_json() for stream in self.streams],
            "weeks": [week.to_json() for week in self.weeks],
        }


def report_drift(answers: Sequence[ScoredPrediction], regions: Sequence[str | None]) -> DriftReport:
    """Test every model, and every model in every region, against its predictions.

    The false-alarm rate is that of all these streams together. It holds for a log that grows and is
    tested again and again, as long as the log keeps its begin and gets no further streams.

    Parameters
    ----------
    answers : sequence of ScoredPrediction
        In the order of their scores; at least one.
    regions : sequence of (str or None)
        Of the prompts; None where it is unknown. A model with one region has no stream for it.
    """
    p_n = np.array([answer.p_correct for answer in answers])
    score_n = np.array([answer.score for answer in answers])
    model_n, region_n = np.array([a.model for a in answers]), np.array(regions, dtype=object)
    week_n = np.array([_iso_week(answer.time) for answer in answers])
    members = dict[tuple[str, str | None], BoolArray]()
    for model in np.unique(model_n).tolist():
        members[model, None] = model_n == model
        known = sorted({region for region in region_n[model_n == model] if region is not None})
        for region in known if len(known) > 1 else []:
            members[model, region] = (model_n == model) & (region_n == region)
    streams, weeks = list[StreamDrift](), list[WeekMeans]()
    for (model, region), member_n in members.items():
        rows = np.flatnonzero(member_n)
        times = [answers[row].time for row in rows]
        streams.append(_test(model, region, times, p_n[rows], score_n[rows], len(members)))
        for week in np.unique(week_n[rows]).tolist():
            of_week = rows[week_n[rows] == week]
            means = ScoredMeans.of(p_n[of_week], score_n[of_week])
            weeks.append(WeekMeans(week, model, region, means))
    return DriftReport(tuple(streams), tuple(weeks))


def _test(
    model: str,
    region: str | None,
    times: Sequence[datetime],
    p_n: FloatArray,
    score_n: FloatArray,
    n_streams: int,
) -> StreamDrift:
    """Test one stream of `n_streams`."""
    means = ScoredMeans.of(p_n, score_n)
    alarm, log_evidence = find_alarm(p_n, score_n, log_threshold(n_streams))
    if alarm is None:
        return StreamDrift(model, region, means, log_evidence, None, None, None)
    since, raised = times[alarm.since], times[alarm.raised]
    drifted = ScoredMeans.of(p_n[alarm.since :], score_n[alarm.since :])
    return StreamDrift(model, region, means, log_evidence, since, raised, drifted)


def _iso_week(time: datetime) -> str:
    year, week, _ = time.isocalendar()
    return f"{year}-W{week:02d}"
