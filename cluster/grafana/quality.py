"""The row of quality."""

from grafana_foundation_sdk.builders import barchart, timeseries

from cluster.grafana.panels import APP, bars, changes, graph, latest, limit, query, stacked

SCORED = f'{{{APP},bin!="unknown"}}'


def quality() -> tuple[barchart.Panel | timeseries.Panel, ...]:
    """Return the panels of the row."""
    return (_calibration(), _scores(), _drift(), _distribution(), _sources())


def _calibration() -> barchart.Panel:
    def by_bin(metric: str) -> str:
        return f"sum by (bin) (increase(ray_scope_feedback_{metric}{SCORED}[$__range]))"

    n = by_bin("total")
    return bars(
        "Calibration: predicted p and scores",
        "By tenth of the predicted probability: its mean, and the mean score of clients "
        "(/v1/feedback). Bars of one group should be equal. Few scores say little: see Scores.",
        "percentunit",
        {
            "predicted": latest(f"{by_bin('predicted_total')} / {n}"),
            "scores": latest(f"({by_bin('score_total')} or 0 * {n}) / {n}"),
        },
        "bin",
    )


def _scores() -> timeseries.Panel:
    def hourly(metric: str) -> str:
        return f"sum(increase(ray_scope_feedback_{metric}{SCORED}[1h]))"

    n = hourly("total")
    return (
        graph(
            "Scores and predicted p, last hour",
            "Mean over the decisions that got a score within an hour. Predicted above scores for "
            "long: the forecast is too optimistic for today's prompts; measure and refit the bank.",
            "percentunit",
            [
                query(f"{hourly('predicted_total')} / {n}", "predicted p"),
                query(f"({hourly('score_total')} or 0 * {n}) / {n}", "mean score"),
                query(n, "number of scores"),
            ],
        )
        .max(1)
        .override_by_name(
            "number of scores",
            changes(
                {
                    "unit": "none",
                    "max": None,
                    "custom.axisPlacement": "right",
                    "custom.fillOpacity": 0,
                }
            ),
        )
    )


def _drift() -> timeseries.Panel:
    replicas = f"count(last_over_time(ray_scope_info{{{APP}}}[1m]) == 1)"
    models = f"count(count by (candidate) (ray_scope_candidate_decisions_total{{{APP}}}))"
    evidence = f"exp(last_over_time(ray_scope_drift_log_evidence{{{APP}}}[1m]))"
    return graph(
        "Evidence of drift",
        "That scores of a model have left its predicted p, since the replicas started: logarithm "
        "of the mean over replicas. Above the limit: scope bank drift tells since when and where.",
        "none",
        [
            query(f"ln(sum by (model) ({evidence}) / scalar({replicas}))", "{{model}}"),
            query(f"ln(100 * {models})", "limit"),
        ],
        width=12,
    )


def _distribution() -> timeseries.Panel:
    rate = "sum(rate(ray_scope_prompts_total{%s}[$__rate_interval]))"
    known = rate % f'{APP},distribution!="unknown"'
    out = rate % f'{APP},distribution="out"'
    return limit(
        graph(
            "Prompts out of distribution",
            "Share of prompts that are unlike every anchor: their forecast rests on little. Above "
            "the red line for long: add anchors of this kind (scope bank, scope measure).",
            "percentunit",
            [query(f"({out} or 0 * {known}) / {known}", "out of distribution")],
            width=12,
        ),
        0.5,
    )


def _sources() -> timeseries.Panel:
    return stacked(
        graph(
            "What forecasts rest on",
            "Decisions per second. anchors and cache are usual; knn and means stand in for a "
            "replica that failed; client: the client named the model; default: no forecast.",
            "reqps",
            [
                query(
                    f"sum by (source) (rate(ray_scope_decisions_total{{{APP}}}[$__rate_interval]))",
                    "{{source}}",
                )
            ],
            width=12,
        )
    )
