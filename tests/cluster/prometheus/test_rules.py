"""The recorded series and alerts, run by promtool."""

import re
import shutil
import subprocess
from collections import defaultdict

import pytest
import yaml

from tests.cluster.expressions import CLUSTER, RULES, rules

RUNBOOK = CLUSTER.parent / "docs" / "operate.md"
TESTS = RULES.with_name("rules_test.yaml")
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool comes with Debian's package prometheus"
)


def promtool(*arguments):
    """Run it beside the rules; its answer."""
    return subprocess.run(
        ["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False
    )


@needs_promtool
def test_the_rules_are_valid():
    """
    Syntax, types and templates.
    """
    done = promtool("check", "rules", RULES.name)

    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_alerts_fire_when_they_should_and_only_then():
    """
    Each case of rules_test.yaml: labels, texts and times.
    """
    done = promtool("test", "rules", TESTS.name)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_that_fires_and_one_that_does_not():
    """
    An alert that cannot fire is worse than none, and so is one that always does.
    """
    fires = defaultdict(set)
    for case in yaml.safe_load(TESTS.read_text())["tests"]:
        for check in case["alert_rule_test"]:
            fires[check["alertname"]].add(bool(check["exp_alerts"]))

    assert fires == {alert: {True, False} for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert):
    """
    Severity, summary, description, and where the runbook has it.
    """
    rule = ALERTS[alert]

    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/operate.md#alert-{alert.lower()}"


def test_every_alert_has_a_runbook_entry():
    """
    A section of docs/operate.md, and no section without an alert.
    """
    entries = re.findall(r"^### Alert: (\w+)$", RUNBOOK.read_text(), re.MULTILINE)

    assert sorted(entries) == sorted(ALERTS)
