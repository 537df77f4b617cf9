"""The row of latency."""

from grafana_foundation_sdk.builders import timeseries

from cluster.grafana.panels import APP, graph, limit, query

STAGES = ("embed", "embed_second", "predict", "reason", "select", "upstream")


def latency() -> tuple[timeseries.Panel, ...]:
    """Return the panels of the row."""
    lookups = "sum(rate(ray_scope_cache_lookups_total{%s}[$__rate_interval]))"
    return (
        limit(
            graph(
                "Overhead of a decision",
                "From the arrival of a request to its decision. Above the red line: look at p95 by "
                "stage; embed grows first when CPUs are short, then the queue.",
                "ms",
                [
                    query(_quantile(share, "scope_overhead_latency_ms", APP), f"p{100 * share:g}")
                    for share in (0.5, 0.95, 0.99)
                ],
            ),
            1000,
        ),
        graph(
            "p95 by stage",
            "Calls of the embedders and the Predictor, queries of the reasoner, the choice among "
            "samples, and the upstream until its answer or first byte.",
            "ms",
            [query(_quantile(0.95, f"scope_{stage}_latency_ms", APP), stage) for stage in STAGES],
        ),
        graph(
            "p95 of a whole request",
            "As the HTTP proxy sees it, by endpoint. A chat contains the upstream's answer, a "
            "stream its last byte.",
            "ms",
            [
                query(
                    _quantile(
                        0.95,
                        "serve_http_request_latency_ms",
                        f'{APP},route=~"/v1/.*"',
                        by="le, route",
                    ),
                    "{{route}}",
                )
            ],
        ),
        graph(
            "Prompts found in the cache",
            "Share of prompts whose prediction was cached: they call no other replica. It begins "
            "at 0 after every start and every change of the bank.",
            "percentunit",
            [
                query(
                    f"""({lookups % f'{APP},result="hit"'} or 0 * {lookups % APP})"""
                    f" / {lookups % APP}",
                    "cached",
                )
            ],
        ),
    )


def _quantile(share: float, metric: str, labels: str, by: str = "le") -> str:
    rate = f"rate(ray_{metric}_bucket{{{labels}}}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({by}) ({rate}))"
