"""Metrics of a cluster at two moments: rates, shares and quantiles in between."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

PREFIXES = ("ray_scope_", "ray_serve_")
NOT_OURS = frozenset({"Component", "NodeAddress", "SessionName", "Version", "WorkerId"})
"""Labels that Ray adds and that identify no series of ours."""

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class MetricSamples:
    """The values of all series of Serve and of ours, over all nodes, at one moment.

    Attributes
    ----------
    at_s : float
        Monotonic time of the scrape.
    values : mapping
        Series (name without ``ray_``, labels) -> value.
    silent : tuple of str
        Why a node's metrics are missing, one sentence for each.
    """

    at_s: float
    values: Mapping[tuple[str, Labels], float] = field(default_factory=dict, repr=False)
    silent: tuple[str, ...] = ()

    def series(self, name: str, **wanted: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series of a metric with these labels."""
        return [
            (dict(labels), value)
            for (known, labels), value in self.values.items()
            if known == name and wanted.items() <= dict(labels).items()
        ]

    def total(self, name: str, **wanted: str) -> float | None:
        """Return the sum over the series of a metric; None where there is none."""
        values = [value for _, value in self.series(name, **wanted)]
        return math.fsum(values) if values else None


def parse_metrics(texts: Iterable[str]) -> dict[tuple[str, Labels], float]:
    """Return the series of Serve and of ours in texts of Prometheus' format.

    Labels that only name the process that exports a series are kept, so that two replicas never
    fall together.
    """
    values: dict[tuple[str, Labels], float] = {}
    for text in texts:
        # Nine tenths of a node's metrics are Ray's own; parsing them would take a second.
        lines = (line for line in text.splitlines() if line.startswith(PREFIXES))
        for family in text_string_to_metric_families("\n".join(lines)):
            for sample in family.samples:
                labels = frozenset(
                    (name, value)
                    for name, value in sample.labels.items()
                    if name not in NOT_OURS and not name.startswith("otel_")
                )
                key = sample.name.removeprefix("ray_"), labels
                values[key] = values.get(key, 0.0) + sample.value
    return values


@dataclass(frozen=True, slots=True)
class MetricInterval:
    """What happened between two scrapes.

    A series that is new counts from 0, unless a node was silent before; one that fell was restarted
    and counts from 0 as well; one that is gone, as its replica, counts no more.
    """

    before: MetricSamples
    after: MetricSamples

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.after.at_s - self.before.at_s

    def increases(self, name: str, **wanted: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and increase of each series of a counter."""
        rows = []
        for labels, value in self.after.series(name, **wanted):
            known = self.before.values.get((name, frozenset(labels.items())))
            if known is None and self.before.silent:
                continue  # it may have counted for hours on a node that did not answer
            start = 0.0 if known is None or value < known else known
            rows.append((labels, value - start))
        return rows

    def increase(
        self, name: str, keep: Callable[[Mapping[str, str]], bool] = lambda _: True
    ) -> float | None:
        """Return the increase of a counter over the series to keep; None where there is none."""
        rows = self.increases(name)
        return math.fsum(more for labels, more in rows if keep(labels)) if rows else None

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """Return the increase of a counter by the values of one label, those above 0."""
        sums: dict[str, float] = {}
        for labels, more in self.increases(name):
            value = labels.get(label, "")
            sums[value] = sums.get(value, 0.0) + more
        return {value: more for value, more in sums.items() if more > 0}

    def quantiles(self, name: str, levels: tuple[float, ...]) -> tuple[float | None, ...]:
        """Return quantiles of a histogram over the interval; None where nothing was observed."""
        buckets: dict[float, float] = {}
        for labels, more in self.increases(f"{name}_bucket"):
            bound = float(labels.get("le", "nan"))
            buckets[bound] = buckets.get(bound, 0.0) + more
        return tuple(histogram_quantile(buckets, level) for level in levels)


def histogram_quantile(buckets: Mapping[float, float], level: float) -> float | None:
    """Return a quantile of a histogram, linear within its bucket, as Prometheus computes it.

    Parameters
    ----------
    buckets : mapping of float to float
        Upper bound -> number of observations at or below it; the last bound is infinite.
    level : float
        In [0, 1].

    Returns
    -------
    float or None
        None without observations. In the last bucket the highest finite bound: the true value
        is above it.

    Examples
    --------
    >>> histogram_quantile({10.0: 5, 20.0: 9, float("inf"): 10}, 0.5)
    10.0
    >>> histogram_quantile({10.0: 5, 20.0: 9, float("inf"): 10}, 0.7)
    15.0
    """
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] <= 0:
        return None
    rank = level * buckets[bounds[-1]]
    lower, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank and buckets[bound] > below:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (rank - below) / (buckets[bound] - below)
        lower, below = bound, buckets[bound]
    return lower
