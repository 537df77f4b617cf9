"""The PromQL expressions of the dashboard and of the rules, and the metrics that they name."""

import json
import re
from pathlib import Path

import yaml

CLUSTER = Path(__file__).parents[2] / "cluster"
DASHBOARD = CLUSTER / "grafana" / "scope.json"
RULES = CLUSTER / "prometheus" / "rules.yaml"
METRIC = re.compile(r"\bray_[a-z0-9_]+\b")
"""All metrics that Ray's agent exports begin so, our own included."""


def panels():
    """The panels of the committed dashboard, without the rows."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel.get("targets")]


def rules():
    """The recording rules and alerts."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions():
    """Every expression, with the name of its panel, variable or rule."""
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    return [
        *((panel["title"], query["expr"]) for panel in panels() for query in panel["targets"]),
        *((each["name"], each["query"]["query"]) for each in variables if each["type"] == "query"),
        *((rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()),
    ]


def metrics_of(expression):
    """The metrics that an expression names."""
    return set(METRIC.findall(expression))


def named_metrics():
    """The metrics that any expression names."""
    return set().union(*(metrics_of(expression) for _, expression in expressions()))
