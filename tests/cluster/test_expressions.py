from deployments.telemetry.definitions import COUNTERS, GAUGES, STAGES
from tests.cluster.expressions import expressions, metrics_of, named_metrics

EXPORTED = (
    {f"ray_{name}" for name in (*COUNTERS, *GAUGES)}
    | {f"ray_scope_{stage}_latency_ms_bucket" for stage in STAGES}
)  # fmt: skip
NOT_DRAWN = {
    "ray_scope_samples_total": "only arms with several samples have any",
    "ray_scope_reasoner_queries_total": "only an application with a reasoner has any",
}
"""Our metrics that neither a panel nor a rule reads, and why."""


def test_metrics_are_found_in_an_expression():
    """
    Not functions, labels or recorded series.
    """
    expression = (
        'sum by (le) (rate(ray_scope_x_total{model="ray"}[5m])) / application:scope_errors:ratio'
    )

    assert metrics_of(expression) == {"ray_scope_x_total"}


def test_every_metric_of_ours_that_is_named_is_exported():
    """
    A typo in a query shows an empty panel, and an alert that never fires.
    """
    ours = {name for name in named_metrics() if name.startswith("ray_scope")}

    assert ours <= EXPORTED


def test_every_metric_of_ours_is_read():
    """
    By a panel or a rule; the others are listed here.
    """
    assert EXPORTED - named_metrics() == NOT_DRAWN.keys()


def test_every_query_keeps_applications_apart():
    """
    Two applications on one Ray have the same metrics.
    """
    for name, expression in expressions():
        assert "application" in expression, name
