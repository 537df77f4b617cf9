"""The row of health."""

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common as options

from cluster.grafana.panels import (
    APP,
    BLUE,
    GREEN,
    RED,
    YELLOW,
    changes,
    graph,
    number,
    query,
    rows,
    stacked,
    states,
    words,
)

APPLICATION_STATES = {
    0: ("unknown", RED),
    1: ("DEPLOY_FAILED", RED),
    2: ("UNHEALTHY", RED),
    3: ("NOT_STARTED", YELLOW),
    4: ("DELETING", YELLOW),
    5: ("DEPLOYING", BLUE),
    6: ("RUNNING", GREEN),
}
BREAKER_STATES = {0: ("closed", GREEN), 1: ("half-open", YELLOW), 2: ("open", RED)}
BAD_FROM_1 = ((None, GREEN), (1, RED))
API = 'route=~"/v1/.*"'

Panel = stat.Panel | timeseries.Panel | statetimeline.Panel | table.Panel


def health() -> tuple[Panel, ...]:
    """Return the panels of the row."""
    return (*_numbers(), *_load(), *_parts())


def _numbers() -> tuple[stat.Panel, ...]:
    errors = "sum(rate(ray_serve_num_http_error_requests_total{%s}[$__rate_interval]))"
    requests = f"sum(rate(ray_serve_num_http_requests_total{{{APP},{API}}}[$__rate_interval]))"
    failed = errors % f'{APP},{API},error_code=~"5.."'
    degraded = "sum(rate(ray_scope_decisions_total{%s}[$__rate_interval]))"
    return (
        number(
            "Application",
            "Its state in Serve. DEPLOYING for more than some minutes: replicas wait for CPUs or "
            "GPUs, or do not get healthy; scope status names them.",
            "none",
            [query(f"min(ray_serve_application_status{{{APP}}})")],
            ((None, RED), (5, BLUE), (6, GREEN)),
        )
        .mappings(words(APPLICATION_STATES))
        .graph_mode(options.BigValueGraphMode.NONE),
        number(
            "Replicas missing",
            "Wanted by the autoscaler and not running, over all deployments. For minutes above 0: "
            "the cluster has no room, or replicas die at their start (scope status, Ray's log).",
            "none",
            [
                query(
                    "sum(clamp_min("
                    f"sum by (deployment) (ray_serve_autoscaling_target_replicas{{{APP}}})"
                    f" - sum by (deployment) (ray_serve_deployment_replica_healthy{{{APP}}}), 0))"
                )
            ],
            BAD_FROM_1,
        ),
        number(
            "Share of 5xx",
            "Of requests at the HTTP proxy; 502 and 504 come from upstreams, 503 from full queues, "
            "500 from our own errors (the Router's log).",
            "percentunit",
            [query(f"({failed} or 0 * {requests}) / {requests}")],
            ((None, GREEN), (0.01, YELLOW), (0.05, RED)),
        ),
        number(
            "Share of degraded decisions",
            "Decisions that rest on less than usual, because a replica was late, full, down or "
            "broken. They are answered; Degraded decisions by reason says why.",
            "percentunit",
            [
                query(
                    f"""({degraded % f'{APP},degraded!="none"'} or 0 * {degraded % APP})"""
                    f" / {degraded % APP}"
                )
            ],
            ((None, GREEN), (0.01, YELLOW), (0.1, RED)),
        ),
        number(
            "Replicas that reject the settings",
            "The latest user_config is wrong and the one before is in force. A replica that starts "
            "now would fail: correct it soon; the Router's log has the sentence.",
            "none",
            [query(f"sum(last_over_time(ray_scope_settings_rejected{{{APP}}}[1m]))")],
            BAD_FROM_1,
        ),
        number(
            "Lines not logged",
            "Decisions and scores that could not be written: the disk is full or the folder is "
            "gone. Requests are answered all the same.",
            "none",
            [query(f"sum(ray_scope_decisions_unlogged{{{APP}}})")],
            BAD_FROM_1,
        ),
    )


def _load() -> tuple[timeseries.Panel, ...]:
    by_deployment = "sum by (deployment) (ray_serve_{}{{" + APP + "}})"
    return (
        graph(
            "Replicas wanted and running",
            "Dashed: wanted by the autoscaler. If running stays below wanted, the cluster has no "
            "room; if wanted is at its maximum and the queue grows, raise max_replicas.",
            "none",
            [
                query(by_deployment.format("autoscaling_target_replicas"), "{{deployment}} wanted"),
                query(by_deployment.format("deployment_replica_healthy"), "{{deployment}}"),
            ],
        ).override_by_regexp(
            "/wanted/",
            changes(
                {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}, "custom.fillOpacity": 0}
            ),
        ),
        graph(
            "Queue and requests in progress",
            "Waiting for a replica, and being worked on. A queue that stays above 0 means too few "
            "replicas (scope plan says how many a load needs).",
            "none",
            [
                query(by_deployment.format("deployment_queued_queries"), "{{deployment}} waiting"),
                query(by_deployment.format("replica_processing_queries"), "{{deployment}}"),
            ],
        ),
        stacked(
            graph(
                "Requests by status",
                "Per second, as the Router answers. 429: a key over its rate. 503: too many in "
                "progress, or no upstream.",
                "reqps",
                [
                    query(
                        "sum by (status) (rate(ray_scope_requests_total"
                        f'{{{APP},endpoint!~"health|ready|other"}}[$__rate_interval]))',
                        "{{status}}",
                    )
                ],
            )
        ),
        stacked(
            graph(
                "Degraded decisions by reason",
                "Per second. late: too slow for decision_ms; full: its queue is full; down: no "
                "replica; broken: its log has the traceback.",
                "reqps",
                [
                    query(
                        "sum by (degraded) (rate(ray_scope_decisions_total"
                        f'{{{APP},degraded!="none"}}[$__rate_interval]))',
                        "{{degraded}}",
                    )
                ],
            )
        ),
    )


def _parts() -> tuple[Panel, ...]:
    return (
        states(
            "Circuit breakers of upstreams",
            "Open: after failures in a row an upstream is not called for a while; others answer. "
            "Check the provider, its key and its limits.",
            [
                query(
                    f"max by (model) (last_over_time(ray_scope_breaker_state{{{APP}}}[1m]))",
                    "{{model}}",
                )
            ],
            BREAKER_STATES,
        ),
        stacked(
            graph(
                "Failed calls of upstreams",
                "Per second, by model and outcome. The next best model answered where there was "
                "one. http 401: the key; http 429: the provider's limit.",
                "reqps",
                [
                    query(
                        "sum by (model, outcome) (rate(ray_scope_upstream_attempts_total"
                        f'{{{APP},outcome!="ok"}}[$__rate_interval]))',
                        "{{model}}: {{outcome}}",
                    )
                ],
                width=8,
            )
        ),
        rows(
            "Versions in force",
            "Router replicas by bank, policy and digest of the settings. Two lines: a rollout is "
            "in progress, or a replica rejects the settings.",
            f"count by (bank, policy, settings) (last_over_time(ray_scope_info{{{APP}}}[1m]) == 1)",
            {"bank": "Bank", "policy": "Policy", "settings": "Settings", "Value": "Replicas"},
        ),
    )
