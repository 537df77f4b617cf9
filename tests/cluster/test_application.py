import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deployments.checks import check_config, read_config
from tests.cluster.manifests import (
    CLUSTER,
    OVERLAYS,
    ROOT,
    build,
    groups,
    kind_of,
    pods,
    ray_object,
    serve_config,
)

overlays = pytest.mark.parametrize("name", OVERLAYS)


@overlays
def test_serve_gets_the_file_of_the_overlay(name, tmp_path):
    """
    Byte for byte, comments included; and `scope check` finds no mistake in it. The key file is a
    Secret of the cluster: here it is another one of the same form.
    """
    file = CLUSTER / "overlays" / name / "serve.yaml"
    keys = tmp_path / "keys"
    keys.write_text(64 * "0" + " anyone\n")

    assert ray_object(name)["spec"]["serveConfigV2"] == file.read_text()
    config = read_config(file)
    router = config["applications"][0]["deployments"][0]
    assert router["user_config"]["access"] == {"key_file": "/etc/scope/keys"}
    router["user_config"]["access"]["key_file"] = str(keys)
    assert check_config(config).startswith("valid: ")


@overlays
def test_serve_listens_on_every_worker(name):
    """
    Behind the service of KubeRay, which sends requests to all workers that are ready.
    """
    config = serve_config(name)

    assert config["proxy_location"] == "EveryNode"
    assert config["http_options"]["host"] == "0.0.0.0"
    for group in [g for g in groups(name) if g != "head"]:
        (container,) = pods(name)[group]["containers"]
        assert {"name": "serve", "containerPort": 8000} in container["ports"]
        (mount,) = (m for m in container["volumeMounts"] if m["name"] == "keys")
        assert mount == {"name": "keys", "mountPath": "/etc/scope", "readOnly": True}


@overlays
def test_what_serve_reads_is_mounted_where_it_runs(name):
    """
    The head builds the application and reads the bank; any worker may run a replica.
    """
    text = ray_object(name)["spec"]["serveConfigV2"]
    needs_volume = "/shared/" in text
    variables = set(re.findall(r"key_variable: (\w+)", text))

    for group, pod in pods(name).items():
        if group not in groups(name):
            continue
        (container,) = pod["containers"]
        mounts = {m["mountPath"]: m for m in container["volumeMounts"]}
        assert ("/shared" in mounts) == needs_volume, group
        assert group == "head" or not variables or "scope-upstreams" in str(container["envFrom"])
    assert variables <= {"OPENROUTER_API_KEY"}


@pytest.mark.parametrize("name", ["production", "gpu"])
def test_metrics_and_dashboard_are_found(name):
    """
    By the name of a port, and by the label that the sidecar of Grafana looks for.
    """
    monitor = next(o for o in build(name) if o["kind"] == "PodMonitor")["spec"]
    dashboard = kind_of(name, "ConfigMap")["scope-dashboard"]

    for group, spec in groups(name).items():
        labels = spec["template"]["metadata"]["labels"]
        assert monitor["selector"]["matchLabels"].items() <= labels.items(), group
        (container,) = pods(name)[group]["containers"]
        assert {"name": "metrics", "containerPort": 8080} in container["ports"], group
    assert monitor["podMetricsEndpoints"][0]["port"] == "metrics"
    assert dashboard["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert dashboard["data"]["scope.json"] == (CLUSTER / "grafana" / "scope.json").read_text()


def test_the_alerts_become_an_object_of_the_prometheus_operator():
    """
    By the command in README.md, run here up to the pipe into kubectl.
    """
    page = (CLUSTER / "README.md").read_text()
    pattern = r"^\$ (\{ echo.*?; \}) \| kubectl"
    (command,) = re.findall(pattern, page, re.MULTILINE | re.DOTALL)
    bin_of_this = f"{Path(sys.executable).parent}:/usr/bin:/bin"

    done = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env={"PATH": bin_of_this},
        capture_output=True,
        text=True,
        check=True,
    )

    rules = yaml.safe_load(done.stdout)
    assert rules["kind"] == "PrometheusRule"
    assert rules["spec"] == yaml.safe_load((CLUSTER / "prometheus" / "rules.yaml").read_text())


def test_an_offline_job_resumes_where_it_was():
    """
    A retry gets a new cluster: output, questions and cache are on the volume.
    """
    spec = ray_object("batch")["spec"]
    command = spec["entrypoint"].split()

    assert command[:2] == ["scope", "predict"]
    for flag in ("--query-file", "--output", "--bank"):
        assert command[command.index(flag) + 1].startswith("/shared/")
    assert spec["backoffLimit"] > 0
    assert spec["shutdownAfterJobFinishes"] is True
    assert "deletionStrategy" not in spec  # excluded by shutdownAfterJobFinishes
    for group in groups("batch"):
        (container,) = pods("batch")[group]["containers"]
        assert {"name": "SCOPE_CACHE", "value": "/shared/cache"} in container["env"]
        assert "/shared" in {m["mountPath"] for m in container["volumeMounts"]}
