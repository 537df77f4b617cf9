import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from deployments.checks import check_config, read_config
from tests.cluster.manifests import (
    BUILDS,
    CLUSTER,
    OVERLAYS,
    ROOT,
    build,
    containers,
    groups,
    kind_of,
    pods,
    ray_cluster,
    ray_object,
)

RAY = importlib.metadata.version("ray")
PROJECT = importlib.metadata.version("scope-router")
OWN_KINDS = {"RayService", "RayJob", "PodMonitor"}
"""Kinds that are not Kubernetes' own."""
SIZES = {"k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
builds = pytest.mark.parametrize("name", BUILDS)
overlays = pytest.mark.parametrize("name", OVERLAYS)


def cpus(quantity):
    """Return a quantity of CPUs as a number."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def bytes_of(quantity):
    """Return a quantity of memory in bytes."""
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]*)", quantity).groups()
    return float(number) * SIZES.get(unit, 1)


def serve_config(name):
    """Return the configuration of Serve in an overlay."""
    return yaml.safe_load(ray_object(name)["spec"]["serveConfigV2"])


def deployments_of(name):
    """Return the blocks of the deployments in an overlay, by name."""
    blocks = serve_config(name)["applications"][0]["deployments"]
    return {block["name"]: block for block in blocks}


@builds
def test_every_build_has_what_it_needs_in_one_namespace(name):
    """
    One object of Ray with its network policies; what lies in another namespace is not found.
    """
    objects = build(name)

    assert {o["metadata"].get("namespace") for o in objects} == {"scope"}
    assert sum(o["kind"] in {"RayService", "RayJob"} for o in objects) == 1
    assert {"scope-ray", "scope-serve", "scope-head", "scope-metrics"} <= set(
        kind_of(name, "NetworkPolicy")
    )
    assert "serve" not in kind_of(name, "ConfigMap")  # only serves to fill serveConfigV2


@builds
def test_objects_of_kubernetes_follow_its_schemas(name):
    """
    Strictly: an unknown field is an error, where `kubectl apply` may only warn.
    """
    validate = pytest.importorskip("kubernetes_validate").validate

    for o in build(name):
        if o["kind"] not in OWN_KINDS:
            validate(o, "1.32", strict=True)


@pytest.mark.parametrize("file", sorted((CLUSTER / "setup").glob("*.yaml")), ids=lambda f: f.stem)
def test_objects_that_are_set_up_once_follow_the_schemas(file):
    """
    They are no part of an overlay, so that `kubectl delete -k` leaves the data alone.
    """
    validate = pytest.importorskip("kubernetes_validate").validate

    validate(yaml.safe_load(file.read_text()), "1.32", strict=True)


@builds
def test_objects_of_ray_follow_the_schemas_of_kuberay(name):
    """
    They are large and not ours, so that a folder of them is named by a variable.
    """
    folder = os.environ.get("SCOPE_KUBERAY_SCHEMAS")
    if folder is None:
        pytest.skip("SCOPE_KUBERAY_SCHEMAS names no folder of KubeRay's schemas")
    o = ray_object(name)
    file = Path(folder) / f"{o['kind'].lower()}s.json"
    schema = strict(json.loads(file.read_text())["schema"])

    found = jsonschema.Draft202012Validator(schema).iter_errors(o)

    assert [f"{error.json_path}: {error.message}" for error in found] == []


def strict(schema):
    """Return a schema of a custom resource that refuses unknown fields."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(part) for key, part in schema.items()}
    if schema.pop("x-kubernetes-int-or-string", False):
        return {"type": ["integer", "string"]}
    fields = schema.get("properties")
    if isinstance(fields, dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema["additionalProperties"] = False
        required = schema.get("required", [])
        schema["required"] = [key for key in required if "default" not in fields.get(key, {})]
    return schema


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


@builds
def test_the_version_of_ray_is_the_one_that_is_pinned(name):
    """
    In the tag of every image of ours, in `rayVersion`, and with the version of the project.
    """
    tags = {c["image"] for _, c in containers(name) if "scope-router" in c["image"]}

    assert ray_cluster(name)["rayVersion"] == RAY
    (tag,) = tags
    assert tag.removesuffix("-gpu") == f"ghcr.io/your-org/scope-router:{PROJECT}-ray{RAY}"
    assert tag.endswith("-gpu") == (name == "gpu")
    assert not any(c["image"].endswith(":latest") for _, c in containers(name))


@builds
def test_no_secret_is_in_clear(name):
    """
    Passwords, tokens and keys come from Secrets, which are not in the manifests.
    """
    assert kind_of(name, "Secret") == {}
    for pod, container in containers(name):
        for variable in container.get("env", []):
            if re.search("KEY|TOKEN|PASSWORD|SECRET|AUTH", variable["name"]):
                clear = variable.get("value", "$(")
                assert clear.startswith("$("), (pod, variable["name"])
    assert not re.search(r"sk-[A-Za-z0-9]{8}", json.dumps(build(name)))


@builds
def test_pods_are_confined(name):
    """
    As `pod-security.kubernetes.io/enforce: restricted` demands, and with a read-only root: what
    is written is in volumes that are emptied.
    """
    for pod, spec in pods(name).items():
        assert spec["securityContext"]["runAsNonRoot"] is True, pod
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, pod
    for pod, container in containers(name):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True, pod
        assert security["allowPrivilegeEscalation"] is False, pod
        assert security["capabilities"] == {"drop": ["ALL"]}, pod
    options = ray_cluster(name)["autoscalerOptions"]
    assert options["securityContext"]["readOnlyRootFilesystem"] is True
    assert {m["mountPath"] for m in options["volumeMounts"]} == {"/tmp", "/home/scope"}


@builds
def test_only_the_autoscaler_may_call_the_api_server(name):
    """
    It changes the number of pods; it runs beside the head.
    """
    mounted = {pod for pod, spec in pods(name).items() if spec["automountServiceAccountToken"]}

    assert mounted == {"head"}


@builds
def test_every_container_has_limits_and_memory_of_its_own(name):
    """
    Ray takes its CPUs from the limits; a pod with less memory than its limit is killed first.
    """
    for pod, container in containers(name):
        resources = container["resources"]
        assert {"cpu", "memory"} <= set(resources["limits"]), pod
        assert resources["requests"]["memory"] == resources["limits"]["memory"], pod
    assert {"cpu", "memory"} <= set(ray_cluster(name)["autoscalerOptions"]["resources"]["limits"])


@builds
def test_every_long_running_container_has_probes(name):
    """
    They call Ray's agent and Serve's proxy directly: the image has no wget.
    """
    for pod, container in containers(name):
        if pod == "submitter":
            continue
        assert {"livenessProbe", "readinessProbe"} <= set(container), pod
        if pod in groups(name):
            assert container["livenessProbe"]["httpGet"] == {"path": "/api/healthz", "port": 52365}
            assert "startupProbe" in container, pod


@overlays
def test_a_worker_is_ready_when_its_proxy_is(name):
    """
    A worker without replicas has no proxy, and gets no request.
    """
    for group in [g for g in groups(name) if g != "head"]:
        (container,) = pods(name)[group]["containers"]
        assert container["readinessProbe"]["httpGet"] == {"path": "/-/healthz", "port": 8000}


@builds
def test_the_head_runs_no_replica(name):
    """
    Its death then stops no request; it also is not behind the service.
    """
    assert groups(name)["head"]["rayStartParams"]["num-cpus"] == "0"
    if name != "batch":
        assert ray_object(name)["spec"]["excludeHeadPodFromServeSvc"] is True


@builds
def test_ray_requires_a_token(name):
    """
    KubeRay makes one for each cluster.
    """
    assert ray_cluster(name)["authOptions"] == {"mode": "token"}


@builds
def test_the_autoscaler_replaces_pods_and_restarts_none(name):
    """
    Version 2 works with restartPolicy Never only.
    """
    cluster = ray_cluster(name)

    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert {pods(name)[group]["restartPolicy"] for group in groups(name)} == {"Never"}
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


@overlays
def test_the_state_of_the_cluster_is_in_redis(name):
    """
    With a password of a Secret, and in a namespace that KubeRay chooses: two clusters of one
    upgrade must not share it.
    """
    options = ray_cluster(name)["gcsFaultToleranceOptions"]

    assert options["redisAddress"].endswith(":6379")
    assert options["redisPassword"]["valueFrom"]["secretKeyRef"]["name"] == "scope-redis"
    assert "externalStorageNamespace" not in options


@overlays
def test_times_are_in_order(name):
    """
    An upstream ends before the deadline, a stream before its replica, a replica before its pod,
    and an old cluster is deleted after its last stream.
    """
    config, spec = serve_config(name), ray_object(name)["spec"]
    request_s = config["http_options"]["request_timeout_s"]
    shutdown_s = [d.get("graceful_shutdown_timeout_s", 20) for d in deployments_of(name).values()]
    router = deployments_of(name)["Router"]
    settings = router["user_config"]
    deadline_s = settings.get("limits", {}).get("deadline_ms", 60_000) / 1000

    for upstream in settings.get("upstreams", {}).values():
        assert upstream["timeout_s"] < deadline_s
    assert deadline_s < request_s <= router["graceful_shutdown_timeout_s"]
    for group in [g for g in groups(name) if g != "head"]:
        assert pods(name)[group]["terminationGracePeriodSeconds"] > max(shutdown_s)
    assert spec["rayClusterDeletionDelaySeconds"] > request_s


@overlays
def test_all_replicas_fit_the_largest_cluster(name):
    """
    What the autoscaler of Serve may start, that of Ray can place: CPUs and GPUs. The smallest
    cluster holds the smallest number of replicas.
    """
    needed, least = {"CPU": 0.0, "GPU": 0.0}, {"CPU": 0.0, "GPU": 0.0}
    for block in deployments_of(name).values():
        options = block.get("ray_actor_options", {})
        scaling = block["autoscaling_config"]
        each = {"CPU": options.get("num_cpus", 0), "GPU": options.get("num_gpus", 0)}
        if block["name"] == "ScopeEngine":
            engine = serve_config(name)["applications"][0]["args"]["reasoner"]["engine"]
            n_gpus = engine["tensor_parallel"]
            each = {"CPU": engine["cpus_per_worker"] * n_gpus, "GPU": n_gpus}
        for resource, amount in each.items():
            needed[resource] += amount * scaling["max_replicas"]
            least[resource] += amount * scaling["min_replicas"]
    largest, smallest = {"CPU": 0.0, "GPU": 0.0}, {"CPU": 0.0, "GPU": 0.0}
    for group in ray_cluster(name)["workerGroupSpecs"]:
        (container,) = group["template"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        each = {"CPU": cpus(limits["cpu"]), "GPU": float(limits.get("nvidia.com/gpu", 0))}
        for resource, amount in each.items():
            largest[resource] += amount * group["maxReplicas"]
            smallest[resource] += amount * group["minReplicas"]

    for resource in ("CPU", "GPU"):
        assert needed[resource] <= largest[resource], resource
        assert least[resource] <= smallest[resource], resource


@overlays
def test_the_disruption_budget_finds_the_workers(name):
    """
    A whole number of minAvailable is all that works for pods without a Deployment, and less than
    the smallest number of workers, or no machine could ever be drained.
    """
    budget = kind_of(name, "PodDisruptionBudget")["scope-workers"]["spec"]
    cpu_group = groups(name)["cpu"]
    labels = cpu_group["template"]["metadata"]["labels"] | {"ray.io/node-type": "worker"}

    assert set(budget) == {"minAvailable", "selector", "unhealthyPodEvictionPolicy"}
    assert budget["minAvailable"] < cpu_group["minReplicas"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()


@builds
def test_workers_are_spread_over_machines(name):
    """
    By labels that they have; one is from KubeRay.
    """
    for group, spec in groups(name).items():
        if group == "head":
            continue
        labels = spec["template"]["metadata"]["labels"] | {
            "ray.io/node-type": "worker",
            "ray.io/group": group,
        }
        constraints = spec["template"]["spec"]["topologySpreadConstraints"]
        assert "kubernetes.io/hostname" in {c["topologyKey"] for c in constraints}
        for constraint in constraints:
            assert constraint["labelSelector"]["matchLabels"].items() <= labels.items()


@builds
def test_names_leave_room_for_kuberay(name):
    """
    It appends to the names of RayService and RayJob, whose clusters are services, too.
    """
    assert len(ray_object(name)["metadata"]["name"]) <= 47
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", ray_object(name)["metadata"]["name"])


def test_engines_have_shared_memory_that_counts_as_theirs():
    """
    64 MiB of a container's default are not enough for NCCL and Ray's objects.
    """
    pod = pods("gpu")["gpu"]
    (volume,) = (v for v in pod["volumes"] if v["name"] == "shm")
    (container,) = pod["containers"]

    assert volume["emptyDir"]["medium"] == "Memory"
    limit = bytes_of(container["resources"]["limits"]["memory"])
    assert bytes_of(volume["emptyDir"]["sizeLimit"]) < limit / 2


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
    command = re.search(r"^\$ (\{ echo.*?\}); \} \| kubectl", page, re.MULTILINE | re.DOTALL)[0]
    command = command.removeprefix("$ ").removesuffix(" | kubectl")
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
