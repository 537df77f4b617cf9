import re

import pytest

from tests.cluster.manifests import (
    BUILDS,
    OVERLAYS,
    containers,
    deployments_of,
    groups,
    kind_of,
    pods,
    ray_cluster,
    ray_object,
    serve_config,
)

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
    They call Ray's agent and Serve's proxy by HTTP: no program of the image is needed.
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
def test_times_are_in_order(name):
    """
    An upstream ends before the deadline, a stream before its replica, a replica before its pod,
    which waits until Ray has drained it, and an old cluster is deleted after its last stream.
    """
    config, spec = serve_config(name), ray_object(name)["spec"]
    request_s = config["http_options"]["request_timeout_s"]
    shutdown_s = [d.get("graceful_shutdown_timeout_s", 20) for d in deployments_of(name).values()]
    router = deployments_of(name)["Router"]
    settings = router["user_config"]
    deadline_s = settings.get("limits", {}).get("deadline_ms", 600_000) / 1000

    for upstream in settings.get("upstreams", {}).values():
        assert upstream["timeout_s"] < deadline_s
    assert deadline_s < request_s <= router["graceful_shutdown_timeout_s"]
    for group in [g for g in groups(name) if g != "head"]:
        (container,) = pods(name)[group]["containers"]
        variables = {v["name"]: v["value"] for v in container["env"]}
        drain_s = float(variables["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
        grace_s = pods(name)[group]["terminationGracePeriodSeconds"]
        assert max(shutdown_s) < drain_s < grace_s
    assert spec["rayClusterDeletionDelaySeconds"] > request_s


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
