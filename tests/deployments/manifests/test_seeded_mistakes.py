"""One mistake in a file without any: `check_files` finds it, at its line, with a remedy."""

from pathlib import Path

import pytest

from deployments.manifests import check_files
from tests.factories import manifests

ROOT = Path(__file__).parents[3]
TEXTS = {
    "serve_config.yaml": (ROOT / "serve_config.yaml").read_text(),
    "serve_config.gpu.yaml": (ROOT / "serve_config.gpu.yaml").read_text(),
    "serve.yaml": manifests.SERVE,
    "rayservice.yaml": manifests.RAY_SERVICE,
    "rayjob.yaml": manifests.RAY_JOB,
    "objects.yaml": manifests.OBJECTS,
    "ray-up.yaml": manifests.RAY_UP,
    "Dockerfile": manifests.DOCKERFILE,
}


def find(tmp_path, name, old, new, marker=None):
    """Return the findings in a changed file, and the line of the change.

    The line is that of `marker` (else of `new`): its first one if it has several.
    """
    text = TEXTS[name]
    assert old in text
    changed = text.replace(old, new, 1)
    path = tmp_path / name
    path.write_text(changed)
    place = changed.index(marker or new)
    return check_files([path]), changed.count("\n", 0, place) + 1


@pytest.mark.parametrize("name", TEXTS)
def test_a_file_without_a_mistake_has_no_finding(tmp_path, name):
    """
    Otherwise the tests below would find what they did not seed.
    """
    findings, _ = find(tmp_path, name, "", "")

    assert [str(finding) for finding in findings] == []


SERVE_MISTAKES = [
    ("serve_config.yaml", "proxy_location:", "proxy_locations:", "did you mean proxy_location?"),
    ("serve_config.yaml", "request_timeout_s", "request_timeout", "did you mean request_timeout_s"),
    ("serve_config.yaml", "encoding: JSON", "encodings: JSON", "did you mean encoding?"),
    ("serve_config.yaml", "route_prefix", "route_prefx", "did you mean route_prefix?"),
    ("serve_config.yaml", "max_surge_percent", "max_surge", "did you mean max_surge_percent?"),
    ("serve_config.yaml", "min_replicas: 1", "min_replica: 1", "did you mean min_replicas?"),
    ("serve_config.yaml", "num_cpus", "num_cpu", "did you mean num_cpus?"),
    ("serve_config.yaml", "retry_after_s", "retry_after", "did you mean retry_after_s?"),
    (
        "serve_config.yaml",
        "request_router_class:",
        "request_router:",
        "did you mean request_router_class?",
    ),
    ("serve_config.yaml", "wait_s: 0", "wait: 0", "did you mean wait_s?"),
    ("serve_config.yaml", "anonymous: true", "anonymus: true", "did you mean anonymous?"),
    ("serve_config.yaml", "args: {}", "args: {banks: x}", "did you mean bank?"),
    ("serve_config.yaml", "alpha: 0.6", "alpha: 6", "should be less than or equal to 1"),
    ("serve_config.yaml", "HeadOnly", "Head", "should be 'Disabled', 'HeadOnly' or 'EveryNode'"),
    ("serve_config.yaml", "port: 8000", "port: web", "should be a valid integer"),
    ("serve_config.yaml", "name: Embedder", "name: Embeder", "did you mean Embedder?"),
    ("serve_config.yaml", "host: 127.0.0.1", "host: 0.0.0.0", "bind 127.0.0.1, or set keys"),
    (
        "serve_config.yaml",
        "target_ongoing_requests: 128",
        "target_ongoing_requests: 2000",
        "lower it",
    ),
    ("serve_config.yaml", "max_queued_requests: 256", "max_queued_requests: 0", "must be -1"),
    ("serve_config.yaml", "max_replicas: 3", "max_replicas: 1", "set it to 2 or more"),
    ("serve_config.yaml", "request_timeout_s: 900", "request_timeout_s: 30", "set it to 600"),
    (
        "serve_config.yaml",
        "num_cpus: 0.25}",
        "num_cpus: 0.25, runtime_env: {pip: [vllm==0.8.0]}}",
        "use vLLM 0.29.0",
    ),
    (
        "serve_config.yaml",
        "num_cpus: 0.25}",
        "num_cpus: 0.25, runtime_env: {env_var: {A: b}}}",
        "did you mean env_vars?",
    ),
    (
        "serve_config.yaml",
        "num_cpus: 0.25}",
        "num_cpus: 0.25, runtime_env: {env_vars: {HF_TOKEN: abcdefgh}}}",
        "take it from a Secret",
    ),
    ("serve_config.yaml", "graph_policy:scale", "graph_polcy:scale", "name a function or class"),
    ("serve_config.yaml", ":ConsistentHashRouter", ":ConsistentHashRoute", "did you mean"),
    ("serve_config.gpu.yaml", "tensor_parallel: 1", "tensor_parallel: 8", "to at most 4"),
    ("serve_config.gpu.yaml", "max_num_seqs", "max_num_seq", "did you mean max_num_seqs?"),
    ("serve_config.gpu.yaml", "mode: exact", "mode: always", "should be 'off', 'exact'"),
    (
        "serve.yaml",
        "key_variable: EXAMPLE_API_KEY",
        "key_variable: sk-or-v1-0",
        "name the",
    ),
    ("serve.yaml", "base_url: https", "base_url: ftp", "expected http:// or https://"),
    ("serve.yaml", "mathstral-7B:", "mathstral-7b:", "name models of the bank"),
    (
        "serve_config.yaml",
        "max_queued_requests: 256",
        "num_replicas: 2\n        max_queued_requests: 256",
        "remove one of them",
    ),
]


@pytest.mark.parametrize(
    ("name", "old", "new", "remedy"), [pytest.param(*case, id=case[2]) for case in SERVE_MISTAKES]
)
def test_a_mistake_in_a_serve_configuration_is_found(tmp_path, name, old, new, remedy):
    """
    Serve would ignore it, or restart a replica with it again and again.
    """
    findings, line = find(tmp_path, name, old, new)
    errors = [finding for finding in findings if finding.level == "error"]

    assert [(Path(error.file).name, error.line) for error in errors] == [(name, line)]
    assert remedy in errors[0].remedy


RAY_SERVICE_MISTAKES = [
    ("kind: RayService", "kind: RayServices", "did you mean RayService?"),
    ("name: scope\n", "name: Scope\n", "use small letters"),
    ("name: scope\n", f"name: {'s' * 48}\n", "shorten it"),
    ("excludeHeadPodFromServeSvc", "excludeHeadPodFromServeSVC", "did you mean exclude"),
    ("type: NewCluster", "type: NewClusters", "did you mean NewCluster?"),
    ("serveConfigV2", "serveConfig", "did you mean serveConfigV2?"),
    ("proxy_location: EveryNode", "proxy_location: HeadOnly", "set it to EveryNode"),
    ("host: 0.0.0.0", "host: 127.0.0.1", "set 0.0.0.0, and API keys"),
    ("policy: {alpha: 0.6}", "polices: {alpha: 0.6}", "did you mean policy?"),
    ('rayVersion: "2.60.0"', 'rayVersion: "2.54.0"', "use Ray 2.60.0"),
    ('rayVersion: "2.60.0"', "rayVersion: 2.60", "it should be text"),
    ("idleTimeoutSeconds: 300", 'idleTimeoutSeconds: "300"', "it should be a whole number"),
    ("version: v2", "version: 2", "use one of v1, v2"),
    ("{mode: token}", "{mode: disabled}", "set authOptions: {mode: token}"),
    ("{mode: token}", "{mode: token, enableK8sTokenAuth: true}", "remove it"),
    (
        "redisAddress: redis:6379",
        "externalStorageNamespace: scope",
        "KubeRay names one for each cluster",
    ),
    ("{valueFrom: {secretKeyRef: {name: redis, key: password}}}", "{value: x1y2z3}", "a Secret"),
    ('num-cpus: "0"', 'num-cpus: "2"', 'set rayStartParams: {num-cpus: "0"}'),
    ('num-cpus: "0"', "num-cpus: 0", 'write "0" in quotation marks'),
    ("HF_HUB_OFFLINE", "RAY_REDIS_ADDRESS", "keep gcsFaultToleranceOptions"),
    ('{name: HF_HUB_OFFLINE, value: "1"}', "{name: HF_TOKEN, value: abcdef}", "a Secret"),
    (":0.1.0-ray2.60.0", ":latest", "name a version"),
    (":0.1.0-ray2.60.0", "", "name a version"),
    (":0.1.0-ray2.60.0", ":0.1.0-ray2.54.0", "use Ray 2.60.0"),
    ('num-cpus: "0"', 'dashboard-hst: x\n        num-cpus: "0"', "did you mean dashboard-host?"),
    ('cpu: "2"', 'cpus: "2"', "did you mean cpu?"),
    ("secretKeyRef", "secretKeyRf", "did you mean secretKeyRef?"),
    ("minReplicas", "minReplica", "did you mean minReplicas?"),
    ("maxReplicas: 4", "maxReplicas: 1", "set it to 2 or more"),
    ("terminationGracePeriodSeconds: 180", "terminationGracePeriodSeconds: 60", "set it above 120"),
    ("terminationGracePeriodSeconds:", "terminationGracePeriod:", "did you mean termination"),
    ("containerPort: 8000", "containerPort: 8001", "set it to 8000"),
    ("containerPort: 8000", "containerport: 8000", "did you mean containerPort?"),
    (
        "rayStartParams: {}",
        'rayStartParams: {num-cpus: "4"}\n        resources: {CPU: "4"}',
        "keep one of them",
    ),
    ("volumes:", "volume:", "did you mean volumes?"),
]


@pytest.mark.parametrize(
    ("old", "new", "remedy"), [pytest.param(*case, id=case[1]) for case in RAY_SERVICE_MISTAKES]
)
def test_a_mistake_in_a_ray_service_is_found(tmp_path, old, new, remedy):
    """
    Inside its Serve configuration, too; lines are those of the manifest.
    """
    marker = None if new else "image: ghcr.io/your-org/scope-router\n"
    findings, line = find(tmp_path, "rayservice.yaml", old, new, marker)
    here = [finding for finding in findings if finding.line == line and finding.level == "error"]

    assert len(here) == 1
    assert remedy in here[0].remedy


OTHER_MISTAKES = [
    ("rayjob.yaml", "entrypoint:", "entryPoint:", "did you mean entrypoint?"),
    ("rayjob.yaml", "backoffLimit: 3", 'backoffLimit: "3"', "it should be a whole number"),
    ("rayjob.yaml", "shutdownAfterJobFinishes", "shutdownAfterFinish", "did you mean shutdown"),
    (
        "rayjob.yaml",
        "ttlSecondsAfterFinished: 600",
        "deletionStrategy: {deletionRules: [{policy: DeleteSelf, condition: {jobStatus: FAILED}}]}",
        "keep one of them",
    ),
    ("rayjob.yaml", "name: scope-batch", "name: scope_batch", "use small letters"),
    ("objects.yaml", "maxUnavailable", "maxUnavailble", "did you mean maxUnavailable?"),
    ("objects.yaml", "policy/v1", "policy/v1beta1", "did you mean policy/v1?"),
    ("objects.yaml", "kind: Service", "kind: Servce", "did you mean Service?"),
    ("objects.yaml", "port: 80,", "port: http,", "it should be of type integer"),
    ("objects.yaml", "targetPort", "targetport", "did you mean targetPort?"),
    ("objects.yaml", "  ports:", "  type: NodePort\n  ports:", "remove one of them"),
    ("ray-up.yaml", "cluster_name: scope", "cluster_name: 7", "it should be of type string"),
    ("ray-up.yaml", "setup_commands", "setup_command", "did you mean setup_commands?"),
    ("ray-up.yaml", "worker_ips", "worker_ip", "did you mean worker_ips?"),
    ("ray-up.yaml", "192.0.2.12", "192.0.2.11", "name each machine once"),
    ("ray-up.yaml", "ray[serve]==2.60.0", "ray[serve]==2.9.0", "use Ray 2.60.0"),
    ("ray-up.yaml", "RAY_AUTH_MODE=token ray start --head", "ray start --head", "put RAY_AUTH_MO"),
    ("ray-up.yaml", "--num-cpus=0", "--num-cpu=0", "did you mean num-cpus?"),
    ("ray-up.yaml", "host=127.0.0.1", "host=0.0.0.0", "use --dashboard-host=127.0.0.1"),
    ("ray-up.yaml", "auth: {ssh_user", "auth: {ssh_usr", "did you mean ssh_user?"),
    ("ray-up.yaml", "--head", "--head --redis-password=hunter2hunter2", "take it from a Secret"),
    ("Dockerfile", "vllm==0.29.0", "vllm==0.33.0", "use vLLM 0.29.0"),
    ("Dockerfile", "python:3.11-slim-bookworm", "python:latest", "name a version"),
    ("Dockerfile", "USER 1000:1000", "ENV HF_TOKEN=hf_abcdefghijklmnop1\nUSER 1000", "a Secret"),
    ("Dockerfile", "AS cpu\nUSER 1000:1000", "AS cpu\nUSER root", "end the stage with USER"),
]


@pytest.mark.parametrize(
    ("name", "old", "new", "remedy"), [pytest.param(*case, id=case[2]) for case in OTHER_MISTAKES]
)
def test_a_mistake_in_another_file_is_found(tmp_path, name, old, new, remedy):
    """
    Jobs, core objects of Kubernetes, cluster files of ``ray up`` and Dockerfiles.
    """
    findings, line = find(tmp_path, name, old, new)
    here = [finding for finding in findings if finding.line == line and finding.level == "error"]

    assert len(here) == 1
    assert remedy in here[0].remedy
